//! Bodies that are lost, of keys that are known.

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use naru_store::{Address, Listed, Salvage};

use crate::{
    escaped::escaped,
    keyspace::{Place, Slot},
    streams::StreamId,
};

/// Bodies of one key that are lost.
pub(super) struct LostBodies {
    key: Bytes,
    pub(super) count: u64,
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
    pub(super) fn new(key: &Bytes) -> LostBodies {
        LostBodies { key: key.clone(), count: 0, runs: Vec::new(), is_in_run: false }
    }

    #[cfg(test)]
    pub(super) fn one_of_many(key: &[u8], count: u64) -> LostBodies {
        let slot = Slot::Element(0);
        let run = Run { first: slot, last: slot, count, path: PathBuf::new(), offset: 0 };
        LostBodies { count, runs: vec![run], ..LostBodies::new(&Bytes::copy_from_slice(key)) }
    }

    pub(super) fn note(&mut self, slot: Slot, place: Place, from: &Salvage) {
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

    /// How many lines it takes to say.
    pub(super) fn lines(&self) -> usize {
        self.runs.len()
    }

    /// One is there again.
    pub(super) fn go_on(&mut self) {
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
