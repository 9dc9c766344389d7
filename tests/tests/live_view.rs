//! `deep-scan --live` in a terminal and without one. The terminals are made by `script`, which every Debian has.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of these tests that cannot help ends the test"
)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use tidegate_tests::{Lab, count, text};

/// Takes the alternate screen, hides the cursor, and the ways back.
const TAKES: &str = "\u{1b}[?1049h";
const HIDES: &str = "\u{1b}[?25l";
const GIVES_BACK: &str = "\u{1b}[?1049l";
const SHOWS: &str = "\u{1b}[?25h";

/// The command in a terminal of its own, which says the terminal's modes before and after it.
struct InTerminal {
    child: Child,
    said: String,
}

impl InTerminal {
    fn start(lab: &Lab, size: &str, args: &[&str]) -> Self {
        let command = lab.command(args);
        let mut words = vec![command.get_program().to_string_lossy().into_owned()];
        words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
        // The shell that becomes the command says its process id, to which signals go.
        let inner = format!(
            "stty {size}; stty -g; sh -c 'echo pid $$; exec {}'; echo code $?; stty -g",
            words.join(" ")
        );
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
        script.env("TMPDIR", lab.path("")).env_remove("NO_COLOR").current_dir(lab.path(""));
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { child, said: String::new() }
    }

    /// Reads until the terminal has been told `part`.
    fn wait_for(&mut self, part: &str) {
        let out = self.child.stdout.as_mut().unwrap();
        let mut bytes = [0; 4096];
        while !self.said.contains(part) {
            let read = out.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "ended before it showed {part:?}:\n{:?}", self.said);
            self.said.push_str(&text(&bytes[..read]));
        }
    }

    fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = self.said.split("pid ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// Everything that was said, once the terminal is given back as it was and the command ended with that code.
    #[track_caller]
    fn check_given_back(mut self, code: i32) -> String {
        self.wait_for("code ");
        let mut rest = Vec::new();
        self.child.stdout.as_mut().unwrap().read_to_end(&mut rest).unwrap();
        self.said.push_str(&text(&rest));
        self.child.wait().unwrap();
        let said = self.said;
        let at = |part: &str| said.rfind(part).unwrap_or_else(|| panic!("no {part:?} in:\n{said:?}"));
        assert!(at(TAKES) < at(GIVES_BACK) && at(HIDES) < at(SHOWS), "{said:?}");
        assert!(said.contains(&format!("code {code}\r\n")), "{said:?}");
        let modes: Vec<&str> = said.lines().filter(|line| line.matches(':').count() > 20).collect();
        assert!(modes.len() == 2 && modes[0] == modes[1], "{modes:?}");
        said
    }
}

#[test]
fn the_view_shows_the_run_and_leaves_the_table_and_the_files() {
    let lab = Lab::new();
    let args = ["deep-scan", "--live", "--duration", "2s", "--policy", "none,adaptive", "--json", "run.json"];
    let mut terminal = InTerminal::start(&lab, "rows 24 cols 80", &args);
    terminal.wait_for(TAKES);
    terminal.wait_for("pool wait");
    let said = terminal.check_given_back(0);
    let (view, after) = said.rsplit_once(GIVES_BACK).unwrap();
    for part in ["limit", "in flight", "queued", "pool wait", "throughput", "used", "Changes of the limit"] {
        assert!(view.contains(part), "no {part:?} in:\n{view:?}");
    }
    assert!(after.contains("| adaptive |") && after.contains("the adaptive limit"), "{after:?}");
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(lab.path("run.json")).unwrap()).unwrap();
    assert!(count(&json["runs"][1]["experts_ok"]) > 0, "{json}");
}

/// Stops a run in the view by keys or a signal; everything it made is removed.
#[track_caller]
fn check_stopped(stop: impl Fn(&mut InTerminal), code: i32) {
    let lab = Lab::new();
    let args = ["deep-scan", "--live", "--duration", "60s", "--policy", "adaptive", "--json", "run.json"];
    let mut terminal = InTerminal::start(&lab, "rows 24 cols 80", &args);
    terminal.wait_for("in flight");
    stop(&mut terminal);
    let said = terminal.check_given_back(code);
    let after = said.rsplit_once(GIVES_BACK).unwrap().1;
    assert!(after.contains("stopped; everything the run made is removed"), "{after:?}");
    lab.check_empty();
}

#[test]
fn q_quits_and_gives_the_terminal_back() {
    check_stopped(|terminal| terminal.press("q"), 130);
}

#[test]
fn ctrl_c_quits_and_gives_the_terminal_back() {
    check_stopped(|terminal| terminal.press("\u{3}"), 130);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    check_stopped(|terminal| terminal.signal("-TERM"), 143);
}

#[test]
fn a_small_terminal_is_told_what_is_needed() {
    let lab = Lab::new();
    let args = ["deep-scan", "--live", "--duration", "1s", "--policy", "adaptive"];
    let said = InTerminal::start(&lab, "rows 10 cols 40", &args).check_given_back(0);
    // Blank cells are passed over, so words come one by one.
    assert!(said.contains("60×15;") && said.contains("40×10.") && said.contains("| adaptive |"), "{said:?}");
    assert!(!said.contains("in flight"), "{said:?}");
}

#[test]
fn without_a_terminal_there_is_a_line_each_second_and_no_escape_code() {
    let args = ["deep-scan", "--live", "--duration", "3s", "--query-ms", "20", "--policy", "adaptive"];
    let output = Lab::new().run(&args);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains('\u{1b}') && !output.stdout.contains(&0x1b), "{said:?}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("adaptive: ")).collect();
    // Where it begins, two seconds, and its summary.
    assert_eq!(lines.len(), 4, "{said}");
    assert!(
        lines[1].starts_with("adaptive: 1 s: limit ") && lines[2].starts_with("adaptive: 2 s: limit "),
        "{said}"
    );
    for part in [" in flight, ", " queued, ", " of 20 connections used, ", " experts/s"] {
        assert!(lines[1].contains(part), "no {part:?} in {said}");
    }
    // Without --live only the ends are told.
    let args = ["deep-scan", "--duration", "3s", "--query-ms", "20", "--policy", "adaptive"];
    let said = text(&Lab::new().run(&args).stderr);
    assert_eq!(said.lines().filter(|line| line.starts_with("adaptive: ")).count(), 2, "{said}");
}
