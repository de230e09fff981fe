use bytes::Bytes;
use naru_ledger::answer::{Answer, Delivered, Entry, PointerKind, Refused};
use naru_ledger::{Conversation as Name, Limits, Millis, Mode, Op, Seq};

use super::{Ledger, LedgerChange};
use crate::keyspace::Place;

/// Where what entries say is read.
pub(crate) trait Bodies {
    /// Why it cannot be.
    type Error;

    fn read(&mut self, place: Place) -> Result<Bytes, Self::Error>;
}

/// What an operation comes to.
#[derive(Debug)]
pub(crate) struct Decided {
    /// True once the changes are made, and to be given once they are durable.
    pub(crate) answer: Answer,
    /// To be recorded and made, all or none, before anything else is decided.
    pub(crate) changes: Vec<LedgerChange>,
    /// What servers are to be told once they are durable.
    pub(crate) news: Option<News>,
}

/// What servers are to be told: each of those of a recipient once, and in broadcast mode the room's channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) conversation: Name,
    pub(crate) seq: Seq,
    pub(crate) kind: PointerKind,
    pub(crate) mode: Mode,
    /// Those for whom something has changed, with their servers.
    pub(crate) to: Vec<Delivered>,
    /// There unless it is about a read, or nobody is to be told.
    pub(crate) entry: Option<Entry>,
}

/// Why an operation was not decided on. Nothing has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Undecided<E> {
    Refused(Refused),
    /// What an entry says cannot be read.
    Unread(E),
    /// What was read there is not what an entry says.
    Garbled(Place),
}

impl<E> From<Refused> for Undecided<E> {
    fn from(refused: Refused) -> Self {
        Undecided::Refused(refused)
    }
}

impl Ledger {
    /// What an operation comes to at this moment. Only what is volatile (routes, and leases of servers and sweeps) is changed
    /// at once.
    pub(crate) fn decide<B: Bodies>(
        &mut self,
        op: &Op,
        now: Millis,
        limits: &Limits,
        bodies: &mut B,
    ) -> Result<Decided, Undecided<B::Error>> {
        todo!()
    }
}
