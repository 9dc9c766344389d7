//! The examples are the binaries beside this file; `tests.rs` runs each of them.
