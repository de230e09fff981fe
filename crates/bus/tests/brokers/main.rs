//! The bus on real brokers: Naru's in this process, and a Redis and a Valkey, which come by scripts/install-test-tools. Where one
//! is not there, what is said about it is left out.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod broker;
mod channels;
mod gateway;
mod inboxes;
mod lines;
mod links;
mod lost;
mod server;
mod spread;
mod swept;
mod tended;
