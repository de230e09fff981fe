use naru_ledger::{Follow, Seq, Useq};
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::varint::{folded, put, take, unfolded};
use crate::numbered::Number;

/// A user's conversations, the one that changed last first, in one block of bytes.
///
/// Each is a row of numbers. First, mostly in one byte, how far the number of its last change is below that of the one before
/// it, or of the user's last, and how many bytes follow. Then the conversation; the head; how far the count is below the
/// head, and how it is followed; how much is unread; and how far each unread mention is below the one above it, or the head.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index(Box<[u8]>);

/// The fewest bytes that a conversation takes.
const RECORD_BYTES_MIN: usize = 5;

/// From here on a number does not fit into its half of a row's first byte, and the rest of it follows.
const HALF: u64 = 15;

/// A conversation in an index: its number, that of its last change, and the bytes that say the rest.
pub(super) struct Row<'a> {
    pub(super) conversation: Number,
    pub(super) useq: Useq,
    pub(super) at: At,
    rest: &'a [u8],
}

/// Where in an index a row is, until something is changed there.
#[derive(Clone, Copy)]
pub(super) struct At {
    start: usize,
    /// Where the next begins.
    end: usize,
    /// How far its last change is below that of the one before it.
    back: u64,
}

impl Row<'_> {
    pub(super) fn follow(&self) -> Follow {
        let mut rest = self.rest;
        take(&mut rest);
        follow(take(&mut rest).unwrap_or_default())
    }

    pub(super) fn record(&self) -> Record {
        let mut rest = self.rest;
        let mut next = || take(&mut rest).unwrap_or_default();
        let head = next();
        let below = next();
        let count = head.wrapping_sub(below >> 2);
        let read = unfolded(next(), count);
        let mut mentions = Vec::new();
        let mut above = head;
        while let Some(below) = take(&mut rest) {
            above = above.wrapping_sub(below);
            mentions.push(Seq(above));
        }
        mentions.reverse();
        Record { head: Seq(head), count, read, mentions, useq: self.useq, follow: follow(below) }
    }
}

fn follow(below: u64) -> Follow {
    match below & 3 {
        0 => Follow::Inbox,
        1 => Follow::Channel,
        _ => Follow::Left,
    }
}

impl Index {
    /// All of it, where this is the user's last number.
    pub(super) fn rows(&self, last: Useq) -> Rows<'_> {
        Rows { bytes: &self.0, at: 0, useq: last.0 }
    }

    pub(super) fn find(&self, last: Useq, conversation: Number) -> Option<Row<'_>> {
        let (key, key_bytes) = key(conversation);
        let mask = u64::MAX >> (64 - 8 * key_bytes);
        let mut useq = last.0;
        let mut start = 0;
        loop {
            let mut rest = self.0.get(start..)?;
            let (back, length) = take_lead(&mut rest)?;
            useq = useq.wrapping_sub(back);
            let end = self.0.len() - rest.len() + length;
            // A number's bytes are not those that another's begin with.
            let begin = match rest.first_chunk::<8>() {
                Some(begin) => u64::from_le_bytes(*begin),
                None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            };
            if begin & mask == key && length >= key_bytes {
                let rest = rest.get(key_bytes..length)?;
                return Some(Row { conversation, useq: Useq(useq), at: At { start, end, back }, rest });
            }
            start = end;
        }
    }

    /// Whether it has more conversations than that.
    pub(super) fn is_above(&self, conversations_max: usize) -> bool {
        self.0.len() / RECORD_BYTES_MIN > conversations_max
            && self.rows(Useq::ZERO).nth(conversations_max).is_some()
    }

    /// A conversation has changed, by the user's next number, which is its record's. `last` is the one before, and the
    /// conversation was there before if it was.
    pub(super) fn set(
        &mut self,
        last: Useq,
        before: Option<At>,
        conversation: Number,
        record: &Record,
        scratch: &mut Vec<u8>,
    ) {
        scratch.clear();
        write(conversation, record, scratch);
        self.rewrite(record.useq.0.wrapping_sub(last.0), before, scratch);
    }

    /// The conversation that changed longest ago is forgotten, of those left if there are any; which one it was.
    pub(super) fn forget(&mut self, last: Useq, scratch: &mut Vec<u8>) -> Option<Number> {
        let mut oldest = None;
        let mut oldest_left = None;
        for row in self.rows(last) {
            let found = Some((row.conversation, row.at));
            if row.follow() == Follow::Left {
                oldest_left = found;
            }
            oldest = found;
        }
        let (conversation, at) = oldest_left.or(oldest)?;
        scratch.clear();
        self.rewrite(0, Some(at), scratch);
        Some(conversation)
    }

    /// Forgets conversations.
    pub(super) fn retain(&mut self, last: Useq, keep: impl Fn(&Number) -> bool, scratch: &mut Vec<u8>) {
        let rows = self.rows(last).filter(|row| keep(&row.conversation));
        let kept: Vec<_> = rows.map(|row| (row.conversation, row.record())).collect();
        *self = Index::default();
        let mut before = Useq::ZERO;
        for (conversation, record) in kept.iter().rev() {
            self.set(before, None, *conversation, record, scratch);
            before = record.useq;
        }
        scratch.clear();
        self.rewrite(last.0 - before.0, None, scratch);
    }

    /// Puts what there is, without one record, behind what has been written; the user's last number is that much higher.
    fn rewrite(&mut self, higher: u64, without: Option<At>, scratch: &mut Vec<u8>) {
        let all = self.0.len();
        let At { start, end, back } = without.unwrap_or(At { start: all, end: all, back: 0 });
        let higher = push_behind(&self.0[..start], higher, scratch);
        push_behind(&self.0[end..], higher.wrapping_add(back), scratch);
        keep(&mut self.0, scratch);
    }

    /// Whether its bytes are as they are written, when this is the user's last number.
    pub(super) fn is_sound(&self, last: Useq) -> bool {
        let mut written = Vec::new();
        let mut before = last;
        let mut known = std::collections::HashSet::new();
        for row in self.rows(last) {
            let record = row.record();
            let is_possible = record.useq <= before
                && record.useq > Useq::ZERO
                && record.count <= record.head.0
                && record.mentions.is_sorted_by(|one, other| one < other)
                && known.insert(row.conversation);
            if !is_possible {
                return false;
            }
            let mut one = Vec::new();
            write(row.conversation, &record, &mut one);
            push_behind(&one, before.0 - record.useq.0, &mut written);
            before = record.useq;
        }
        written == *self.0
    }
}

/// Writes rows, of which the first is this much further below what is before it. What is left of that for those behind them.
fn push_behind(rows: &[u8], further: u64, out: &mut Vec<u8>) -> u64 {
    let mut rest = rows;
    let Some((back, length)) = take_lead(&mut rest) else { return further };
    if further == 0 {
        out.extend_from_slice(rows);
    } else {
        put_lead(back.wrapping_add(further), length, out);
        out.extend_from_slice(rest);
    }
    0
}

/// How far a row is below the one before it, and how many bytes it has behind that.
#[inline]
fn take_lead(bytes: &mut &[u8]) -> Option<(u64, usize)> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    let (mut back, mut length) = (u64::from(first >> 4), u64::from(first & 0x0f));
    if back == HALF {
        back = back.wrapping_add(take(bytes)?);
    }
    if length == HALF {
        length = length.wrapping_add(take(bytes)?);
    }
    Some((back, usize::try_from(length).ok()?))
}

/// A conversation's number as it is written, the first byte lowest, and how many bytes it has.
fn key(conversation: Number) -> (u64, usize) {
    let mut number = conversation.get();
    let (mut key, mut bytes) = (0, 0);
    loop {
        let more = u64::from(number >= 0x80) << 7;
        key |= (u64::from(number & 0x7f) | more) << (8 * bytes);
        bytes += 1;
        number >>= 7;
        if more == 0 {
            return (key, bytes);
        }
    }
}

fn put_lead(back: u64, length: usize, out: &mut Vec<u8>) {
    let length = length as u64;
    out.push((back.min(HALF) << 4 | length.min(HALF)) as u8);
    for number in [back, length].into_iter().filter(|number| *number >= HALF) {
        put(out, number - HALF);
    }
}

/// Writes a row that the user's last number is of.
fn write(conversation: Number, record: &Record, out: &mut Vec<u8>) {
    let begin = out.len();
    out.push(0);
    put(out, conversation.get().into());
    put(out, record.head.0);
    let follow = match record.follow {
        Follow::Inbox => 0,
        Follow::Channel => 1,
        Follow::Left => 2,
    };
    put(out, record.head.0.wrapping_sub(record.count) << 2 | follow);
    put(out, folded(record.read, record.count));
    let mut above = record.head.0;
    for mention in record.mentions.iter().rev() {
        put(out, above.wrapping_sub(mention.0));
        above = mention.0;
    }
    let length = out.len() - begin - 1;
    if (length as u64) < HALF {
        out[begin] = length as u8;
    } else {
        let row = out.split_off(begin + 1);
        out.truncate(begin);
        put_lead(0, length, out);
        out.extend_from_slice(&row);
    }
}

/// Puts bytes in place of others, in a block of just their size.
pub(super) fn keep(kept: &mut Box<[u8]>, bytes: &[u8]) {
    if kept.len() == bytes.len() {
        kept.copy_from_slice(bytes);
    } else {
        *kept = bytes.into();
    }
}

/// The rows of an index, the one that changed last first.
#[derive(Clone)]
pub(super) struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
    useq: u64,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    #[inline]
    fn next(&mut self) -> Option<Row<'a>> {
        let mut rest = self.bytes.get(self.at..)?;
        let (back, length) = take_lead(&mut rest)?;
        let start = self.at;
        let mut row = rest.get(..length)?;
        let end = self.bytes.len() - rest.len() + length;
        let conversation = Number::from(take(&mut row)? as u32);
        self.at = end;
        self.useq = self.useq.wrapping_sub(back);
        Some(Row { conversation, useq: Useq(self.useq), at: At { start, end, back }, rest: row })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        let numbers = (1..5000_u64, 0..5000_u64, 0..5000_u64, any::<bool>());
        let mentions = prop::collection::btree_set(1..5000_u64, 0..4);
        let many = prop::collection::btree_set(1..5000_u64, 100);
        let mentions = prop_oneof![8 => mentions, 1 => many];
        let follow =
            prop_oneof![4 => Just(Follow::Inbox), 1 => Just(Follow::Channel), 1 => Just(Follow::Left)];
        (numbers, mentions, follow).prop_map(|((head, count, read, is_late), mentions, follow)| {
            let head = if is_late { head << 20 } else { head };
            let mentions = mentions.into_iter().filter(|seq| *seq <= head).map(Seq).collect();
            Record { head: Seq(head), count: count.min(head), read, mentions, useq: Useq::ZERO, follow }
        })
    }

    proptest! {
        /// Against a map of records.
        #[test]
        fn an_index_is_a_map_in_the_order_of_change(
            steps in prop::collection::vec((0_u32..9, record(), 1..3_u64, any::<bool>()), 0..60),
        ) {
            let mut index = Index::default();
            let mut scratch = Vec::new();
            let mut naive: BTreeMap<u32, Record> = BTreeMap::new();
            let mut last = Useq::ZERO;
            for (conversation, mut record, step, forgets) in steps {
                let conversation = conversation << conversation;
                let next = Useq(last.0 + if step == 2 { 1 << 20 } else { 1 });
                record.useq = next;
                let before = index.find(last, Number::from(conversation)).map(|row| row.at);
                index.set(last, before, Number::from(conversation), &record, &mut scratch);
                naive.insert(conversation, record);
                last = next;
                if forgets {
                    let oldest = naive.iter().min_by_key(|(_, record)| (record.follow != Follow::Left, record.useq));
                    let oldest = *oldest.unwrap().0;
                    naive.remove(&oldest);
                    prop_assert_eq!(index.forget(last, &mut scratch), Some(Number::from(oldest)));
                }
                let mut some = index.clone();
                some.retain(last, |number| number.get() % 2 == 0, &mut scratch);
                prop_assert!(some.is_sound(last));
                let rest = index.rows(last).filter(|row| row.conversation.get() % 2 == 0);
                let rest: Vec<_> = rest.map(|row| (row.conversation, row.record())).collect();
                prop_assert_eq!(some.rows(last).map(|row| (row.conversation, row.record())).collect::<Vec<_>>(), rest);
                prop_assert!(index.is_sound(last));
                let mut wanted: Vec<_> = naive.iter().map(|(number, record)| (*number, record.clone())).collect();
                wanted.sort_by_key(|(_, record)| std::cmp::Reverse(record.useq));
                let rows = index.rows(last).map(|row| (row.conversation.get(), row.record()));
                prop_assert_eq!(rows.collect::<Vec<_>>(), wanted);
                prop_assert!(index.rows(last).all(|row| row.follow() == row.record().follow));
                for max in 0..12 {
                    prop_assert_eq!(index.is_above(max), naive.len() > max);
                }
                for number in 0..9_u32 {
                    let number = number << number;
                    let found = index.find(last, Number::from(number)).map(|row| row.record());
                    prop_assert_eq!(found.as_ref(), naive.get(&number));
                }
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let index = Index(bytes.into());
            index.is_sound(Useq(100));
            index.rows(Useq(100)).for_each(|row| drop(row.record()));
            index.find(Useq(100), Number::from(7)).map(|row| row.record());
        }
    }
}
