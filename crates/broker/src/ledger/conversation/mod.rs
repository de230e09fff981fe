use naru_ledger::Seq;
use serde::{Deserialize, Serialize};

use crate::{keyspace::Place, numbered::Named};

/// One conversation: its log, and who takes part. The order of its fields is the format of checkpoints. A copy shares what is
/// much with it until one of the two changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conversation {
    name: Box<str>,
}

impl Named for Conversation {
    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl Conversation {
    /// How many entries it has.
    pub(crate) fn len(&self) -> usize {
        todo!()
    }

    /// Its entries after this one: where what they say is.
    pub(crate) fn references(&self, after: Seq) -> impl Iterator<Item = (Seq, Place)> {
        std::iter::empty()
    }
}
