//! How far a session is in conversations.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

use ahash::RandomState;
use naru_ledger::{Conversation, Seq};

use crate::{keyed::Keyed, limits::REACHED_MAX};

/// A conversation, by 128 bits of keyed hash: nobody makes two that are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConversationKey(u64, u64);

impl From<&Conversation> for ConversationKey {
    fn from(conversation: &Conversation) -> ConversationKey {
        static KEYS: OnceLock<(RandomState, RandomState)> = OnceLock::new();
        let (one, other) = KEYS.get_or_init(|| (RandomState::new(), RandomState::new()));
        let hash = |keys: &RandomState| {
            let mut hasher = keys.build_hasher();
            hasher.write(conversation.as_str().as_bytes());
            hasher.finish()
        };
        ConversationKey(hash(one), hash(other))
    }
}

/// Up to where a client has been pushed each conversation, so that reading by conversations begins there and not where its device
/// has acknowledged. A memory of bounded size: what is forgotten is pushed again, which falls to (conversation, seq).
#[derive(Default)]
pub(crate) struct Reached(
    #[expect(clippy::box_collection, reason = "every session has one, and most of them nothing in it")]
    Option<Box<HashMap<ConversationKey, Seq, Keyed>>>,
);

impl Reached {
    pub(crate) fn get(&self, conversation: ConversationKey) -> Seq {
        self.0.as_ref().and_then(|all| all.get(&conversation)).copied().unwrap_or_default()
    }

    pub(crate) fn note(&mut self, conversation: ConversationKey, seq: Seq) {
        let all = self.0.get_or_insert_default();
        if all.len() >= REACHED_MAX && !all.contains_key(&conversation) {
            all.clear();
        }
        let reached = all.entry(conversation).or_default();
        *reached = seq.max(*reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_is_remembered_in_bounded_memory() {
        let key = |n: usize| ConversationKey::from(&Conversation::parse(&format!("room:{n}")).unwrap());
        let mut reached = Reached::default();
        for n in 0..REACHED_MAX {
            reached.note(key(n), Seq(n as u64 + 1));
        }
        reached.note(key(7), Seq(9));
        reached.note(key(8), Seq(2));
        assert_eq!((reached.get(key(7)), reached.get(key(8))), (Seq(9), Seq(9)));
        assert_eq!(reached.get(key(REACHED_MAX)), Seq::ZERO);
        reached.note(key(REACHED_MAX), Seq(1));
        assert_eq!((reached.0.as_ref().unwrap().len(), reached.get(key(7))), (1, Seq::ZERO));
    }
}
