//! What a checkpoint is made of: pieces, each with the record that it is true at and rows of one table; in parts where it is
//! long.

use std::ops::ControlFlow;

use naru_store::Lsn;
use postcard::{ser_flavors::Flavor, serialize_with_flavor};
use serde::{Deserialize, Serialize};

use crate::{
    channels::{Kept, Unversioned},
    keyspace::Key,
    ledger::{Conversation, Head, Person},
    numbered::Number,
};

/// Bytes of a part.
const PART_BYTES: usize = 256 << 10;

/// Why writing a piece cannot fail.
const WRITABLE: &str = "postcard can write all that is stored, and a vector takes all that is written";

/// A piece of a checkpoint as it is read back. The order of the variants and of their fields is the format.
#[derive(Deserialize)]
pub(in crate::keeper) enum Piece {
    /// What of the ledger is in no table, true at this record.
    Ledger(u64, Box<Head>),
    /// Keys that were true at this record.
    Keys(u64, Vec<Key>),
    /// A part of a piece that is too long for one; the first and the last one say so.
    Part { is_first: bool, is_last: bool, bytes: Vec<u8> },
    /// Conversations that were true at this record, with their numbers.
    Conversations(u64, Vec<(Number, Conversation)>),
    /// People that were.
    People(u64, Vec<(Number, Person)>),
    /// Channels that were, from a build whose publications had no versions.
    Unversioned(u64, Vec<Unversioned>),
    /// Channels that were.
    Channels(u64, Vec<Kept>),
}

/// The variants of [`Piece`] that have rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Keys = 1,
    Conversations = 3,
    People = 4,
    Channels = 6,
}

impl Table {
    /// The one that a walk begins with. Keys come last, so that what is renamed behind the walk is written before its end.
    pub(super) const FIRST: Table = Table::Conversations;

    /// The one after this.
    pub(super) fn next(self) -> Option<Table> {
        match self {
            Table::Conversations => Some(Table::People),
            Table::People => Some(Table::Channels),
            Table::Channels => Some(Table::Keys),
            Table::Keys => None,
        }
    }
}

/// The variants that have none, to be written.
#[derive(Serialize)]
enum Single<'a> {
    Ledger(u64, &'a Head),
    #[expect(dead_code, reason = "`Rows` are written one by one: this holds their place in the format")]
    Keys,
    Part {
        is_first: bool,
        is_last: bool,
        bytes: &'a [u8],
    },
}

/// Of a piece that is a part of another one, whether it is the first, and the last.
pub(in crate::keeper) fn ends_of_part(piece: &[u8]) -> Option<(bool, bool)> {
    const PART: u32 = 2;
    let ((variant, is_first, is_last), _) = postcard::take_from_bytes::<(u32, bool, bool)>(piece).ok()?;
    (variant == PART).then_some((is_first, is_last))
}

/// The piece with what of the ledger is in no table.
pub(super) fn of_ledger(at: Lsn, head: &Head) -> Vec<u8> {
    postcard::to_stdvec(&Single::Ledger(at.number(), head)).expect(WRITABLE)
}

/// Rows as they stand in a piece.
#[derive(Default)]
pub(super) struct Rows {
    count: usize,
    bytes: Vec<u8>,
}

impl Rows {
    pub(super) fn add(&mut self, row: &impl Serialize) {
        self.bytes = postcard::to_extend(row, std::mem::take(&mut self.bytes)).expect(WRITABLE);
        self.count += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The piece of a table that has them, true at this record.
    pub(super) fn into_piece(self, table: Table, at: Lsn) -> Vec<u8> {
        let head = (table as u32, at.number(), self.count);
        [postcard::to_stdvec(&head).expect(WRITABLE), self.bytes].concat()
    }
}

/// Hands over the piece of a table that has this one row, while it is written.
pub(super) fn write_alone(
    table: Table,
    at: Lsn,
    row: &impl Serialize,
    push: impl FnMut(Vec<u8>) -> ControlFlow<()>,
) {
    // An error: the rest is not wanted any more.
    let _ = serialize_with_flavor(&(table as u32, at.number(), &[row][..]), Parts::new(push));
}

/// Hands a piece over, in parts if it is too long.
pub(super) fn in_parts(piece: Vec<u8>, push: &mut dyn FnMut(Vec<u8>)) {
    if piece.len() <= PART_BYTES {
        return push(piece);
    }
    let mut parts = Parts::new(|part| {
        push(part);
        ControlFlow::Continue(())
    });
    parts.try_extend(&piece).and_then(|()| parts.finalize()).expect(WRITABLE);
}

/// A piece that is handed over in parts while it is written, so that there is never more of it than one. It ends early when
/// no more are wanted.
struct Parts<P> {
    push: P,
    bytes: Vec<u8>,
    is_first: bool,
}

impl<P: FnMut(Vec<u8>) -> ControlFlow<()>> Parts<P> {
    fn new(push: P) -> Self {
        Parts { push, bytes: Vec::with_capacity(PART_BYTES), is_first: true }
    }

    fn leave(&mut self, is_last: bool) -> postcard::Result<()> {
        let part = Single::Part { is_first: self.is_first, is_last, bytes: &self.bytes };
        let is_wanted = (self.push)(postcard::to_stdvec(&part).expect(WRITABLE)).is_continue();
        self.bytes.clear();
        self.is_first = false;
        if is_wanted || is_last { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

impl<P: FnMut(Vec<u8>) -> ControlFlow<()>> Flavor for Parts<P> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, mut bytes: &[u8]) -> postcard::Result<()> {
        while self.bytes.len() + bytes.len() > PART_BYTES {
            let (fitting, rest) = bytes.split_at(PART_BYTES - self.bytes.len());
            self.bytes.extend_from_slice(fitting);
            self.leave(false)?;
            bytes = rest;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<()> {
        self.leave(true)
    }
}
