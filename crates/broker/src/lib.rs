//! The Redis-speaking server: commands, pub/sub, streams, lists, strings; and conversations and inboxes, as commands for the
//! operations of `naru_ledger`.
//!
//! Connections live on the cores of `naru_fanout` ([`wire`], [`connection`]); a command is found in the table of
//! [`command`] and run on the spot, or handed to the [`keeper`], the one thread that owns what is stored. Replies
//! leave in the order of their commands ([`replies`]).
//!
//! What is stored leaves in a reply or a message only once its record is durable, at the level that is asked for. Bodies of
//! messages, streams and long ones of lists stay in the log, and what is in memory ([`ledger`], [`keyspace`], [`streams`],
//! [`lists`], [`strings`]: pure) knows their places; strings are in memory whole. What is pure decides on changes and makes
//! them: the same when they are made and when they are taken back in.
//!
//! Start at [`Broker`], then `connection`; for what is stored at `keeper`, for conversations and inboxes at `ledger`.

#![forbid(unsafe_code)]

mod acl;
mod addresses;
mod broker;
mod c_string;
mod channels;
mod class;
mod client;
mod command;
mod config;
mod connection;
mod counters;
mod crossing;
mod escaped;
mod eviction;
mod figures;
mod frame;
mod handover;
mod idle;
mod keeper;
mod keyspace;
mod latencies;
mod ledger;
mod ledger_limits;
mod limits;
mod lists;
mod memory_size;
mod message;
mod monitors;
mod mute;
mod numbered;
mod output_limits;
mod parameters;
mod password;
mod pause;
mod process;
mod profile;
mod replace_file;
mod replies;
mod rewrite;
mod slow_log;
mod stopwatch;
mod strangers;
mod streams;
mod strings;
mod subscriptions;
mod transaction;
mod version;
mod weight;
mod while_limited;
mod wire;

pub use acl::{AclError, AclOptions, UserLine, UserSource};
pub use broker::{Broker, Failed, Options, StartError};
pub use figures::Figures;
#[cfg(feature = "laws")]
#[doc(hidden)]
pub use keeper::hold_stored;
pub use keeper::{Report as SalvageReport, SalvageError, Storage, Verification, salvage, verify};
pub use parameters::{BadParameter, Parameters};
pub use password::{EmptyPassword, Password};
