//! The model: what each operation does, and what is true after any history of them.
#![allow(clippy::unwrap_used, reason = "tests, their helpers included")]

mod appending;
mod client;
mod fan_out;
mod histories;
mod history;
mod inboxes;
mod membership;
mod rooms;
mod routes;
mod steps;
mod truth;
mod words;
mod world;
