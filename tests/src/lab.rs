#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test's helper that cannot help ends the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The command, built once per test process; cargo does nothing if it is up to date.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // This test stands in <target>/<profile>/deps.
        let this = std::env::current_exe().unwrap();
        let folder = this.parent().and_then(Path::parent).unwrap();
        let profile = match folder.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "tidegate-lab", "--profile", profile, "--target-dir"])
            .arg(folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "the tidegate command does not build");
        folder.join("tidegate")
    })
}

/// The `tidegate` command with a temporary directory of its own, so that what it leaves behind is seen.
///
/// Its methods panic where they cannot help.
#[derive(Debug)]
pub struct Lab {
    temp: TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// With an empty directory.
    #[must_use]
    pub fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    /// A path in the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.temp.path().join(name).display().to_string()
    }

    /// The command, to be run in the directory.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).env("TMPDIR", self.temp.path()).current_dir(self.temp.path());
        command
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it, expects that exit code, and reads the JSON it wrote.
    #[track_caller]
    pub fn json(&self, args: &[&str], code: i32) -> Value {
        let path = self.path("run.json");
        let mut args = args.to_vec();
        args.extend(["--json", &path]);
        let output = self.run(&args);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        self.check_empty();
        json
    }

    /// Nothing is left in the directory.
    #[track_caller]
    pub fn check_empty(&self) {
        let left: Vec<_> =
            std::fs::read_dir(self.temp.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// What was printed.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A count of the JSON.
#[must_use]
pub fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no count: {value}"))
}

/// One line that names the field, exit code 2, nothing printed and nothing left.
#[track_caller]
pub fn check_bad_input(args: &[&str], field: &str) {
    let lab = Lab::new();
    let output = lab.run(args);
    let lines = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {lines}");
    assert_eq!(lines.lines().count(), 1, "{args:?}: {lines}");
    let given = format!("error: {field} is ");
    assert!(lines.starts_with(&given) && lines.contains(", allowed is "), "{args:?}: {lines}");
    assert!(output.stdout.is_empty());
    lab.check_empty();
}
