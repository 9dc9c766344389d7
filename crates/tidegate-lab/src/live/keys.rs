//! The keys of the live view.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};

use crate::signals::Quit;

/// Reads keys on a thread of its own until it is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How long the end of the view may wait for the thread.
const PATIENCE: Duration = Duration::from_millis(50);

impl Keys {
    /// Asks `quit` to quit when a key says so.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub(super) fn listen(quit: Quit) -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let work = move || {
            while !seen.load(Ordering::Relaxed) {
                match next() {
                    Ok(Some(Event::Key(key))) if quits(key) => quit.ask(),
                    Ok(_) => {}
                    // No terminal to read from: signals are left.
                    Err(_) => break,
                }
            }
        };
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(work)?;
        Ok(Self { is_over, thread: Some(thread) })
    }
}

fn next() -> io::Result<Option<Event>> {
    if poll(PATIENCE)? { read().map(Some) } else { Ok(None) }
}

/// Without echo the terminal makes no signal of Ctrl-C.
fn quits(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (is_interrupt || matches!(key.code, KeyCode::Char('q' | 'Q')))
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_ctrl_c_quit_and_nothing_else_does() {
        let key = |code, modifiers| quits(KeyEvent::new(KeyCode::Char(code), modifiers));
        assert!(key('q', KeyModifiers::NONE) && key('Q', KeyModifiers::SHIFT));
        assert!(key('c', KeyModifiers::CONTROL));
        assert!(!key('c', KeyModifiers::NONE) && !key('x', KeyModifiers::CONTROL));
        let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert!(!quits(released));
    }
}
