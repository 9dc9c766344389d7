//! `deep-scan --live`: what happens now, as a view that fills the terminal.

mod draw;
mod keys;
mod screen;
mod view;

use std::cell::RefCell;
use std::io;

use self::draw::draw;
use self::keys::Keys;
use self::screen::Screen;
pub(crate) use self::view::View;
use crate::oracle::Step;
use crate::run::Glimpse;
use crate::signals::Quit;

/// The view on the terminal. Dropped, it gives the terminal back as it was.
#[derive(Debug)]
pub(crate) struct Live {
    /// First, so that nobody reads keys any more when the terminal is given back.
    _keys: Keys,
    shown: RefCell<Shown>,
}

#[derive(Debug)]
struct Shown {
    view: View,
    screen: Screen,
}

impl Live {
    /// Takes the terminal; `q` and Ctrl-C ask to quit.
    ///
    /// # Errors
    ///
    /// A terminal that cannot be switched, or no thread to be had.
    pub(crate) fn begin(view: View, quit: Quit) -> io::Result<Self> {
        let screen = Screen::enter()?;
        let live = Self { _keys: Keys::listen(quit)?, shown: RefCell::new(Shown { view, screen }) };
        live.change(|_| ());
        Ok(live)
    }

    pub(crate) fn policy_begins(&self, policy: &str) {
        self.change(|view| view.begin(policy));
    }

    pub(crate) fn sweep(&self, step: Step) {
        self.change(|view| view.sweep(step));
    }

    pub(crate) fn show(&self, glimpse: &Glimpse<'_>) {
        self.change(|view| view.show(glimpse));
    }

    pub(crate) fn policy_ends(&self, summary: String) {
        self.change(|view| view.end(summary));
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        let Shown { view, screen } = &mut *self.shown.borrow_mut();
        change(view);
        screen.draw(|frame| draw(frame, view));
    }
}
