//! What must hold for whatever a checkpoint or a record says, though its checksums are right: run by tests on what was
//! stored and is not any more as it was, in `fuzz/` on what libFuzzer finds.

use std::time::Duration;

use bytes::Bytes;
use naru_ledger::{
    ClientId, Conversation, Device, Level, Limits, Millis, Op, Seq, Useq, User, channel,
    op::{Ack, Append, From, History, Resume, Said, What},
};
use naru_store::{Address, Load, Lsn};
use serde::{Serialize, de::DeserializeOwned};

use super::Loading;
use crate::{
    channels::{ChannelChange, Channels, EpochNumber, Kept, Moment},
    keeper::salvage::Salvaging,
    keyspace::{Body, Gone, Key, Keyspace, Place, Spot, Value},
    ledger::{Bodies, Ledger},
    numbered::Named,
    streams::{Progress, Stream, StreamId},
};

/// Bytes of memory that are taken for every byte read, at most, and besides.
const TAKEN_A_BYTE_MAX: usize = 1000;
const TAKEN_BESIDES_MAX: usize = 4 << 20;

/// Strings that are written far beyond their ends are long by right: then there is no more to be learnt.
const TEXTS_BYTES_MAX: usize = 48 << 20;

/// Takes in pieces and records that say anything, as a start does and as a salvage does: that ends well or in an error, in
/// bounded memory, and what is taken in can be used.
///
/// # Panics
///
/// If the law does not hold.
#[cfg_attr(not(feature = "laws"), expect(unreachable_pub, reason = "public for the fuzzer"))]
pub fn hold_stored(data: &[u8]) {
    let (texts, bytes) = naru_measured::peak_bytes(|| {
        let mut loading = Loading::to_look();
        let texts = take(data, &mut loading, |loading| texts_of(&loading.keyspace));
        if loading.failed.is_none() && loading.ledger.check().is_ok() {
            use_all(&mut loading);
        }
        let mut salvaging = Salvaging::new(Loading::to_look());
        let texts = texts.max(take(data, &mut salvaging, |salvaging| texts_of(&salvaging.loading.keyspace)));
        salvaging.loading.ledger.forget_lost();
        use_all(&mut salvaging.loading);
        texts
    });
    let bytes_max = TAKEN_BESIDES_MAX + TAKEN_A_BYTE_MAX * data.len() + 3 * texts;
    assert!(bytes <= bytes_max, "{bytes} bytes for {}", data.len());
}

/// What follows each other, each after a byte for what it is and two for its length.
fn take<L: Load>(data: &[u8], load: &mut L, texts: impl Fn(&L) -> usize) -> usize {
    let (mut rest, mut lsn, mut address) = (data, 0, 1 << 20);
    while let [kind, low, high, behind @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        rest = behind;
        match kind % 2 {
            0 => load.piece(bytes),
            _ => {
                lsn += 1;
                load.record(Lsn::new(lsn), Address::new(address), bytes);
                address += length as u64;
            }
        }
        if texts(load) > TEXTS_BYTES_MAX {
            break;
        }
    }
    texts(load)
}

fn keys(keyspace: &Keyspace) -> impl Iterator<Item = &Key> {
    (0..keyspace.numbers()).filter_map(|number| keyspace.at(number))
}

fn texts_of(keyspace: &Keyspace) -> usize {
    let texts = keys(keyspace).map(|key| match &key.value {
        Value::Text(text) => text.as_bytes().len(),
        Value::Stream(_) | Value::List(_) => 0,
    });
    texts.sum()
}

/// Whatever commands do with keys, and what is done with them when they go.
pub(super) fn use_all(loading: &mut Loading) {
    use_ledger(&mut loading.ledger);
    use_channels(&mut loading.channels);
    let mut places = 0;
    for key in keys(&loading.keyspace) {
        assert!(key.value.is_sound(), "what is under {:?} fits together", key.name);
        if !matches!(key.value, Value::Text(_)) {
            let written = postcard::to_stdvec(key).expect("a key can be written");
            let read: Key = postcard::from_bytes(&written).expect("a key that was written can be read");
            assert!(read.value.is_sound() && read.value.len() == key.value.len());
        }
        assert_eq!(key.value.references(0).filter(|(_, place)| place.is_some()).count(), {
            let mut count = 0;
            key.value.places(&mut |_| count += 1);
            places += count;
            count
        });
        match &key.value {
            Value::Stream(stream) => use_stream(stream),
            Value::List(list) => assert_eq!(list.reversed().count(), list.len()),
            Value::Text(_) => {}
        }
        let mut gone = Gone::Value(key.value.clone());
        while let Gone::Value(value) = &mut gone
            && value.take_some(|_| {})
        {}
    }
    assert!(places <= u32::MAX as usize);
}

/// Whatever walks do with conversations and people, and whatever is asked about them.
fn use_ledger(ledger: &mut Ledger) {
    let (mut conversations, mut people) = (Vec::new(), Vec::new());
    for (_, conversation) in ledger.conversations().iter() {
        assert_eq!(conversation.references(Seq::ZERO).count(), conversation.len());
        is_read_as_written(conversation);
        let name =
            std::str::from_utf8(conversation.name()).ok().and_then(|name| Conversation::parse(name).ok());
        conversations.push(name.expect("a conversation has a name that can be one"));
    }
    for (_, person) in ledger.people().iter() {
        is_read_as_written(person);
        let name = std::str::from_utf8(person.name()).ok().and_then(|name| User::parse(name).ok());
        people.push(name.expect("a person has a name that can be one"));
    }
    conversations.truncate(MANY);
    people.truncate(MANY);
    let device = Device::parse("d").expect("a letter is a name");
    for user in &people {
        let (limit, user) = (100, || user.clone());
        decide(ledger, Op::Conversations { user: user(), before: None, limit });
        decide(ledger, Op::Changed { user: user(), device: device.clone(), after: Useq::ZERO, limit });
        decide(ledger, Op::Resume(Resume { user: user(), device: device.clone(), from: None, limit }));
        decide(
            ledger,
            Op::Ack(Ack { user: user(), device: device.clone(), useq: Useq(u64::MAX), within: None }),
        );
    }
    for conversation in &conversations {
        let name = || conversation.clone();
        decide(ledger, Op::Members { conversation: name(), after: None, limit: 100 });
        decide(ledger, Op::Trace { conversation: name(), what: What::Seq(Seq(1)) });
        decide(ledger, Op::Done { conversation: name(), seq: Seq(1) });
        let (from, limit) = (From::Newest, 100);
        decide(ledger, Op::History(History { conversation: name(), reader: None, from, limit, bytes: None }));
        for user in &people {
            decide(ledger, Op::Standing { user: user.clone(), conversation: name() });
            decide(ledger, Op::Mark { conversation: name(), user: user.clone(), seq: Seq(u64::MAX) });
            let (client_id, level) = (ClientId::parse("c").expect("a letter is an id"), Level::Fsync);
            let said = Said::System { body: naru_ledger::Body::from(&b"1"[..]) };
            let (conversation, sender) = (name(), user.clone());
            decide(ledger, Op::Send(Append { conversation, sender, client_id, said, level }));
        }
    }
}

/// Conversations and people that are asked about: each with each.
const MANY: usize = 5;

/// What it comes to is not made.
fn decide(ledger: &mut Ledger, op: Op) {
    let _ = ledger.decide(&op, Millis(1_700_000_000_000), &Limits::default(), &mut NoBodies);
}

/// Nothing of what was said can be read.
struct NoBodies;

impl Bodies for NoBodies {
    type Error = ();

    fn read(&mut self, _: Place) -> Result<Bytes, ()> {
        Err(())
    }
}

fn is_read_as_written<T: Serialize + DeserializeOwned + PartialEq>(row: &T) {
    let written = postcard::to_stdvec(row).expect("a row can be written");
    let read: T = postcard::from_bytes(&written).expect("a row that was written can be read");
    assert!(read == *row, "a row is read as it was written");
}

/// Whatever walks do with channels, and whatever is asked about them.
fn use_channels(channels: &mut Channels) {
    let mut names = Vec::new();
    for kept in channels.iter() {
        let written = postcard::to_stdvec(kept).expect("a row can be written");
        let read: Kept = postcard::from_bytes(&written).expect("a row that was written can be read");
        assert!(read.is_sound() && postcard::to_stdvec(&read).is_ok_and(|again| again == written));
        assert!(kept.publications(0).count() <= kept.held());
        names.push(kept.channel().clone());
    }
    let hour = Duration::from_secs(3600);
    let moment =
        Moment { now: 1_700_000_000_000, generation: 1, bounds: Default::default(), epoch: EpochNumber(1) };
    for name in names.iter().take(MANY) {
        let keep = channel::Keep { size: 2, ttl: hour, meta_ttl: hour };
        let (channel, payload, once) = (name.clone(), Bytes::from_static(b"x"), None);
        let version = Some(channel::Version { number: 1, epoch: String::new() });
        let publish = channel::Publish { channel: channel.clone(), payload, keep, once, version };
        let (since, bytes) = (Some(1), Some(1));
        let history = channel::History { channel, meta_ttl: hour, since, limit: None, bytes, reverse: true };
        for op in [channel::Op::Publish(publish), channel::Op::History(history)] {
            let decided = channels.decide(&op, moment).expect("there is room");
            for mut change in decided.changes {
                let recorded = Body::Recorded(Spot { offset: 0, bytes: 1 });
                change.each_body(&mut |body| *body = recorded.clone());
                channels.check(name, &change).expect("what is decided fits");
                channels.apply(name, change, 0, &mut |_| {});
            }
        }
    }
    let mut moment = 0;
    while let Some(at) = channels.next_over().filter(|at| *at < u64::MAX) {
        assert!(at >= moment, "time goes on");
        moment = at;
        for name in channels.over(at, 100) {
            channels.apply(&name, ChannelChange::Passed { at }, 0, &mut |_| {});
        }
    }
}

fn use_stream(stream: &Stream) {
    let _ = (stream.memory_bytes(), stream.node_counts(), stream.past());
    let next = stream.last().next().unwrap_or(StreamId::MAX);
    for (_, group) in stream.groups() {
        let of_each = group.consumers().map(|consumer| {
            assert!(group.consumer(consumer.name()).is_some());
            group.pending_of(consumer, StreamId::MIN).count()
        });
        assert_eq!(of_each.sum::<usize>(), group.pending_count());
        let all = group.pending_from(StreamId::MIN, StreamId::MAX);
        assert_eq!(all.count(), group.pending_count());
        assert_eq!(group.pending_ends().is_some(), group.pending_count() > 0);
        let Progress { .. } = stream.progress_after(group.progress(), next);
        let _ = stream.lag(group.progress());
    }
}
