#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| naru_gateway::hold_handshakes(data));
