//! A headless Chromium of a test's own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{ChromeCapabilities, ChromiumLikeCapabilities, LoggingPrefsLogLevel, WebDriver};
use url::Url;

/// The driver's process, which ends with this handle, and what the browser writes.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    address: String,
    profile: TempDir,
}

/// A page in the browser.
#[derive(Clone, Debug)]
pub(crate) struct Tab {
    driver: WebDriver,
    address: Url,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) is_phone: bool,
    pub(crate) is_dark: bool,
}

pub(crate) const LOOKS: [Look; 4] = [
    Look { name: "phone-light", width: 390, is_phone: true, is_dark: false },
    Look { name: "phone-dark", width: 390, is_phone: true, is_dark: true },
    Look { name: "desktop-light", width: 1280, is_phone: false, is_dark: false },
    Look { name: "desktop-dark", width: 1280, is_phone: false, is_dark: true },
];

const FAULTS: &str = include_str!("faults.js");

impl Browser {
    /// Starts the driver on a free port.
    pub(crate) fn start() -> Self {
        let mut command = Command::new("chromedriver");
        let started = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver =
            started.expect("chromedriver is missing: ./check installs it, chromium-driver of Debian");
        let said = BufReader::new(driver.stdout.take().unwrap());
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            Some(line.split_once("started successfully on port ")?.1.trim_end_matches('.').to_owned())
        });
        let address = format!("http://127.0.0.1:{}", port.expect("chromedriver ended before it listened"));
        Self { driver, address, profile: tempfile::tempdir().unwrap() }
    }

    /// Opens the file and does something with it; the browser is closed whatever comes of that.
    pub(crate) async fn with<T>(&self, page: &Path, work: impl AsyncFnOnce(Tab) -> T) -> T {
        let driver = WebDriver::new(&self.address, self.capabilities()).await.unwrap();
        let address = Url::from_file_path(page).unwrap();
        let work = async |driver: WebDriver| {
            driver.goto(address.as_str()).await?;
            Ok::<_, thirtyfour::error::WebDriverError>(work(Tab { driver, address }).await)
        };
        driver.run_and_quit(work).await.unwrap()
    }

    fn capabilities(&self) -> ChromeCapabilities {
        let mut capabilities = ChromeCapabilities::new();
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            profile.as_str(),
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        for log in ["browser", "performance"] {
            capabilities.set_logging_prefs(log.to_owned(), LoggingPrefsLogLevel::All).unwrap();
        }
        capabilities
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Tab {
    /// Shows the page so.
    pub(crate) async fn look(&self, look: Look) {
        let cdp = self.driver.cdp();
        let scheme = if look.is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        cdp.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
        self.resize(look, 844).await;
    }

    async fn resize(&self, look: Look, height: u64) {
        let metrics = json!({
            "width": look.width, "height": height, "deviceScaleFactor": 1, "mobile": look.is_phone,
        });
        self.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await.unwrap();
    }

    /// What is wrong with it as it is shown, with everything folded out.
    pub(crate) async fn faults(&self, look: Look, plots: usize) -> Vec<String> {
        let unfold = "for (const part of document.querySelectorAll('details')) part.open = true;";
        self.driver.execute(unfold, Vec::new()).await.unwrap();
        let arguments = vec![look.width.into(), plots.into(), look.is_dark.into()];
        self.driver.execute(FAULTS, arguments).await.unwrap().convert().unwrap()
    }

    /// What the page complained of since it was opened: errors of scripts, and what could not be loaded.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        log.into_iter().map(|entry| format!("{}: {}", entry.level, entry.message)).collect()
    }

    /// What the page asked the network, or the disk, for beside itself.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let log = self.driver.get_log("performance").await.unwrap();
        let address = self.address.as_str();
        let asked: Vec<String> = log.iter().filter_map(|entry| request(&entry.message, address)).collect();
        assert!(asked.iter().any(|asked| asked == address), "the log misses the page itself: {asked:?}");
        asked.into_iter().filter(|asked| asked != address).collect()
    }

    /// A picture of the whole page.
    pub(crate) async fn picture(&self, look: Look, path: &Path) {
        let height = self.driver.execute("return document.scrollingElement.scrollHeight", Vec::new()).await;
        self.resize(look, height.unwrap().convert().unwrap()).await;
        let picture = self.driver.screenshot_as_png().await.unwrap();
        std::fs::write(path, picture).unwrap();
        self.resize(look, 844).await;
    }
}

/// The address of a log entry that tells of a request of the page; the browser's own first page makes some, too.
fn request(message: &str, page: &str) -> Option<String> {
    let event: Value = serde_json::from_str(message).ok()?;
    let event = &event["message"];
    let params = &event["params"];
    let is_request = event["method"] == "Network.requestWillBeSent" && params["documentURL"] == page;
    is_request.then(|| params["request"]["url"].as_str().map(str::to_owned))?
}
