//! What a salvage has lost and what it has kept, for people to read.

use std::fmt;

use naru_store::{Damage, Salvaged};

use super::{bodies::LostBodies, losses::Losses};
use crate::escaped::escaped;

/// Lines of one sort; more are counted only.
pub(super) const LINES_MAX: usize = 10_000;

/// What is in the new folder.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) streams: u64,
    pub(super) entries: u64,
    pub(super) lists: u64,
    pub(super) elements: u64,
    pub(super) strings: u64,
    pub(super) messages: u64,
}

/// What was lost and what is in the new folder; as text for people to read.
pub struct Report {
    found: Salvaged,
    losses: Losses,
    lost: Vec<LostBodies>,
    pub(super) kept: Kept,
}

impl Report {
    pub(super) fn new(found: Salvaged, losses: Losses) -> Report {
        Report { found, losses, lost: Vec::new(), kept: Kept::default() }
    }

    pub(super) fn note_lost(&mut self, bodies: LostBodies) {
        if bodies.count > 0 {
            self.lost.push(bodies);
        }
    }

    /// Whether changes are lost, and not bodies alone: then what is kept may not be what was there last.
    pub(super) fn has_lost_changes(&self) -> bool {
        let Losses { pieces, is_ledger_mended, misfits, made_anew, in_vain, hints: _ } = &self.losses;
        !self.found.has_all_records()
            || *pieces > 0
            || *is_ledger_mended
            || !misfits.is_empty()
            || !made_anew.is_empty()
            || !in_vain.is_empty()
    }

    /// Whether everything is there that a start of the damaged folder should have found.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && !self.has_lost_changes()
    }

    fn write_lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Losses { pieces, misfits, made_anew, in_vain, hints, .. } = &self.losses;
        writeln!(f, "lost:")?;
        for (first, last) in &self.found.lost {
            match last {
                Some(last) => {
                    let count = last.number() - first.number() + 1;
                    writeln!(
                        f,
                        "  {count} records, {first} to {last}: which keys they changed is not known"
                    )?;
                }
                None => {
                    writeln!(f, "  perhaps records from {first} on: how many there were cannot be told")?;
                }
            }
        }
        for (record, key) in hints {
            writeln!(f, "  record {record} seems to have changed key {}", escaped(key))?;
        }
        if self.found.is_pieced {
            writeln!(
                f,
                "  no checkpoint is whole, and the log does not begin with its first record: what is in {pieces} or more \
                 unreadable pieces of checkpoints, unless a record that is kept has it. What was deleted long ago may be back"
            )?;
        }
        misfits.iter().try_for_each(|misfit| writeln!(f, "  {misfit}"))?;
        for key in made_anew {
            writeln!(
                f,
                "  key {}: it was deleted and made anew in between, as later records show",
                escaped(key)
            )?;
        }
        for key in in_vain {
            writeln!(f, "  key {}: it held something else for a while, as later records show", escaped(key))?;
        }
        self.lost.iter().try_for_each(|bodies| write!(f, "{bodies}"))
    }

    fn write_meaning(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_lost_changes() {
            return Ok(());
        }
        writeln!(
            f,
            "What lost records deleted, acknowledged or took away is there again, and may be delivered once more; what they \
             added or set is not there. Inboxes of people have a new epoch: their clients are told that they may have missed \
             something, and read on from what they have acknowledged."
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kept { streams, entries, lists, elements, strings, messages } = self.kept;
        writeln!(
            f,
            "kept: {streams} streams with {entries} entries, {lists} lists with {elements} elements, {strings} strings, \
             {messages} messages of people"
        )?;
        if let Some((path, offset)) = &self.found.torn {
            writeln!(
                f,
                "{}: byte {offset}: the last write before a crash is incomplete and left out. This is no damage: with \
                 appendfsync always nobody was told of what was in it",
                path.display()
            )?;
        }
        if !self.found.damages.is_empty() {
            writeln!(f, "damaged:")?;
        }
        self.found.damages.iter().take(LINES_MAX).try_for_each(|damage| write_damage(damage, f))?;
        if self.is_complete() {
            return writeln!(f, "nothing is lost");
        }
        self.write_lost(f)?;
        self.write_meaning(f)
    }
}

fn write_damage(damage: &Damage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Damage { path, offset, records, what } = damage;
    write!(f, "  {}: byte {offset}: {what}", path.display())?;
    match records {
        Some((first, last)) => writeln!(f, " (records {first} to {last})"),
        None => writeln!(f),
    }
}
