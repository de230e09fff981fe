//! What jobs will look at, looked at for several of them at once. Keys are spread over more memory than the processor's caches
//! hold, and finding one takes half a dozen steps, each of which waits for the one before; those of different keys do not wait
//! for each other. Each job then finds its own near by.

use bytes::Bytes;

use super::{Job, ListOp, Op, StreamOp, Task, TextOp};
use crate::keyspace::Keyspace;

/// As many as the nearest cache holds beside what the jobs themselves need.
pub(super) const LOOKED_AT_TOGETHER: usize = 16;

/// Looks at the keys of so many jobs.
pub(super) fn look<'j>(keyspace: &Keyspace, jobs: impl Iterator<Item = &'j Job>) {
    let mut found = [None; LOOKED_AT_TOGETHER];
    for (found, name) in found.iter_mut().zip(jobs.filter_map(key)) {
        *found = keyspace.get(name);
    }
    for key in found.into_iter().flatten() {
        key.value.touch();
    }
}

/// The key that a job is about, if it is one that comes in great numbers.
fn key(job: &Job) -> Option<&Bytes> {
    let Task::Do(op) = &job.task else { return None };
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
