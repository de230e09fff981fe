use std::collections::VecDeque;

use naru_ledger::{Millis, Seq, User};
use serde::{Deserialize, Serialize};

/// What is appended and not done; rising, and never none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open(VecDeque<Undone>);

/// An entry that has still to be delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Undone {
    seq: Seq,
    /// When it was stored.
    at: Millis,
    /// The entry says so itself: it is here so that few entries are read, and not in checkpoints.
    #[serde(skip)]
    turn: Turn,
}

/// Who comes, goes or is given a role by an entry.
#[derive(Clone, Debug, Default)]
enum Turn {
    /// It was put back from a checkpoint.
    #[default]
    Unknown,
    Nobody,
    Of(User),
}

impl PartialEq for Undone {
    fn eq(&self, other: &Undone) -> bool {
        (self.seq, self.at) == (other.seq, other.at)
    }
}

impl Open {
    /// One entry.
    pub(super) fn new(seq: Seq, at: Millis) -> Open {
        Open([Undone { seq, at, turn: Turn::Nobody }].into())
    }

    /// One more, the newest.
    pub(super) fn push(&mut self, seq: Seq, at: Millis) {
        self.0.push_back(Undone { seq, at, turn: Turn::Nobody });
    }

    /// By this entry, if it is here, a user comes, goes or is given a role.
    pub(super) fn is_turn_of(&mut self, seq: Seq, user: &User) {
        if let Ok(at) = self.place(seq) {
            self.0[at].turn = Turn::Of(user.clone());
        }
    }

    /// Leaves those that are to be kept; whether there are any.
    pub(super) fn retain(&mut self, keep: impl Fn(Seq) -> bool) -> bool {
        self.0.retain(|undone| keep(undone.seq));
        !self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, seq: Seq) -> bool {
        self.place(seq).is_ok()
    }

    /// When the first was stored.
    pub(super) fn since(&self) -> Option<Millis> {
        self.0.front().map(|undone| undone.at)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Seq> {
        self.0.iter().map(|undone| undone.seq)
    }

    /// Those before an entry by which somebody who is asked for comes, goes or is given a role, and those of which only the entry
    /// itself says so.
    pub(super) fn turns_before(
        &self,
        before: Seq,
        is_asked_for: impl Fn(&User) -> bool,
    ) -> impl Iterator<Item = Seq> {
        let earlier = self.0.iter().take_while(move |undone| undone.seq < before);
        let turns = earlier.filter(move |undone| match &undone.turn {
            Turn::Unknown => true,
            Turn::Nobody => false,
            Turn::Of(user) => is_asked_for(user),
        });
        turns.map(|undone| undone.seq)
    }

    /// Whether one that was read back can have come to be, of a log that has these entries.
    pub(super) fn is_sound(&self, is_there: impl Fn(Seq) -> bool) -> bool {
        !self.0.is_empty()
            && self.entries().all(is_there)
            && self.0.iter().is_sorted_by(|one, other| one.seq < other.seq)
    }

    fn place(&self, seq: Seq) -> Result<usize, usize> {
        self.0.binary_search_by_key(&seq, |undone| undone.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_turns_of_who_is_asked_for_are_looked_at_and_after_a_checkpoint_all() {
        let [alice, bob] = ["alice", "bob"].map(|user| User::parse(user).unwrap());
        let mut open = Open::new(Seq(1), Millis(1));
        (2..=4).for_each(|seq| open.push(Seq(seq), Millis(seq)));
        open.is_turn_of(Seq(2), &alice);
        open.is_turn_of(Seq(3), &bob);
        open.is_turn_of(Seq(9), &alice);
        let turns = |open: &Open, before, user: &User| -> Vec<u64> {
            open.turns_before(Seq(before), |asked| asked == user).map(|seq| seq.0).collect()
        };
        assert_eq!((turns(&open, 4, &alice), turns(&open, 4, &bob)), (vec![2], vec![3]));
        assert_eq!(turns(&open, 2, &alice), [0; 0]);
        let again: Open = postcard::from_bytes(&postcard::to_stdvec(&open).unwrap()).unwrap();
        assert_eq!(again, open);
        assert_eq!(turns(&again, 4, &alice), [1, 2, 3]);
    }
}
