//! The signals that ask a run to stop.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

/// Asks a run to stop from inside, as Ctrl-C does from outside. A clone asks the same run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quit(Arc<Notify>);

impl Quit {
    /// Asks, also before anybody listens.
    pub(crate) fn ask(&self) {
        self.0.notify_one();
    }
}

/// Ctrl-C, and on Unix SIGTERM and SIGHUP (the terminal is gone). While one listens, neither ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    quit: Quit,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

/// The signal's number, from which the exit code is made.
const SIGINT: u8 = 2;
#[cfg(unix)]
const SIGTERM: u8 = 15;
#[cfg(unix)]
const SIGHUP: u8 = 1;

impl Signals {
    /// Listens to the signals and to `quit`.
    #[cfg(unix)]
    pub(crate) fn listen(quit: Quit) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            quit,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(windows)]
    pub(crate) fn listen(quit: Quit) -> io::Result<Self> {
        Ok(Self { quit, interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next signal and says its number. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> u8 {
        #[cfg(unix)]
        tokio::select! {
            () = self.quit.0.notified() => SIGINT,
            _ = self.interrupt.recv() => SIGINT,
            _ = self.terminate.recv() => SIGTERM,
            _ = self.hangup.recv() => SIGHUP,
        }
        #[cfg(windows)]
        tokio::select! {
            () = self.quit.0.notified() => SIGINT,
            _ = self.interrupt.recv() => SIGINT,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_to_quit_is_heard_once_also_if_nobody_listened() {
        let quit = Quit::default();
        let mut signals = Signals::listen(quit.clone()).unwrap();
        quit.ask();
        assert_eq!(signals.next().await, SIGINT);
        let dropped = timeout(Duration::from_millis(1), signals.next()).await;
        assert!(dropped.is_err(), "heard twice");
        // The wait that was dropped takes nothing with it.
        quit.ask();
        assert_eq!(signals.next().await, SIGINT);
    }
}
