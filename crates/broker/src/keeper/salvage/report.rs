//! What a salvage has lost and what it has kept, for people to read.

use std::fmt;

use naru_store::{Damage, Salvaged};

use super::{
    bodies::Lost,
    losses::{Losses, Noted},
};
use crate::escaped::escaped;

/// What is in the new folder.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) streams: u64,
    pub(super) entries: u64,
    pub(super) lists: u64,
    pub(super) elements: u64,
    pub(super) strings: u64,
    pub(super) messages: u64,
    pub(super) publications: u64,
}

/// What was lost and what is in the new folder; as text for people to read.
pub struct Report {
    found: Salvaged,
    losses: Losses,
    pub(super) lost: Lost,
    /// How many conversations inboxes had to forget.
    pub(super) forgotten: u64,
    pub(super) kept: Kept,
}

impl Report {
    pub(super) fn new(found: Salvaged, losses: Losses) -> Report {
        Report { found, losses, lost: Lost::default(), forgotten: 0, kept: Kept::default() }
    }

    /// Whether changes are lost, and not bodies alone: then what is kept may not be what was there last.
    pub(super) fn has_lost_changes(&self) -> bool {
        let Losses { pieces, of_ledger_in_vain, misfits, made_anew, in_vain, hints: _ } = &self.losses;
        !self.found.has_all_records()
            || *pieces > 0
            || *of_ledger_in_vain > 0
            || !misfits.is_empty()
            || !made_anew.is_empty()
            || !in_vain.is_empty()
            || self.forgotten > 0
    }

    /// Whether everything is there that a start of the damaged folder should have found.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && !self.has_lost_changes()
    }

    fn write_lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Losses { pieces, misfits, made_anew, in_vain, hints, of_ledger_in_vain } = &self.losses;
        writeln!(f, "lost:")?;
        for (first, last) in self.found.lost.iter() {
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
        write_more(self.found.lost.more(), "runs of records", f)?;
        for (record, key) in &hints.noted {
            writeln!(f, "  record {record} seems to have changed key {}", escaped(key))?;
        }
        write_more_noted(hints, f)?;
        if self.found.is_pieced {
            writeln!(
                f,
                "  no checkpoint is whole, and the log does not begin with its first record: what is in {pieces} or more \
                 unreadable pieces of checkpoints, unless a record that is kept has it. What was deleted long ago may be back"
            )?;
        }
        misfits.iter().try_for_each(|misfit| writeln!(f, "  {misfit}"))?;
        write_more(misfits.more(), "that cannot be taken in", f)?;
        for key in &made_anew.noted {
            writeln!(
                f,
                "  key {}: it was deleted and made anew in between, as later records show",
                escaped(key)
            )?;
        }
        write_more_noted(made_anew, f)?;
        for key in &in_vain.noted {
            writeln!(f, "  key {}: it held something else for a while, as later records show", escaped(key))?;
        }
        write_more_noted(in_vain, f)?;
        if *of_ledger_in_vain > 0 {
            writeln!(
                f,
                "  {of_ledger_in_vain} changes of conversations and inboxes, which are about what is lost"
            )?;
        }
        if self.forgotten > 0 {
            writeln!(
                f,
                "  {} times a conversation in somebody's inbox: its name is not known any more",
                self.forgotten
            )?;
        }
        write!(f, "{}", self.lost)
    }

    fn write_meaning(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_lost_changes() {
            return Ok(());
        }
        writeln!(
            f,
            "What lost records deleted, acknowledged or took away is there again, and may be delivered once more; what they \
             added or set is not there. What is left of conversations is in the inboxes of all who take part, some of it perhaps \
             as unread again; they have a new epoch, so that clients compare what they have, and numbers of messages jump ahead."
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kept { streams, entries, lists, elements, strings, messages, publications } = self.kept;
        writeln!(
            f,
            "kept: {streams} streams with {entries} entries, {lists} lists with {elements} elements, {strings} strings, \
             {messages} messages of people, {publications} publications that channels keep"
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
        self.found.damages.iter().try_for_each(|damage| write_damage(damage, f))?;
        write_more(self.found.damages.more(), "places", f)?;
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

/// How many there are beside those that are listed.
fn write_more(more: u64, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if more > 0 { writeln!(f, "  and {more} more {what}") } else { Ok(()) }
}

fn write_more_noted<T>(noted: &Noted<T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if noted.more > 0 { writeln!(f, "  and up to {} more like these", noted.more) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::salvage::bodies::LostBodies;
    use naru_store::{Listed, Lsn};

    /// However much of a disk is damaged: each sort has a bound, and says how much more there is.
    #[test]
    fn a_report_of_very_much_that_is_lost_says_how_much_more_there_is() {
        const MAX: usize = Listed::<Damage>::MAX;
        let (mut found, mut losses) = (Salvaged::default(), Losses::default());
        for number in 1..=MAX as u64 + 7 {
            let lsn = Lsn::new(number);
            let damage = Damage { path: "/f".into(), offset: number, records: None, what: "unreadable" };
            found.damages.push(damage);
            found.lost.push((lsn, Some(lsn)));
            losses.misfits.push(format!("misfit {number}"));
            losses.made_anew.note(number.to_be_bytes().to_vec());
            losses.in_vain.note(number.to_be_bytes().to_vec());
            losses.hints.note((number, b"key".to_vec()));
        }
        let mut report = Report::new(found, losses);
        for number in 0..MAX as u64 + 7 {
            report.lost.note(LostBodies::one_of_many(&number.to_be_bytes()[..], 3));
        }
        let text = report.to_string();
        assert!(text.lines().count() < 7 * (MAX + 2) + 10, "{}", text.lines().count());
        for more in [
            "  and 7 more places",
            "  and 7 more runs of records",
            "  and 7 more that cannot be taken in",
            "  and 21 more entries, elements and messages, of 7 more keys and conversations",
        ] {
            assert!(text.lines().any(|line| line == more), "{more}");
        }
        assert_eq!(text.matches("  and up to 7 more like these").count(), 3);
    }
}
