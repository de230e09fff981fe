//! What must hold for whatever a data folder holds: run here on made-up damage, in `fuzz/` on what libFuzzer finds.
#![allow(dead_code, reason = "each of those who share this uses a part")]

pub(crate) mod damaged;
pub(crate) mod forged;
mod stored;
