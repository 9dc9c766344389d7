//! A PostgreSQL of the test's own, since it is going to be frozen.

use std::fs::{read_dir, read_to_string};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

pub(crate) struct Database {
    state: TempDir,
    pub(crate) url: String,
}

impl Database {
    pub(crate) fn start() -> Self {
        let state = tempfile::tempdir().expect("a temporary directory");
        let started = servers(&state).args(["start", "postgres"]).output().expect("scripts/servers runs");
        let text = String::from_utf8_lossy(&started.stdout);
        let url = text.trim().strip_prefix("export TIDEGATE_TEST_POSTGRES=").map(str::to_owned);
        let said = String::from_utf8_lossy(&started.stderr);
        let url = url.unwrap_or_else(|| panic!("scripts/servers says {text:?} and {said:?}"));
        Self { state, url }
    }

    /// Stops every process of the server, in the middle of whatever it does, until what is returned is dropped.
    pub(crate) fn freeze(&self) -> Frozen {
        let folder =
            read_to_string(self.state.path().join("servers")).expect("scripts/servers keeps a state");
        let pid_file = PathBuf::from(folder.trim()).join("postgres/data/postmaster.pid");
        let pids = read_to_string(pid_file).expect("the server has a pid file");
        let postmaster = pids.lines().next().expect("its first line is the pid").to_owned();
        // The postmaster first: what it starts afterwards would run.
        signal("-STOP", std::slice::from_ref(&postmaster));
        let mut pids = children(&postmaster);
        assert!(pids.len() > 5, "the server has workers: {pids:?}");
        signal("-STOP", &pids);
        pids.push(postmaster);
        Frozen { pids }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ended = servers(&self.state).arg("stop").status();
    }
}

fn servers(state: &TempDir) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers"));
    command.env("TIDEGATE_SERVERS_STATE", state.path().join("servers"));
    command
}

pub(crate) struct Frozen {
    pids: Vec<String>,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.pids);
    }
}

fn signal(signal: &str, pids: &[String]) {
    // A session that has ended meanwhile has no process any more.
    let _sent = Command::new("kill").arg(signal).args(pids).stderr(std::process::Stdio::null()).status();
}

/// The processes whose parent is `parent`: the fourth field of their state, after a name in brackets that may hold anything.
fn children(parent: &str) -> Vec<String> {
    let processes = read_dir("/proc").expect("there is a /proc").flatten();
    let is_child = |pid: &String| {
        let state = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(parent))
    };
    processes.filter_map(|process| process.file_name().into_string().ok()).filter(is_child).collect()
}
