//! Strangers choose the names of channels; what those hash to must not be known to them.

use std::{env, process::Command};

use ahash::RandomState;

#[test]
fn a_name_hashes_otherwise_in_every_process() {
    if env::var_os("NARU_HASH").is_some() {
        return println!("hash {}", RandomState::new().hash_one("news"));
    }
    let in_another_process = || {
        let this_test = ["--exact", "a_name_hashes_otherwise_in_every_process", "--nocapture"];
        let output =
            Command::new(env::current_exe().unwrap()).args(this_test).env("NARU_HASH", "1").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().find(|line| line.contains("hash ")).expect("the other process says it").to_owned()
    };
    assert_ne!(in_another_process(), in_another_process());
}
