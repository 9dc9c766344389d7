//! Random operations on a limiter, through what its users see of it.

#![no_main]

mod interpreter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| interpreter::run(bytes));
