//! What is seen while a run goes on: one line that is written over, on a terminal only.

use std::io::{IsTerminal, Write, stderr};

pub(crate) fn pass(number: u32, of: u32) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\rpass {number} of {of}");
    }
}

pub(crate) fn end() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\u{1b}[K");
    }
}
