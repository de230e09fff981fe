//! Bodies that are lost, of keys that are known, for people to read.

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use naru_ledger::{Conversation, Seq, channel::Channel};
use naru_store::{Address, Listed, Salvage};

use crate::{
    escaped::escaped,
    keyspace::{Place, Slot},
    streams::StreamId,
};

/// Bodies that are lost, key by key. When that takes too many lines, keys and their bodies are counted only.
#[derive(Default)]
pub(in crate::keeper) struct Lost {
    keys: Vec<LostBodies>,
    lines: usize,
    more_keys: u64,
    more_bodies: u64,
}

impl Lost {
    pub(in crate::keeper) fn note(&mut self, bodies: LostBodies) {
        if bodies.count == 0 {
            return;
        }
        if self.lines < Listed::<LostBodies>::MAX {
            self.lines += bodies.runs.len();
            self.keys.push(bodies);
        } else {
            self.more_keys += 1;
            self.more_bodies += bodies.count;
        }
    }

    pub(in crate::keeper) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|bodies| write!(f, "{bodies}"))?;
        if self.more_keys > 0 {
            let Lost { more_bodies, more_keys, .. } = self;
            writeln!(
                f,
                "  and {more_bodies} more entries, elements and messages, of {more_keys} more keys and conversations"
            )?;
        }
        Ok(())
    }
}

/// Bodies of one key, or of one conversation, that are lost.
pub(in crate::keeper) struct LostBodies {
    /// What it is, and its name.
    of: (&'static str, Bytes),
    count: u64,
    runs: Vec<Run>,
    /// The last one was lost, so the next one that is belongs to its run.
    is_in_run: bool,
}

/// Bodies one after the other that are lost.
struct Run {
    first: Which,
    last: Which,
    count: u64,
    /// Where the first one should be.
    path: PathBuf,
    offset: u64,
}

/// Which of those that a key or a conversation has.
#[derive(Clone, Copy)]
pub(in crate::keeper) enum Which {
    Entry(StreamId),
    /// By its index.
    Element(u64),
    Message(Seq),
    /// By its offset.
    Publication(u64),
}

impl From<Slot> for Which {
    fn from(slot: Slot) -> Which {
        match slot {
            Slot::Entry(id) => Which::Entry(id),
            Slot::Element(index) => Which::Element(index),
        }
    }
}

impl From<u64> for Which {
    fn from(offset: u64) -> Which {
        Which::Publication(offset)
    }
}

impl From<Seq> for Which {
    fn from(seq: Seq) -> Which {
        Which::Message(seq)
    }
}

impl LostBodies {
    pub(in crate::keeper) fn of_key(key: &Bytes) -> LostBodies {
        LostBodies { of: ("key", key.clone()), count: 0, runs: Vec::new(), is_in_run: false }
    }

    pub(in crate::keeper) fn of_conversation(conversation: &Conversation) -> LostBodies {
        let name = Bytes::copy_from_slice(conversation.as_str().as_bytes());
        LostBodies { of: ("conversation", name), count: 0, runs: Vec::new(), is_in_run: false }
    }

    pub(in crate::keeper) fn of_channel(channel: &Channel) -> LostBodies {
        let name = Bytes::copy_from_slice(channel.as_str().as_bytes());
        LostBodies { of: ("channel", name), count: 0, runs: Vec::new(), is_in_run: false }
    }

    #[cfg(test)]
    pub(in crate::keeper) fn one_of_many(key: &[u8], count: u64) -> LostBodies {
        let body = Which::Element(0);
        let run = Run { first: body, last: body, count, path: PathBuf::new(), offset: 0 };
        LostBodies { count, runs: vec![run], ..LostBodies::of_key(&Bytes::copy_from_slice(key)) }
    }

    pub(in crate::keeper) fn note(&mut self, body: impl Into<Which>, place: Place, from: &Salvage) {
        let body = body.into();
        self.count += 1;
        if let Some(run) = self.runs.last_mut().filter(|_| self.is_in_run) {
            run.last = body;
            run.count += 1;
        } else if self.runs.len() < Listed::<Run>::MAX {
            let (path, offset) = from.locate(Address::new(place.address));
            self.runs.push(Run { first: body, last: body, count: 1, path, offset });
            self.is_in_run = true;
        }
    }

    /// One is there again.
    pub(in crate::keeper) fn go_on(&mut self) {
        self.is_in_run = false;
    }
}

impl fmt::Display for LostBodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = (self.of.0, escaped(&self.of.1));
        self.runs.iter().try_for_each(|run| writeln!(f, "  {what} {name}: {run}"))?;
        let listed: u64 = self.runs.iter().map(|run| run.count).sum();
        if listed < self.count {
            writeln!(f, "  {what} {name}: {} more", self.count - listed)?;
        }
        Ok(())
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { first, last, count, path, offset } = self;
        match first {
            Which::Entry(_) if *count == 1 => write!(f, "entry {first}"),
            Which::Entry(_) => write!(f, "{count} entries, {first} to {last}"),
            Which::Element(_) => write!(f, "{count} elements, from index {first} on"),
            Which::Message(_) if *count == 1 => write!(f, "message {first}"),
            Which::Message(_) => write!(f, "{count} messages, {first} to {last}"),
            Which::Publication(_) if *count == 1 => write!(f, "publication {first}"),
            Which::Publication(_) => write!(f, "{count} publications, {first} to {last}"),
        }?;
        write!(f, " ({} from byte {offset} on)", path.display())
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Entry(id) => f.write_str(&String::from_utf8_lossy(id.text().as_ref())),
            Which::Element(index) => write!(f, "{index}"),
            Which::Message(seq) => write!(f, "{seq}"),
            Which::Publication(offset) => write!(f, "{offset}"),
        }
    }
}
