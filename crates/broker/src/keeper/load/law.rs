//! What must hold for whatever a checkpoint or a record says, though its checksums are right: run by tests on what was
//! stored and is not any more as it was, in `fuzz/` on what libFuzzer finds.

use std::sync::Arc;

use naru_ledger::{Epoch, Ledger};
use naru_store::{Address, Load, Lsn};

use super::Loading;
use crate::{
    config::Config,
    keeper::salvage::Salvaging,
    keyspace::{Gone, Key, Keyspace, Value},
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
        let mut loading = loading();
        let texts = take(data, &mut loading, |loading| texts_of(&loading.keyspace));
        if loading.failed.is_none() {
            use_all(&loading);
        }
        let mut salvaging = Salvaging::new(self::loading());
        let texts = texts.max(take(data, &mut salvaging, |salvaging| texts_of(&salvaging.loading.keyspace)));
        use_all(&salvaging.loading);
        texts
    });
    let bytes_max = TAKEN_BESIDES_MAX + TAKEN_A_BYTE_MAX * data.len() + 3 * texts;
    assert!(bytes <= bytes_max, "{bytes} bytes for {}", data.len());
}

fn loading() -> Loading {
    let epoch = Epoch::parse("e").expect("a letter is an epoch");
    Loading::new(Ledger::new(epoch), Arc::new(Config::by_default()))
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
fn use_all(loading: &Loading) {
    loading.ledger.check().expect("a ledger that was taken in fits together");
    loading.ledger.past(loading.ledger.epoch(), &mut |_| {});
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
