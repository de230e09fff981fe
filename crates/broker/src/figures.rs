//! What a program that has a broker in it may read of what the broker counts, without asking it: the key figures of `INFO`.

use std::time::Duration;

use naru_fanout::Directory;

use crate::{
    keeper::LedgerCounts,
    wire::{Resp, Shared},
};

/// How a broker is, and what it has done since its start, or since `CONFIG RESETSTAT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Clients that are connected, from inside and outside.
    pub clients: u64,
    /// Connections that there have been.
    pub connections: u64,
    /// Commands executed.
    pub commands: u64,
    /// Bytes read from clients.
    pub input_bytes: u64,
    /// Bytes written to clients.
    pub output_bytes: u64,
    /// Messages published by commands.
    pub published: u64,
    /// Keys.
    pub keys: u64,
    /// Conversations.
    pub conversations: u64,
    /// Entries of all conversations.
    pub entries: u64,
    /// Entries that are not yet in all inboxes they are for.
    pub open_entries: u64,
    /// People who have an inbox.
    pub people: u64,
    /// Channels that keep something.
    pub channels: u64,
    /// Publications that are kept.
    pub publications: u64,
    /// Bytes of the log's files; none if nothing is stored on disk.
    pub log_bytes: u64,
    /// How often the log was synced, at the ends of its files aside.
    pub syncs: u64,
    /// How long that took.
    pub sync_time: Duration,
}

impl Figures {
    pub(crate) fn of(directory: &Directory<Resp>, shared: &Shared) -> Figures {
        let totals = shared.counters.totals(directory.written_bytes());
        let counts = &shared.key_counts;
        let ledger = counts.ledger().map(|LedgerCounts { totals, .. }| totals);
        let channels = counts.channels();
        let (syncs, sync_time) = counts.syncs();
        Figures {
            clients: shared.profiles.all().len() as u64,
            connections: totals.connections,
            commands: totals.calls(),
            input_bytes: totals.input_bytes,
            output_bytes: totals.output_bytes,
            published: totals.published,
            keys: counts.keys() as u64,
            conversations: ledger.as_ref().map_or(0, |totals| totals.conversations),
            entries: ledger.as_ref().map_or(0, |totals| totals.entries),
            open_entries: ledger.as_ref().map_or(0, |totals| totals.open),
            people: ledger.as_ref().map_or(0, |totals| totals.people),
            channels: channels.channels,
            publications: channels.publications,
            log_bytes: counts.log_bytes(),
            syncs,
            sync_time,
        }
    }
}
