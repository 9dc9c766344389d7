//! Runs every example, as a user would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Cargo builds the examples of a package beside its tests.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    Command::new(path.join("examples").join(name))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn http_get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn readme_answers_with_all_experts() {
    let output = example("readme").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("110 experts answered; Snapshot { limit: "), "{text}");
}

/// It runs six jobs, says of each that all of its experts answered, and in the end what both limiters did.
#[track_caller]
fn check_six_scans(name: &str) {
    let output = example(name).arg("6").env_remove("DATABASE_URL").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for job in 0..6 {
        let line = format!("job {job}: 11 experts answered\n");
        assert_eq!(text.matches(&line).count(), 1, "{line}{text}");
    }
    for limiter in ["jobs", "experts"] {
        let line = format!("\n{limiter}: limit ");
        let (_, said) = text.split_once(&line).unwrap_or_else(|| panic!("no{line}in {text}"));
        assert!(said.lines().next().unwrap().ends_with(", 0 in flight, 0 queued"), "{text}");
    }
}

#[test]
fn apalis_worker_runs_each_job_once_and_ends() {
    check_six_scans("apalis_worker");
}

#[test]
fn deep_scan_runs_each_job_and_ends() {
    check_six_scans("deep_scan");
}

#[test]
fn axum_service_serves_scans_reasons_and_metrics() {
    let mut server =
        Running(example("axum_service").arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();

    // Ten jobs want 110 connections of 20, for long enough that the law has decided something.
    let jobs: Vec<_> = (0..10)
        .map(|_| {
            let address = address.to_owned();
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let response = http_get(&address, "/scan");
                    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
                }
            })
        })
        .collect();
    for job in jobs {
        job.join().unwrap();
    }

    let metrics = http_get(address, "/metrics");
    for name in ["tidegate_limit", "tidegate_admitted_total", "db_client_connection_wait_time"] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    let explained = http_get(address, "/limiter");
    assert!(explained.contains("experts: limit ") && explained.contains(" → "), "{explained}");
}

/// The `config_file` example in a folder of its own, and what it says.
struct ConfigFile {
    folder: tempfile::TempDir,
    running: Option<(Running, Receiver<String>)>,
    last_line: String,
}

impl ConfigFile {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), running: None, last_line: String::new() }
    }

    /// Puts a file in place whole, as deployments do.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("new"), text).unwrap();
        std::fs::rename(self.folder.path().join("new"), self.folder.path().join(name)).unwrap();
    }

    fn start(&mut self) {
        let mut command = example("config_file");
        command.args(["limiter.toml", "limit.txt"]).current_dir(self.folder.path());
        command.env("TIDEGATE__TICK", "20ms").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(output).lines().try_for_each(|line| sender.send(line.unwrap()))
            });
        }
        self.running = Some((Running(child), lines));
    }

    /// The next line it says, but for repetitions: one change of a file can be several events.
    #[track_caller]
    fn says(&mut self, words: &str) {
        let (_, lines) = self.running.as_ref().unwrap();
        let line = loop {
            let line = lines.recv_timeout(Duration::from_secs(30)).unwrap();
            if line != self.last_line {
                break line;
            }
        };
        assert!(line.contains(words), "no {words:?} in {line:?}");
        self.last_line = line;
    }

    /// Interrupts it, as Ctrl-C does; it ends with success.
    fn interrupt(&mut self, last_words: &str) {
        let id = self.running.as_ref().unwrap().0.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.says(last_words);
        let (mut running, _) = self.running.take().unwrap();
        assert!(running.0.wait().unwrap().success());
    }
}

#[test]
fn config_file_reloads_what_can_be_used_and_keeps_what_it_has_otherwise() {
    let mut example = ConfigFile::new();
    example.write("limiter.toml", "law = { kind = 'fixed', limit = 3 }");
    example.write("limit.txt", "many");
    example.start();
    example.says("limit.txt is not used: invalid digit");
    example.says("limit 3, mode Enforce, tick 20ms");
    example.write("limiter.toml", "law = { kind = 'fixed', limit = 7 }");
    example.says("limit 7, mode Enforce");
    example.write("limiter.toml", "law = { kind = 'fixed', limit = 0 }\nmode = 'shadow'\ntock = 1\n");
    example.says(
        "limiter.toml is not used, limit 7 stays: tock is unknown, allowed is law, mode, queue, retry or tick; \
         law.limit is 0, allowed is 1 to 1048575",
    );
    example.write("limiter.toml", "law = {");
    example.says("limiter.toml is not used, limit 7 stays: TOML parse error");
    std::fs::remove_file(example.folder.path().join("limiter.toml")).unwrap();
    example.says("limiter.toml is not used, limit 7 stays: configuration file");
    example.write("limiter.toml", "mode = 'shadow'\nlaw = { kind = 'fixed', limit = 5 }");
    example.says("limit 5, mode Shadow");
}

#[test]
fn config_file_begins_with_the_last_good_limit_of_the_run_before() {
    let mut example = ConfigFile::new();
    example.write("limiter.toml", "law = { kind = 'pool_aimd', initial_limit = 2, max_limit = 14 }");
    example.write("limit.txt", "14\n");
    example.start();
    example.says("restored limit 14");
    example.says("limit 14, mode Enforce");
    // Long enough for a round of work that went well.
    std::thread::sleep(Duration::from_secs(2));
    std::fs::remove_file(example.folder.path().join("limit.txt")).unwrap();
    example.interrupt("saved limit 14");
    assert_eq!(std::fs::read_to_string(example.folder.path().join("limit.txt")).unwrap(), "14\n");
}

#[test]
fn config_file_does_not_start_with_what_cannot_be_used() {
    let mut example = ConfigFile::new();
    example.write("limiter.toml", "tick = 20");
    example.start();
    // What the environment says goes over what the file says.
    example.says("limit 10, mode Enforce, tick 20ms");
    example.running = None;
    example.write("limiter.toml", "mode = 1\ntock = 2");
    example.start();
    // In any order: what the file and the environment say is merged into a map.
    example.says("mode is 1, allowed is enforce or shadow");
    assert!(example.last_line.contains("tock is unknown"), "{}", example.last_line);
    let (mut running, _) = example.running.take().unwrap();
    assert!(!running.0.wait().unwrap().success());
}
