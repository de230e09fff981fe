use naru_ledger::answer::PointerKind;
use naru_ledger::{Kind, Seq, Useq};
use serde::{Deserialize, Serialize};

use super::index::keep;
use super::record::Span;
use super::varint::{folded, put, take, unfolded};
use crate::numbered::Number;

/// A user's last changes in their order, in one block of bytes. How many there are, and which was the last that left, is the
/// user's to know.
///
/// Each begins with a byte that says of what kind it is and what follows, and goes on with what is needed of: how far its number
/// is above that of the one before it, or of the last that left; its conversation and head, if it is the first of that in the ring, else how far the
/// last one of it is below; how far the span's end is from the head before, and its beginning from its end. So one more
/// message in a conversation that the ring knows takes two bytes.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ring {
    bytes: Box<[u8]>,
}

/// What is to be known of a ring besides its bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ends {
    /// It has what came after this.
    pub(super) floor: Useq,
    /// How many it has.
    pub(super) len: u32,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) useq: Useq,
    pub(super) conversation: Number,
    pub(super) span: Span,
}

/// What a new change is about: its conversation, and where in the ring that was last.
#[derive(Debug, Clone, Copy)]
pub(super) struct New {
    pub(super) useq: Useq,
    pub(super) conversation: Number,
    pub(super) span: Span,
    /// How far the conversation has come with it.
    pub(super) head: Seq,
    /// The number of the conversation's last change before it, and how far it had come with that.
    pub(super) before: Option<(Useq, Seq)>,
}

const KIND: u8 = 0x0f;
/// The conversation and its head are said.
const FIRST: u8 = 0x10;
/// The number is not the one after that of the change before, and the step is said.
const STEP: u8 = 0x20;
/// The span's end is where it mostly is: one above the head before, or, if there is nothing new, at the head.
const NEAR: u8 = 0x40;
/// The span begins at the head before.
const JOINED: u8 = 0x80;

const READ: u8 = 9;
const MENTION: u8 = 10;

const _: () = assert!(Kind::ALL.len() == READ as usize);

fn code(kind: PointerKind) -> u8 {
    match kind {
        PointerKind::Entry(kind) => Kind::ALL.iter().position(|one| *one == kind).unwrap_or_default() as u8,
        PointerKind::Read => READ,
        PointerKind::Mention => MENTION,
    }
}

fn kind(code: u8) -> PointerKind {
    match (code, Kind::ALL.get(usize::from(code))) {
        (_, Some(kind)) => PointerKind::Entry(*kind),
        (READ, _) => PointerKind::Read,
        _ => PointerKind::Mention,
    }
}

fn is_news(kind: PointerKind) -> bool {
    matches!(kind, PointerKind::Entry(_))
}

/// A change as it is written.
#[derive(Debug, Clone, Copy)]
struct Written {
    step: u64,
    of: Of,
    kind: PointerKind,
    /// From the head before to the end of the span, if something is new; else folded.
    end: u64,
    /// From the beginning of the span to its end; none if it begins at the head before.
    length: Option<u64>,
}

/// Of which conversation.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// This, whose head was there before.
    First(Number, Seq),
    /// The one of the change that is this far below.
    Last(u64),
}

impl Written {
    fn new(step: u64, of: Of, head_before: Seq, span: &Span) -> Written {
        let Span { after, seq, kind } = *span;
        let (end, length) = if is_news(kind) {
            let length = (after != head_before).then(|| seq.0.wrapping_sub(after.0));
            (seq.0.wrapping_sub(head_before.0), length)
        } else {
            (folded(seq.0, head_before.0), None)
        };
        Written { step, of, kind, end, length }
    }

    /// What it is of, where the head was there before; and where the head is then.
    fn span(&self, head_before: Seq) -> (Span, Seq) {
        if is_news(self.kind) {
            let seq = Seq(head_before.0.wrapping_add(self.end));
            let after = self.length.map_or(head_before, |length| Seq(seq.0.wrapping_sub(length)));
            (Span { after, seq, kind: self.kind }, seq)
        } else {
            let seq = Seq(unfolded(self.end, head_before.0));
            (Span { after: seq, seq, kind: self.kind }, head_before)
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let near = u64::from(is_news(self.kind));
        let mut first = code(self.kind);
        first |= if matches!(self.of, Of::First(..)) { FIRST } else { 0 };
        first |= if self.step == 1 { 0 } else { STEP };
        first |= if self.end == near { NEAR } else { 0 };
        first |= if self.length.is_none() { JOINED } else { 0 };
        out.push(first);
        if self.step != 1 {
            put(out, self.step);
        }
        match self.of {
            Of::First(conversation, head) => {
                put(out, conversation.get().into());
                put(out, head.0);
            }
            Of::Last(back) => put(out, back),
        }
        if self.end != near {
            put(out, self.end);
        }
        if let Some(length) = self.length {
            put(out, length);
        }
    }

    #[inline]
    fn read(bytes: &mut &[u8]) -> Option<Written> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let kind = kind(first & KIND);
        let step = if first & STEP == 0 { 1 } else { take(bytes)? };
        let of = if first & FIRST == 0 {
            Of::Last(take(bytes)?)
        } else {
            Of::First(Number::from(take(bytes)? as u32), Seq(take(bytes)?))
        };
        let end = if first & NEAR == 0 { take(bytes)? } else { is_news(kind).into() };
        let length = if first & JOINED == 0 { Some(take(bytes)?) } else { None };
        Some(Written { step, of, kind, end, length })
    }
}

impl Ring {
    /// Takes up a change, which has the user's next number after `last`. Of more than `max` the oldest leave. `ends` is
    /// where the ring begins and how many it has.
    pub(super) fn push(
        &mut self,
        ends: &mut Ends,
        last: Useq,
        new: &New,
        max: usize,
        scratch: &mut Vec<u8>,
        mut left: impl FnMut(Pointer),
    ) {
        scratch.clear();
        scratch.extend_from_slice(&self.bytes);
        let before = new.before.filter(|(useq, _)| *useq > ends.floor);
        let previous = if ends.len == 0 { ends.floor } else { last };
        // Of one that the ring does not know, the head before may be any; this takes the least.
        let unknown = Seq(if is_news(new.span.kind) { new.span.after.0 } else { new.head.0 });
        let (of, head_before) = match before {
            Some((useq, head)) => (Of::Last(new.useq.0.wrapping_sub(useq.0)), head),
            None => (Of::First(new.conversation, unknown), unknown),
        };
        let step = new.useq.0.wrapping_sub(previous.0);
        Written::new(step, of, head_before, &new.span).write(scratch);
        ends.len += 1;
        let mut start = 0;
        while ends.len as usize > max {
            let Some((pointer, taken)) = take_first(ends.floor, scratch, start) else { break };
            start += taken;
            ends.floor = pointer.useq;
            ends.len -= 1;
            left(pointer);
        }
        keep(&mut self.bytes, &scratch[start..]);
    }

    /// All there are after the last that left, the oldest first.
    pub(super) fn pointers(&self, floor: Useq) -> Vec<Pointer> {
        self.read(floor).into_iter().map(|(pointer, ..)| pointer).collect()
    }

    /// All there are; with each how it is written, and where its conversation's head was before.
    fn read(&self, floor: Useq) -> Vec<(Pointer, Written, Seq)> {
        let mut read: Vec<(Pointer, Written, Seq)> = Vec::with_capacity(self.bytes.len() / 2);
        let mut heads: Vec<Seq> = Vec::with_capacity(self.bytes.len() / 2);
        let mut rest = &self.bytes[..];
        let mut useq = floor;
        while let Some(written) = Written::read(&mut rest) {
            useq = Useq(useq.0.wrapping_add(written.step));
            let (conversation, head_before) = match written.of {
                Of::First(conversation, head) => (conversation, head),
                Of::Last(back) => {
                    let last = Useq(useq.0.wrapping_sub(back));
                    let Ok(at) = read.binary_search_by_key(&last, |(pointer, ..)| pointer.useq) else {
                        break;
                    };
                    (read[at].0.conversation, heads[at])
                }
            };
            let (span, head) = written.span(head_before);
            read.push((Pointer { useq, conversation, span }, written, head_before));
            heads.push(head);
        }
        read
    }

    /// Lets all up to this one leave.
    pub(super) fn cut_through(&mut self, ends: &mut Ends, through: Useq, scratch: &mut Vec<u8>) {
        if through <= ends.floor {
            return;
        }
        let all = self.read(ends.floor);
        let from = all.partition_point(|(pointer, ..)| pointer.useq <= through);
        scratch.clear();
        let mut previous = through;
        for (pointer, written, head_before) in &all[from..] {
            let is_known = match written.of {
                Of::First(..) => true,
                Of::Last(back) => pointer.useq.0.wrapping_sub(back) > through.0,
            };
            let of = if is_known { written.of } else { Of::First(pointer.conversation, *head_before) };
            let step = pointer.useq.0 - previous.0;
            Written { step, of, ..*written }.write(scratch);
            previous = pointer.useq;
        }
        *ends = Ends { floor: through, len: (all.len() - from) as u32 };
        keep(&mut self.bytes, scratch);
    }

    /// Whether its bytes are as they are written, and its last is the user's.
    pub(super) fn is_sound(&self, ends: Ends, last: Useq) -> bool {
        let all = self.read(ends.floor);
        let mut written = Vec::new();
        all.iter().for_each(|(_, one, _)| one.write(&mut written));
        written == *self.bytes
            && all.len() == ends.len as usize
            && all.first().is_none_or(|(pointer, ..)| pointer.useq > ends.floor)
            && all.is_sorted_by(|(one, ..), (other, ..)| one.useq < other.useq)
            && all.last().is_none_or(|(pointer, ..)| pointer.useq == last)
    }
}

/// Takes the first away, which begins there, after one of this number; it, and how many bytes it had.
fn take_first(floor: Useq, bytes: &mut Vec<u8>, start: usize) -> Option<(Pointer, usize)> {
    let mut rest = bytes.get(start..)?;
    let first = Written::read(&mut rest)?;
    let Of::First(conversation, head_before) = first.of else { return None };
    let (span, head) = first.span(head_before);
    let gone = Pointer { useq: Useq(floor.0.wrapping_add(first.step)), conversation, span };
    let taken = bytes.len() - start - rest.len();

    let mut useq = gone.useq;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let written = Written::read(&mut rest)?;
        useq = Useq(useq.0.wrapping_add(written.step));
        if matches!(written.of, Of::Last(back) if useq.0.wrapping_sub(back) == gone.useq.0) {
            let end = bytes.len() - rest.len();
            let mut first = Vec::with_capacity(16);
            Written { of: Of::First(conversation, head), ..written }.write(&mut first);
            drop(bytes.splice(at..end, first));
            break;
        }
    }
    Some((gone, taken))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list of pointers.
        #[test]
        fn a_ring_is_a_list_of_the_last_changes(
            steps in prop::collection::vec((0_u32..6, 0_u8..12, 0_u64..4, 0_u64..300, any::<bool>()), 0..120),
            max in 0_usize..12,
        ) {
            let (mut ring, mut ends) = (Ring::default(), Ends::default());
            let mut scratch = Vec::new();
            let mut naive: VecDeque<Pointer> = VecDeque::new();
            // As the index has it: the last change, and the head.
            let mut records: BTreeMap<u32, (Useq, Seq)> = BTreeMap::new();
            let mut last = Useq::ZERO;
            for (conversation, what, step, far, is_alone) in steps {
                let conversation = conversation << (4 * conversation);
                match what {
                    11 => {
                        let through = Useq(last.0.saturating_sub(far % 9));
                        naive.retain(|pointer| pointer.useq > through);
                        ring.cut_through(&mut ends, through, &mut scratch);
                    }
                    10 => drop(records.remove(&conversation)),
                    what => {
                        let useq = Useq(last.0 + if step == 0 { 1 << 20 } else { 1 });
                        let before = records.get(&conversation).copied();
                        let head_before = before.map_or(Seq::ZERO, |(_, head)| head);
                        let (span, head) = if what < 8 {
                            let seq = Seq(head_before.0 + if far < 200 { 1 } else { far });
                            let after = if is_alone { Seq(seq.0 - 1) } else { head_before };
                            let kind = PointerKind::Entry(Kind::ALL[usize::from(what)]);
                            (Span { after, seq, kind }, seq)
                        } else {
                            let seq = Seq(head_before.0.saturating_add_signed(far as i64 - 150));
                            let kind = if what == 8 { PointerKind::Read } else { PointerKind::Mention };
                            (Span { after: seq, seq, kind }, head_before)
                        };
                        let new = New { useq, conversation: Number::from(conversation), span, head, before };
                        naive.push_back(Pointer { useq, conversation: new.conversation, span });
                        let mut wanted = Vec::new();
                        while naive.len() > max {
                            wanted.extend(naive.pop_front());
                        }
                        let mut left = Vec::new();
                        ring.push(&mut ends, last, &new, max, &mut scratch, |pointer| left.push(pointer));
                        prop_assert_eq!(left, wanted);
                        records.insert(conversation, (useq, head));
                        last = useq;
                    }
                }
                prop_assert!(ring.is_sound(ends, last), "{:?}", ring);
                prop_assert_eq!(ring.pointers(ends.floor), naive.iter().copied().collect::<Vec<_>>());
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), len in 0_u32..20, max in 0_usize..9) {
            let mut ring = Ring { bytes: bytes.into() };
            let ends = Ends { floor: Useq(7), len };
            ring.is_sound(ends, Useq(100));
            ring.pointers(Useq(7));
            let span = Span { after: Seq(1), seq: Seq(2), kind: PointerKind::Read };
            let new = New { useq: Useq(101), conversation: Number::from(1), span, head: Seq(1), before: None };
            ring.clone().push(&mut ends.clone(), Useq(100), &new, max, &mut Vec::new(), |_| {});
            ring.cut_through(&mut ends.clone(), Useq(50), &mut Vec::new());
        }
    }

    #[test]
    fn one_more_message_takes_two_bytes() {
        let (mut ring, mut ends) = (Ring::default(), Ends::default());
        let mut scratch = Vec::new();
        let mut before = None;
        for number in 1..=100 {
            let (useq, seq) = (Useq(number), Seq(5000 + number));
            let span = Span { after: Seq(seq.0 - 1), seq, kind: PointerKind::Entry(Kind::Message) };
            let new = New { useq, conversation: Number::from(100_000), span, head: seq, before };
            ring.push(&mut ends, Useq(number - 1), &new, 128, &mut scratch, |_| {});
            before = Some((useq, seq));
        }
        assert_eq!(ring.bytes.len(), 6 + 99 * 2);
    }
}
