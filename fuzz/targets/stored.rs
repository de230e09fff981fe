#![no_main]

#[global_allocator]
static MEMORY: naru_measured::Measured = naru_measured::Measured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| naru_broker::hold_stored(data));
