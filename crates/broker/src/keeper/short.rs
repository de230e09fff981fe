use super::{KeyOp, LedgerOp, ListOp, Op, StreamOp, Task, TextOp, store::Store};
use crate::{
    limits::{SHORT_BYTES_MAX, SHORT_COUNT_MAX},
    lists::{Element, End},
    streams::StreamId,
};

impl Store {
    /// Whether a task is soon done, so that a core may do it itself: its other clients wait meanwhile.
    pub(super) fn is_short(&self, task: &Task) -> bool {
        match task {
            Task::Do(Op::Keys(op)) => match op {
                KeyOp::Delete(keys) | KeyOp::Exists(keys) => is_few(keys.len()),
                KeyOp::Copy { .. } | KeyOp::Scan(_) | KeyOp::Matching(_) => false,
                _ => true,
            },
            Task::Do(Op::Text(op)) => match op {
                TextOp::GetSeveral(keys) => is_few(keys.len()),
                TextOp::SetSeveral { pairs, .. } => is_few(pairs.len()),
                _ => true,
            },
            Task::Do(Op::Stream(op)) => self.is_short_on_stream(op),
            Task::Do(Op::List(op)) => self.is_short_on_list(op),
            Task::Do(Op::Ledger(LedgerOp::Op(op))) => is_short_on_ledger(op),
            Task::Do(Op::Ledger(LedgerOp::Generation)) => true,
            Task::Do(Op::Channel(op)) => is_short_on_channel(op),
            Task::Do(Op::Unblock { .. }) | Task::Unwatch(_) => true,
            Task::Watch { keys, .. } => is_few(keys.len()),
            Task::Do(Op::Flush | Op::Usage { .. }) | Task::Exec(_) | Task::Backup(_) | Task::Gone => false,
        }
    }

    fn is_short_on_stream(&self, op: &StreamOp) -> bool {
        match op {
            StreamOp::Add { .. } | StreamOp::Len { .. } => true,
            StreamOp::Ack { ids, .. } => ids.as_ref().map_or(0, Vec::len) <= SHORT_COUNT_MAX,
            StreamOp::ReadGroup { read, .. } => {
                let [(key, Ok(None))] = &read.streams[..] else { return false };
                // Whatever is wrong with it is soon said.
                let Ok(Some(stream)) = self.stream(key) else { return true };
                let Some(after) = stream.group(&read.group).map(|group| group.progress().last) else {
                    return true;
                };
                let count = read.count.unwrap_or(usize::MAX);
                let new = stream.range(after.next().unwrap_or(after), StreamId::MAX).take(count);
                are_short(new.map(|(_, place)| place.bytes))
            }
            _ => false,
        }
    }

    fn is_short_on_list(&self, op: &ListOp) -> bool {
        match op {
            ListOp::Push { elements, .. } => is_few(elements.len()),
            ListOp::Pop { key, end, count } => self.are_short_at(key, *end, count.unwrap_or(1)),
            ListOp::PopAny { keys, end, count, .. } => {
                is_few(keys.len()) && keys.iter().all(|key| self.are_short_at(key, *end, count.unwrap_or(1)))
            }
            ListOp::Move { from: (key, end), .. } => self.are_short_at(key, *end, 1),
            ListOp::Len { .. } => true,
            _ => false,
        }
    }

    /// Whether so many elements at that end of a list are soon read.
    fn are_short_at(&self, key: &[u8], end: End, count: usize) -> bool {
        let Ok(Some(list)) = self.value::<crate::lists::List>(key) else { return true };
        let bytes = |element| match element {
            Element::Inline { bytes, .. } => u32::from(bytes),
            Element::Stored { bytes, .. } => bytes,
        };
        match end {
            End::Left => are_short(list.from(0).take(count).map(bytes)),
            End::Right => are_short(list.reversed().take(count).map(bytes)),
        }
    }
}

fn is_short_on_ledger(op: &naru_ledger::Op) -> bool {
    use naru_ledger::{Conversation, Op};

    match op {
        Op::Append(_) | Op::Done { .. } | Op::Ack(_) | Op::Read(_) | Op::Mark { .. } => true,
        // To how many is not known before; nor how many routes another run leaves behind, with [`Op::Server`].
        Op::Send(append) => matches!(append.conversation, Conversation::Direct(_)),
        Op::Deliver(deliver) => is_few(deliver.to.len()),
        Op::Route { users, .. } | Op::Unroute { users, .. } | Op::Presence { users } => is_few(users.len()),
        _ => false,
    }
}

fn is_short_on_channel(op: &naru_ledger::channel::Op) -> bool {
    use naru_ledger::channel::Op;

    match op {
        Op::Publish(_) | Op::Enter(_) | Op::Leave(_) => true,
        Op::History(history) => history.limit == Some(0),
        Op::Remove { .. } | Op::Presence { .. } | Op::Stats { .. } => false,
    }
}

fn is_few(count: usize) -> bool {
    count <= SHORT_COUNT_MAX
}

/// Whether bodies of these lengths are few, and together not long.
fn are_short(mut lengths: impl Iterator<Item = u32>) -> bool {
    let mut left = SHORT_BYTES_MAX;
    for _ in 0..SHORT_COUNT_MAX {
        let Some(bytes) = lengths.next() else { return true };
        let Some(rest) = left.checked_sub(bytes) else { return false };
        left = rest;
    }
    lengths.next().is_none()
}
