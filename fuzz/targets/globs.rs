#![no_main]

#[path = "../../crates/fanout/tests/laws/globs.rs"]
mod globs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| globs::hold(data));
