//! Bodies that are lost, of keys that are known, for people to read.

use std::{fmt, path::PathBuf};

use bytes::Bytes;
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
            writeln!(f, "  and {more_bodies} more entries and elements, of {more_keys} more keys")?;
        }
        Ok(())
    }
}

/// Bodies of one key that are lost.
pub(in crate::keeper) struct LostBodies {
    key: Bytes,
    count: u64,
    runs: Vec<Run>,
    /// The last one was lost, so the next one that is belongs to its run.
    is_in_run: bool,
}

/// Bodies one after the other that are lost.
struct Run {
    first: Slot,
    last: Slot,
    count: u64,
    /// Where the first one should be.
    path: PathBuf,
    offset: u64,
}

impl LostBodies {
    pub(in crate::keeper) fn new(key: &Bytes) -> LostBodies {
        LostBodies { key: key.clone(), count: 0, runs: Vec::new(), is_in_run: false }
    }

    #[cfg(test)]
    pub(in crate::keeper) fn one_of_many(key: &[u8], count: u64) -> LostBodies {
        let slot = Slot::Element(0);
        let run = Run { first: slot, last: slot, count, path: PathBuf::new(), offset: 0 };
        LostBodies { count, runs: vec![run], ..LostBodies::new(&Bytes::copy_from_slice(key)) }
    }

    pub(in crate::keeper) fn note(&mut self, slot: Slot, place: Place, from: &Salvage) {
        self.count += 1;
        if let Some(run) = self.runs.last_mut().filter(|_| self.is_in_run) {
            run.last = slot;
            run.count += 1;
        } else if self.runs.len() < Listed::<Run>::MAX {
            let (path, offset) = from.locate(Address::new(place.address));
            self.runs.push(Run { first: slot, last: slot, count: 1, path, offset });
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
        let key = escaped(&self.key);
        self.runs.iter().try_for_each(|run| writeln!(f, "  key {key}: {run}"))?;
        let listed: u64 = self.runs.iter().map(|run| run.count).sum();
        if listed < self.count {
            writeln!(f, "  key {key}: {} more", self.count - listed)?;
        }
        Ok(())
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { first, last, count, path, offset } = self;
        match (first, last) {
            (Slot::Entry(first), Slot::Entry(_)) if *count == 1 => write!(f, "entry {}", text(*first)),
            (Slot::Entry(first), Slot::Entry(last)) => {
                write!(f, "{count} entries, {} to {}", text(*first), text(*last))
            }
            (Slot::Element(first), _) | (_, Slot::Element(first)) => {
                write!(f, "{count} elements, from index {first} on")
            }
        }?;
        write!(f, " ({} from byte {offset} on)", path.display())
    }
}

fn text(id: StreamId) -> String {
    String::from_utf8_lossy(id.text().as_ref()).into_owned()
}
