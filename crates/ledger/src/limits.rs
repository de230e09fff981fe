//! The bounds of a ledger, with their reasons.

use std::time::Duration;

/// Bytes in a user, device, client or server name: room for an email address or a UUID with a prefix, and
/// small enough to be a key and a log field.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes in an epoch. It travels with every position, so it stays short.
pub const EPOCH_BYTES_MAX: usize = 32;

/// Bytes in a message body. Larger things are attachments, and live elsewhere.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Pointers an inbox keeps although every device has acknowledged them, so that a client which lost its last
/// acknowledged state can still be served from where it says it stood.
pub const RING_MIN: u64 = 128;

/// Devices of one user. Each holds back what the inbox may forget.
pub const DEVICES_MAX: usize = 16;

/// How long a device may stay away before it no longer holds anything back.
pub const DEVICE_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How fresh the time a device was last seen is kept. Coarse, so that a flapping connection does not write.
pub const SEEN_EVERY: Duration = Duration::from_secs(60 * 60);

/// The length of a dedupe window. Two are kept, so a retry is recognised for one to two of these.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Entries in one answer to a resume or a replay: one turn of the loop stays short, the rest is asked for again.
pub const BATCH_ENTRIES_MAX: usize = 1024;

/// Entries in one page of history.
pub const PAGE_ENTRIES_MAX: usize = 100;

/// Bytes of entries in one page of history. A page goes to a client as one reply, which must fit a frame.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

const _: () = assert!(PAGE_BYTES_MAX > BODY_BYTES_MAX);
const _: () = assert!(SEEN_EVERY.as_secs() < DEVICE_TTL.as_secs());
