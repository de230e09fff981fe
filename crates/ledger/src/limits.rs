//! The bounds of a ledger, with their reasons.

use std::time::Duration;

/// Bytes in a user, device, client or server name: room for an email address or a UUID with a prefix, and
/// small enough to be a key and a log field.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes in the name of a channel that keeps something: twice what gateways let clients name, and still a key.
pub const CHANNEL_BYTES_MAX: usize = 512;

/// Bytes in an epoch. It travels with every position, so it stays short.
pub const EPOCH_BYTES_MAX: usize = 32;

/// Bytes in a message body. Larger things are attachments, and live elsewhere.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Devices of one user. Each holds back what the inbox may forget.
pub const DEVICES_MAX: usize = 16;

/// How long a device may stay away before it no longer holds anything back.
pub const DEVICE_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How fresh the time a device was last seen is kept. Coarse, so that a flapping connection does not write.
pub const SEEN_EVERY: Duration = Duration::from_secs(60 * 60);

/// The length of a dedupe window. Two are kept, so a retry is recognised for one to two of these.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Client ids of one conversation that are remembered at least, if so many were given in its windows. A store may forget those
/// before, so that what a conversation takes in memory is bounded: many times what its log has.
pub const DEDUPE_IDS_MIN: usize = 100_000;

/// Entries in one answer to a resume or a replay: one turn of the loop stays short, the rest is asked for again.
pub const BATCH_ENTRIES_MAX: usize = 1024;

/// Bytes of entries in one page of history. A page goes to a client as one reply, which must fit a frame.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

const _: () = assert!(PAGE_BYTES_MAX > BODY_BYTES_MAX);
const _: () = assert!(SEEN_EVERY.as_secs() < DEVICE_TTL.as_secs());

/// What is bounded and may be set otherwise. The model and every store of a ledger are given the same ones. A limit
/// that is lowered takes hold with the next operation on what is above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one body. More is refused.
    pub body_bytes_max: usize,
    /// Users that one message mentions. More are refused.
    pub mentions_max: usize,
    /// Entries of a log, of every kind. The oldest make room for one more.
    pub log_entries_max: usize,
    /// Bytes of a log's bodies. The oldest entries make room, the newest always stays. Counted as the bodies
    /// were appended; a store that counts what it stores may trim a little earlier or later.
    pub log_bytes_max: u64,
    /// How long an entry stays. Looked at by every append to the log; a store may look more often.
    pub log_age_max: Duration,
    /// The length of a dedupe window. Windows lie on a fixed grid from 1970 on; a client id is recognised in the window it
    /// was given in and in the next, so for one to two of these; or until [`DEDUPE_IDS_MIN`] others have been given since, if
    /// a store has no room for more.
    pub dedupe_window: Duration,
    /// Changes in a user's ring. The oldest leaves, and devices that have not acknowledged it are far behind.
    pub ring_max: usize,
    /// Conversations in a user's index. The one that changed longest ago is forgotten, those left first.
    pub conversations_max: usize,
    /// Unread mentions kept for one conversation and user. Of more the newest count.
    pub mentions_kept_max: usize,
    /// Devices of one user. The longest unseen is forgotten.
    pub devices_max: usize,
    /// A device unseen for longer than this is forgotten when another one of the user's is there.
    pub device_ttl: Duration,
    /// A resume notes that its device was seen when the last note is at least this old.
    pub seen_every: Duration,
    /// Members of a room in fan-out mode. With one more it goes over to broadcast mode.
    pub members_max: usize,
    /// Entries, pointers or rows in one answer. A limit that is asked for is taken as 1 to this.
    pub page_entries_max: usize,
    /// Bytes of entries in one answer, as [`Entry::bytes`](crate::answer::Entry::bytes) counts them. The first is given
    /// whatever it has.
    pub page_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: BODY_BYTES_MAX,
            mentions_max: 50,
            log_entries_max: 10_000,
            log_bytes_max: 64 * 1024 * 1024,
            log_age_max: Duration::from_secs(90 * 24 * 60 * 60),
            dedupe_window: DEDUPE_WINDOW,
            ring_max: 128,
            conversations_max: 2_000,
            mentions_kept_max: 100,
            devices_max: DEVICES_MAX,
            device_ttl: DEVICE_TTL,
            seen_every: SEEN_EVERY,
            members_max: 500,
            page_entries_max: BATCH_ENTRIES_MAX,
            page_bytes_max: PAGE_BYTES_MAX,
        }
    }
}
