//! The `naru` binary.
fn main() {}
