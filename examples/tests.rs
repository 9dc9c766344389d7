//! Runs every example, as a user would.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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
    assert!(explained.contains("Snapshot") && explained.contains("limit 10 → "), "{explained}");
}
