use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use naru_ledger::Seq;
use naru_store::{Address, AppendError, Damage, Hold, Log, Lsn, WriteError};

use super::{change::Change, store::StoreError};
use crate::{
    channels::Channels,
    keyspace::{Body, Gone, Keyspace, Place, Spot, Value},
    ledger::Ledger,
};

/// The longest record: what an operation changes must fit. The log's frames hold twice as much, so it always does.
pub(super) const RECORD_BYTES_MAX: usize = 32 << 20;

/// Bytes of a record before its bodies: how many bytes those have.
const HEAD_BYTES: usize = 4;

/// Bytes of a checksum before each body.
pub(super) const CHECK_BYTES: usize = 4;

/// Buffers of a record that are larger are not kept for the next one.
const SPARE_BYTES_MAX: usize = 64 << 10;

/// What comes with a body into the log, roughly: its change, and its part of a record and a frame.
const BODY_EXTRA_BYTES: u64 = 50;

/// A value that holds more is counted bit by bit, so that nobody waits while millions are.
const COUNTED_AT_ONCE_MAX: usize = 1024;

/// Bodies that are counted in one turn, roughly.
const COUNTED_A_TURN_MAX: usize = 16 * 1024;

/// Why writing a change cannot fail.
const WRITABLE: &str = "bodies are recorded before their changes, postcard can write the rest, and a vector takes all that is written";

/// What has been changed, on its way to the disk, and the bodies that came along: here they are written and read, and
/// nowhere else.
///
/// A record holds the changes of one operation, or one transaction: the length of the bodies in four bytes, the bodies,
/// each behind its CRC-32C, and a list of changes that say where in the record their bodies are.
pub(super) struct Journal {
    log: Log,
    /// What has been changed and is not in the log yet.
    open: Option<Record>,
    is_in_transaction: bool,
    /// The last record appended.
    last: Lsn,
    /// What keys refer to.
    of_keys: Live,
    /// What the ledger and channels refer to.
    of_ledger: Live,
    /// Bodies that nothing refers to any more by what is in the open record, and how they were held.
    freed: Vec<(Place, Hold)>,
    /// Values that are gone and hold so many that their bodies are counted bit by bit.
    gone: VecDeque<Value>,
    /// What the last record was written in, for the next one.
    spare: [Vec<u8>; 2],
}

/// Bodies that are referred to, and their bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Live {
    bodies: u64,
    bytes: u64,
}

impl Live {
    fn add(&mut self, place: Place) {
        self.bodies += 1;
        self.bytes += in_log(place);
    }

    fn remove(&mut self, place: Place) {
        self.bodies -= 1;
        self.bytes -= in_log(place);
    }

    /// The part of the log that bodies would take if all were live, 0 to 1: the rest is what brings them.
    pub(super) fn share(self) -> f64 {
        self.bytes as f64 / (self.bytes + self.bodies * BODY_EXTRA_BYTES).max(1) as f64
    }
}

struct Record {
    /// The address that its first byte will have.
    address: u64,
    /// Its head and its bodies.
    bodies: Vec<u8>,
    changes: Vec<u8>,
    count: usize,
}

impl Journal {
    pub(super) fn new(log: Log) -> Journal {
        Journal {
            last: log.last(),
            log,
            open: None,
            is_in_transaction: false,
            of_keys: Live::default(),
            of_ledger: Live::default(),
            freed: Vec::new(),
            gone: VecDeque::new(),
            spare: Default::default(),
        }
    }

    pub(super) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// How often was synced, and how long that took.
    pub(super) fn syncs(&self) -> (u64, Duration) {
        self.log.syncs()
    }

    pub(super) fn close(self) -> Result<(), WriteError> {
        self.log.close()
    }

    /// What must be durable before anything read now may be shown.
    pub(super) fn last(&self) -> Lsn {
        self.last
    }

    /// The record that has what was added last, though it may still be open.
    pub(super) fn last_added(&self) -> Lsn {
        match &self.open {
            Some(_) => Lsn::new(self.log.last().number() + 1),
            None => self.last,
        }
    }

    /// What is durable.
    pub(super) fn durable(&self) -> Lsn {
        self.log.durable()
    }

    /// Whether what makes the log grow is to be refused.
    pub(super) fn is_full(&self) -> bool {
        self.log.is_full()
    }

    /// Counts what is live in a log that was just opened, so that the rest of it can be given back.
    pub(super) fn count(
        &mut self,
        keyspace: &Keyspace,
        ledger: &Ledger,
        channels: &Channels,
    ) -> Result<(), Damage> {
        let mut counted = Ok(());
        for key in (0..keyspace.numbers()).filter_map(|number| keyspace.at(number)) {
            key.value.places(&mut |place| {
                if counted.is_ok() {
                    counted = self.count_live(place, Hold::Loose);
                }
            });
        }
        for (_, conversation) in ledger.conversations().iter() {
            for (_, place) in conversation.references(Seq::ZERO) {
                if counted.is_ok() {
                    counted = self.count_live(place, Hold::Firm);
                }
            }
        }
        for (_, place) in channels.iter().flat_map(|kept| kept.publications(0)) {
            if counted.is_ok() {
                counted = self.count_live(place, Hold::Firm);
            }
        }
        self.log.reclaim();
        counted
    }

    /// Until [`Self::commit`] all changes go into one record.
    pub(super) fn begin(&mut self) {
        self.is_in_transaction = true;
    }

    /// Takes up all of `changes` with their bodies, or none; where their record begins. Outside of a transaction they are
    /// a record of their own, which [`Self::settle`] ends.
    pub(super) fn add(&mut self, changes: &mut [Change], bytes_max: usize) -> Result<u64, StoreError> {
        let log = &mut self.log;
        let spare = &mut self.spare;
        let record = self.open.get_or_insert_with(|| {
            let [mut bodies, mut changes] = std::mem::take(spare);
            bodies.clear();
            bodies.resize(HEAD_BYTES, 0);
            changes.clear();
            Record { address: log.next_address().position(), bodies, changes, count: 0 }
        });
        let (bodies_before, changes_before) = (record.bodies.len(), record.changes.len());
        for change in changes.iter_mut() {
            change.each_body(&mut |body| record.write(body));
            record.changes =
                postcard::to_extend(change, std::mem::take(&mut record.changes)).expect(WRITABLE);
            if record.bodies.len() + record.changes.len() > bytes_max {
                break;
            }
        }
        let bytes = record.bodies.len() + record.changes.len();
        if bytes > bytes_max {
            record.bodies.truncate(bodies_before);
            record.changes.truncate(changes_before);
            if record.count == 0 {
                self.open = None;
            }
            return Err(StoreError::TooLarge { bytes });
        }
        record.count += changes.len();
        let address = record.address;
        for change in changes {
            let hold = change.hold();
            change.each_body(&mut |body| {
                let Body::Recorded(spot) = body else { return };
                // What is not in a file yet is always there.
                let counted = self.count_live(spot.in_record(address), hold);
                debug_assert!(counted.is_ok());
            });
        }
        Ok(address)
    }

    /// Ends the open record unless a transaction is under way. An error is the end of the broker: the record is not too
    /// large, since it was checked as it grew.
    pub(super) fn settle(&mut self) -> Result<(), AppendError> {
        if self.is_in_transaction { Ok(()) } else { self.commit() }
    }

    /// Ends a transaction, and the record with it.
    pub(super) fn commit(&mut self) -> Result<(), AppendError> {
        self.is_in_transaction = false;
        if let Some(record) = self.open.take() {
            let address = record.address;
            let [bytes, changes] = record.into_bytes();
            let appended = self.log.append(&bytes);
            self.spare = [bytes, changes]
                .map(|buffer| if buffer.capacity() <= SPARE_BYTES_MAX { buffer } else { Vec::new() });
            let (lsn, at) = match appended {
                Err(error @ (AppendError::TooLarge { .. } | AppendError::BatchFull)) => {
                    // What it records is done already; going on would show what a restart does not know.
                    panic!("the bounds on records and batches leave room for each record: {error}");
                }
                appended => appended?,
            };
            assert_eq!(at.position(), address, "a record is appended where its bodies are said to be");
            self.last = lsn;
        }
        self.count_freed();
        Ok(())
    }

    /// The bytes of a body.
    pub(super) fn read(&self, place: Place) -> Result<Bytes, StoreError> {
        let length = place.bytes as usize;
        let mut checked = vec![0; CHECK_BYTES + length];
        match self.open.as_ref().and_then(|record| record.get(place)) {
            Some(bytes) => checked.copy_from_slice(bytes),
            None => self.log.read(Address::new(place.address), &mut checked)?,
        }
        let body = Bytes::from(checked);
        let check = u32::from_le_bytes([body[0], body[1], body[2], body[3]]);
        let body = body.slice(CHECK_BYTES..);
        if crc32c::crc32c(&body) != check {
            return Err(StoreError::Damaged { address: place.address });
        }
        Ok(body)
    }

    fn count_live(&mut self, place: Place, hold: Hold) -> Result<(), Damage> {
        self.live_of(hold).add(place);
        self.log.count_live(Address::new(place.address), in_log(place), hold)
    }

    fn live_of(&mut self, hold: Hold) -> &mut Live {
        match hold {
            Hold::Loose => &mut self.of_keys,
            Hold::Firm => &mut self.of_ledger,
        }
    }

    /// What is live.
    pub(super) fn live(&self) -> Live {
        let Live { bodies, bytes } = self.of_ledger;
        Live { bodies: self.of_keys.bodies + bodies, bytes: self.of_keys.bytes + bytes }
    }

    /// No key refers to any body any more that there is, once the open record is appended. What was still to be counted
    /// is only to be dropped now.
    pub(super) fn free_all(&mut self) -> VecDeque<Value> {
        self.freed.retain(|(_, hold)| *hold == Hold::Firm);
        self.of_keys = Live::default();
        self.log.count_loose_dead();
        std::mem::take(&mut self.gone)
    }

    /// The ledger, or a channel, does not refer to a body any more, once the open record is appended.
    pub(super) fn free_of_ledger(&mut self, place: Place) {
        self.freed.push((place, Hold::Firm));
    }

    /// Something of a key is not needed any more, once the open record is appended.
    pub(super) fn free(&mut self, gone: Gone) {
        match gone {
            Gone::Body(place) => self.freed.push((place, Hold::Loose)),
            Gone::Value(value) if value.len() > COUNTED_AT_ONCE_MAX => self.gone.push_back(value),
            Gone::Value(value) => value.places(&mut |place| self.freed.push((place, Hold::Loose))),
        }
    }

    /// Counts some of what is gone as dead; whether there is more. Between records only.
    pub(super) fn count_gone(&mut self) -> bool {
        debug_assert!(self.open.is_none());
        while self.freed.len() < COUNTED_A_TURN_MAX
            && let Some(value) = self.gone.front_mut()
        {
            if !value.take_some(|place| self.freed.push((place, Hold::Loose))) {
                self.gone.pop_front();
            }
        }
        self.count_freed();
        !self.gone.is_empty()
    }

    fn count_freed(&mut self) {
        let mut freed = std::mem::take(&mut self.freed);
        for (place, hold) in freed.drain(..) {
            self.live_of(hold).remove(place);
            self.log.count_dead(Address::new(place.address), in_log(place), hold);
        }
        self.freed = freed;
    }
}

/// What a body takes in the log.
pub(super) fn in_log(place: Place) -> u64 {
    CHECK_BYTES as u64 + u64::from(place.bytes)
}

/// The changes of a record.
pub(super) fn changes_of(record: &[u8]) -> Result<Vec<Change>, postcard::Error> {
    let (head, rest) =
        record.split_first_chunk::<HEAD_BYTES>().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    let bodies = u32::from_le_bytes(*head) as usize;
    let changes = rest.get(bodies..).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    postcard::from_bytes(changes)
}

impl Record {
    fn write(&mut self, body: &mut Body) {
        let Body::New(bytes) = body else { return };
        // Offsets and lengths are below the bound on a record, or it is refused.
        let spot = Spot { offset: self.bodies.len() as u32, bytes: bytes.len() as u32 };
        self.bodies.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
        self.bodies.extend_from_slice(bytes);
        *body = Body::Recorded(spot);
    }

    /// A body and its checksum, if it is in here.
    fn get(&self, place: Place) -> Option<&[u8]> {
        let at = usize::try_from(place.address.checked_sub(self.address)?).ok()?;
        self.bodies.get(at..at + CHECK_BYTES + place.bytes as usize)
    }

    /// A list of changes as postcard writes it: how many, then one after the other.
    /// The buffer of the changes comes along.
    fn into_bytes(self) -> [Vec<u8>; 2] {
        let mut bytes = self.bodies;
        let length = (bytes.len() - HEAD_BYTES) as u32;
        bytes[..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        let mut bytes = postcard::to_extend(&self.count, bytes).expect(WRITABLE);
        bytes.extend_from_slice(&self.changes);
        [bytes, self.changes]
    }
}
