//! The model: what each operation does, and what is true after any history of them.
#![allow(clippy::unwrap_used, reason = "tests, their helpers included")]

mod appending;
mod fan_out;
mod inboxes;
mod rooms;
mod routes;
mod words;
mod world;
