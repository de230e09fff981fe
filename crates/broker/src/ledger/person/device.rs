use naru_ledger::{Device, Millis, Seq, Useq};
use serde::{Deserialize, Serialize};

use super::index::keep;
use super::varint::{put, take};
use crate::numbered::Number;

/// How a device stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// None while there is no device: nobody is as one that has acknowledged nothing, and the first goes on from there.
    pub(super) device: Option<Device>,
    /// Everything up to here is acknowledged.
    pub(crate) cursor: Useq,
    pub(crate) seen: Millis,
    pub(super) behind: Behind,
}

/// Where a device stood in the conversations whose pointers left the ring before it had them: the number of each, and that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Behind(Box<[u8]>);

impl Behind {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, Seq)> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || Some((Number::from(take(&mut rest)? as u32), Seq(take(&mut rest)?))))
    }

    pub(super) fn get(&self, conversation: Number) -> Option<Seq> {
        self.iter().find(|(number, _)| *number == conversation).map(|(_, seq)| seq)
    }

    /// It stands there in a conversation.
    pub(super) fn set(&mut self, conversation: Number, seq: Seq, scratch: &mut Vec<u8>) {
        scratch.clear();
        self.iter().filter(|(number, _)| *number != conversation).for_each(|one| write(one, scratch));
        write((conversation, seq), scratch);
        keep(&mut self.0, scratch);
    }

    pub(super) fn retain(&mut self, mut wanted: impl FnMut(Number) -> bool, scratch: &mut Vec<u8>) {
        scratch.clear();
        self.iter().filter(|(number, _)| wanted(*number)).for_each(|one| write(one, scratch));
        keep(&mut self.0, scratch);
    }

    pub(super) fn is_sound(&self) -> bool {
        let mut written = Vec::new();
        self.iter().for_each(|one| write(one, &mut written));
        written == *self.0
    }
}

fn write((conversation, seq): (Number, Seq), out: &mut Vec<u8>) {
    put(out, conversation.get().into());
    put(out, seq.0);
}
