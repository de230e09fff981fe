//! Whether a user takes part in a room, as its entries say one after the other: who joins gets what comes from then on.

use naru_ledger::{Seq, User, answer::Entry};

use crate::departed::Turn;

pub(super) struct Stay {
    user: User,
    /// The entry by which they have left.
    left: Option<Seq>,
}

impl Stay {
    /// They take part.
    pub(super) fn new(user: User) -> Stay {
        Stay { user, left: None }
    }

    /// Whether the next entry is theirs: those by which they leave and come back are.
    pub(super) fn is_theirs(&mut self, entry: &Entry) -> bool {
        let was_out = self.left.is_some();
        if let Some(turn) = Turn::of(entry).filter(|turn| turn.user == self.user) {
            self.left = turn.leaves.then(|| self.left.unwrap_or(entry.seq));
        }
        !(was_out && self.left.is_some())
    }

    /// The last entry that was theirs, of those up to `at`.
    pub(super) fn reached(&self, at: Seq) -> Seq {
        self.left.unwrap_or(at)
    }
}

#[cfg(test)]
mod tests {
    use naru_ledger::{Conversation, Millis, Role, answer::Content};

    use super::*;

    fn entry(seq: u64, sender: &str, content: Content) -> Entry {
        Entry {
            conversation: Conversation::parse("room:a").unwrap(),
            seq: Seq(seq),
            prev: Seq(seq - 1),
            count: 0,
            at: Millis(1),
            sender: User::parse(sender).unwrap(),
            client_id: None,
            content,
        }
    }

    #[test]
    fn what_was_said_while_a_user_was_out_is_not_theirs() {
        let join = || Content::Join { role: Role::Member };
        let mut stay = Stay::new(User::parse("bob").unwrap());
        for (seq, sender, content, is_theirs, reached) in [
            (1, "carol", Content::Leave, true, 1),
            (2, "bob", Content::Leave, true, 2),
            (3, "carol", join(), false, 2),
            (4, "bob", Content::Leave, false, 2),
            (5, "bob", join(), true, 5),
            (6, "carol", join(), true, 6),
            (7, "bob", join(), true, 7),
        ] {
            assert_eq!(stay.is_theirs(&entry(seq, sender, content)), is_theirs, "{seq}");
            assert_eq!(stay.reached(Seq(seq)), Seq(reached), "{seq}");
        }
    }
}
