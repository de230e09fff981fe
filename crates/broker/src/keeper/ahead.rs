//! What jobs will look at, looked at for several of them at once. Keys and conversations are spread over more memory than the
//! processor's caches hold, and finding one takes half a dozen steps, each of which waits for the one before; those of
//! different ones do not wait for each other. Each job then finds its own near by.

use bytes::Bytes;
use naru_ledger::Conversation as Name;

use super::{Job, LedgerOp, ListOp, Op, StreamOp, Task, TextOp, store::Store};
use crate::{keyspace::Key, ledger::Conversation, limits::JOBS_TOGETHER_MAX};

/// More than the processor waits for at once, and few enough to be near still when the last of them is done.
pub(super) const LOOKED_AT_TOGETHER: usize = 16;

const _: () = assert!(JOBS_TOGETHER_MAX.is_multiple_of(LOOKED_AT_TOGETHER));

#[derive(Clone, Copy)]
enum Found<'s> {
    Nothing,
    Key(&'s Key),
    Conversation(&'s Conversation),
}

/// Looks at what so many jobs are about.
pub(super) fn look<'j>(store: &Store, jobs: impl Iterator<Item = &'j Job>) {
    let mut found = [Found::Nothing; LOOKED_AT_TOGETHER];
    for (found, job) in found.iter_mut().zip(jobs) {
        let Task::Do(op) = &job.task else { continue };
        if let Some(key) = key(op) {
            *found = store.keyspace.get(key).map_or(Found::Nothing, Found::Key);
        } else if let Some(name) = conversation(op) {
            *found = store.ledger.conversation(name).map_or(Found::Nothing, Found::Conversation);
        }
    }
    for found in found {
        match found {
            Found::Nothing => {}
            Found::Key(key) => key.value.touch(),
            Found::Conversation(conversation) => conversation.touch(),
        }
    }
}

/// The key that is asked about, if that is done in great numbers.
fn key(op: &Op) -> Option<&Bytes> {
    match op {
        Op::Stream(
            StreamOp::Add { key, .. }
            | StreamOp::Ack { key, .. }
            | StreamOp::Delete { key, .. }
            | StreamOp::Range { key, .. },
        ) => Some(key),
        Op::Stream(StreamOp::ReadGroup { read, .. }) => read.streams.first().map(|(key, _)| key),
        Op::List(
            ListOp::Push { key, .. } | ListOp::Pop { key, .. } | ListOp::Move { from: (key, _), .. },
        ) => Some(key),
        Op::List(ListOp::PopAny { keys, .. }) => keys.first(),
        Op::Text(TextOp::Get(key) | TextOp::Add { key, .. }) => Some(key),
        Op::Text(TextOp::Set(op)) => Some(&op.key),
        _ => None,
    }
}

/// The conversation that is asked about, if that is done in great numbers.
fn conversation(op: &Op) -> Option<&Name> {
    let Op::Ledger(LedgerOp::Op(op)) = op else { return None };
    match op {
        naru_ledger::Op::Append(append) | naru_ledger::Op::Send(append) => Some(&append.conversation),
        naru_ledger::Op::Deliver(deliver) => Some(&deliver.conversation),
        _ => None,
    }
}
