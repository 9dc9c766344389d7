//! The axum example, as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::http::{self, Response};

/// The example, built once per test process; cargo does nothing if it is up to date.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // This test stands in <target>/<profile>/deps.
        let this = std::env::current_exe().expect("a test is a file");
        let folder = this.parent().and_then(Path::parent).expect("a test stands two folders deep");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "tidegate-examples", "--example", "axum_service"])
            .arg("--target-dir")
            .arg(folder.parent().expect("a profile stands in the target folder"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.expect("cargo runs").success(), "the example does not build");
        folder.join("examples/axum_service")
    })
}

pub(crate) struct Service {
    process: Child,
    pub(crate) address: String,
    scans: Arc<AtomicU32>,
}

impl Service {
    /// On a free port, in front of that database or of SQLite in memory.
    pub(crate) fn start(database: Option<&str>) -> Self {
        let mut command = Command::new(binary());
        command.arg("127.0.0.1:0").args(database).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the example starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output is piped");
        BufReader::new(out).read_line(&mut line).expect("it says something");
        let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let address = address.unwrap_or_else(|| panic!("the example says {line:?}"));
        Self { process, address, scans: Arc::default() }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(&self.address, path)
    }

    /// Jobs, as many at a time, one after the other until the load is dropped.
    pub(crate) fn load(&self, jobs: u32) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let run = |_| {
            let (address, scans) = (self.address.clone(), Arc::clone(&self.scans));
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let served = http::try_get(&address, "/scan").is_some_and(|scan| scan.status == 200);
                    scans.fetch_add(u32::from(served), Ordering::Relaxed);
                }
            })
        };
        let jobs = (0..jobs).map(run).collect();
        Load { is_over, jobs }
    }

    /// Waits until as many scans have been served.
    pub(crate) fn wait_for_scans(&self, scans: u32) {
        let start = Instant::now();
        while self.scans.load(Ordering::Relaxed) < scans {
            assert!(start.elapsed() < Duration::from_secs(30), "no {scans} scans are served");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _seen = self.process.wait();
    }
}

pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    jobs: Vec<JoinHandle<()>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for job in self.jobs.drain(..) {
            let _ended = job.join();
        }
    }
}
