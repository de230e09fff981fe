#![no_main]

#[path = "../../crates/store/tests/laws/mod.rs"]
mod laws;

#[global_allocator]
static MEMORY: naru_measured::Measured = naru_measured::Measured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::damaged::hold(data));
