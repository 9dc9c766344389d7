//! The HTML pages of the command in a real browser: nothing is fetched, nothing fails, and everything can be read, on a
//! phone and on a desk, light and dark.
//!
//! They need `chromium` and `chromedriver`, which `./check` installs. `TIDEGATE_PICTURES=DIR` keeps pictures of what was
//! looked at.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of these tests that cannot help ends the test"
)]

mod browser;

use std::path::{Path, PathBuf};

use tidegate_tests::{Lab, text};

use crate::browser::{Browser, LOOKS};

/// Where the pictures go: a folder of the lab unless somebody wants to keep them.
fn pictures(lab: &Lab) -> PathBuf {
    let folder =
        std::env::var_os("TIDEGATE_PICTURES").map_or_else(|| lab.path("pictures").into(), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Makes a page with the command and looks at it.
async fn check(name: &str, args: &[&str], plots: usize) {
    let lab = Lab::new();
    let page = lab.path("page.html");
    let output = lab.run(&[args, &["--report", &page]].concat());
    // How well the run went is not what is looked at here.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    assert!(Path::new(&page).exists(), "{}", text(&output.stderr));
    let folder = pictures(&lab);
    let browser = Browser::start();
    let tab = async |tab: browser::Tab| {
        for look in LOOKS {
            tab.look(look).await;
            let faults = tab.faults(look, plots).await;
            let picture = folder.join(format!("{name}-{}.png", look.name));
            tab.picture(look, &picture).await;
            assert!(std::fs::metadata(&picture).unwrap().len() > 10_000, "nothing is in the picture");
            assert!(faults.is_empty(), "{name}, {}: {faults:#?}", look.name);
        }
        assert_eq!((tab.complaints().await, tab.requests().await), (Vec::new(), Vec::new()));
    };
    browser.with(Path::new(&page), tab).await;
}

#[tokio::test]
async fn the_report_of_deep_scan_can_be_read_anywhere() {
    let policies = ["--policy", "none,per-job:5,shadow,adaptive"];
    check("deep-scan", &[&["deep-scan", "--duration", "3s"][..], &policies].concat(), 6).await;
}

/// With what only an oracle shows, and as many lines as there are colours.
#[tokio::test]
async fn the_report_with_an_oracle_can_be_read_anywhere() {
    let work = ["--jobs", "1", "--experts", "2", "--pool", "4", "--duration", "1s", "--query-ms", "20"];
    let policies = ["--policy", "none,per-job:1,fixed:1,adaptive,fixed:2,oracle"];
    check("oracle", &[&["deep-scan"][..], &work, &policies].concat(), 6).await;
}

#[tokio::test]
async fn the_page_of_simulate_can_be_read_anywhere() {
    check("simulate", &["simulate", "--only", "nested,stall,slowdown", "--seeds", "1"], 3).await;
}

/// A page with one of everything that must not be; each of them is seen.
const BAD: &str = r#"<!doctype html><html><body style="background:#fff;color:#bbb">
<p style="width:2000px">pale</p> <p style="font-size:8px;color:#000">small</p>
<img src="http://127.0.0.1:1/x.png"><script>throw new Error("broken")</script>
<figure><figcaption>Empty</figcaption><div class="plot"><svg width="400" height="240" viewBox="0 0 400 240">
<text x="390" y="20">cut off</text><text x="10" y="50">over</text><text x="12" y="52">another</text></svg></div></figure>
</body></html>"#;

#[tokio::test]
async fn a_bad_page_is_seen() {
    let lab = Lab::new();
    let page = lab.path("bad.html");
    std::fs::write(&page, BAD).unwrap();
    let browser = Browser::start();
    let seen = async |tab: browser::Tab| {
        let look = LOOKS[1];
        tab.look(look).await;
        (tab.faults(look, 2).await.join("\n"), tab.complaints().await.join("\n"), tab.requests().await)
    };
    let (faults, complaints, requests) = browser.with(Path::new(&page), seen).await;
    for part in [
        "px wide in a window of 390",
        "there is a script",
        "the paper has a luminance of 1, dark: true",
        "\"pale\" has a contrast of 1.9",
        "\"small\" has letters of 8.0 px",
        "there are 1 plots, not 2",
        "Empty: from ",
        "the label \"cut off\" is cut off",
        "the labels \"over\" and \"another\" are one over the other",
        "Empty: no line is drawn",
    ] {
        assert!(faults.contains(part), "no {part:?} in:\n{faults}");
    }
    assert!(complaints.contains("broken"), "{complaints}");
    assert_eq!(requests, ["http://127.0.0.1:1/x.png"]);
}
