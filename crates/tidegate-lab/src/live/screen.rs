//! The terminal while the view has it, and its way back.

use std::io::{self, BufWriter, Stderr, stderr};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

/// The error stream as a screen of its own, without echo. Dropped, it is what it was.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stderr>>>,
}

/// Whether there is something to give back: a panic gives it back before the screen is dropped.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

impl Screen {
    /// Takes the terminal. From then on a panic gives it back first, so that its message can be read.
    ///
    /// # Errors
    ///
    /// If it cannot be switched; it is then given back.
    pub(super) fn enter() -> io::Result<Self> {
        give_back_at_panics();
        IS_TAKEN.store(true, Ordering::SeqCst);
        let entered = enable_raw_mode().and_then(|()| {
            execute!(stderr(), EnterAlternateScreen, Hide)?;
            Terminal::new(CrosstermBackend::new(BufWriter::new(stderr())))
        });
        entered.map(|terminal| Self { terminal }).inspect_err(|_| give_back())
    }

    /// Draws on it, if it has not been given back meanwhile.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) {
        if IS_TAKEN.load(Ordering::SeqCst) {
            // A terminal that has gone away says so by a signal; there is nobody else to tell.
            let _ = self.terminal.draw(draw);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // Each is tried, whatever came of the other.
        let _ = disable_raw_mode();
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
    }
}

fn give_back_at_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            next(info);
        }));
    });
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    #[should_panic(expected = "for a test")]
    #[ignore = "takes the terminal of whoever runs it; the test below runs it in one of its own"]
    fn a_panic_on_the_screen() {
        let _screen = Screen::enter().unwrap();
        panic!("a panic for a test");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_speaks() {
        let this = std::env::current_exe().unwrap();
        let test = "live::screen::tests::a_panic_on_the_screen";
        let inside = format!("stty -g; {} --ignored --exact {test} --nocapture; stty -g", this.display());
        let ran = Command::new("script").args(["-qec", &inside, "/dev/null"]).stdin(Stdio::null()).output();
        let said = String::from_utf8_lossy(&ran.unwrap().stdout).into_owned();
        let at = |part: &str| said.find(part).unwrap_or_else(|| panic!("no {part:?} in:\n{said}"));
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l"), "{said:?}");
        assert!(
            at("\x1b[?1049l") < at("a panic for a test") && at("\x1b[?25l") < at("\x1b[?25h"),
            "{said:?}"
        );
        assert!(said.contains("1 passed"), "{said}");
        let modes: Vec<&str> = said.lines().filter(|line| line.matches(':').count() > 20).collect();
        assert!(modes.len() == 2 && modes[0] == modes[1], "{said:?}");
    }
}
