//! Bounds of the broker, with their reasons. Those that can be set are in `config`.

use std::time::Duration;

/// With more than this waiting for it, a client's next commands are not read.
pub(crate) const OUTBOX_BYTES_READ_MAX: usize = 1 << 20;

/// Bytes of a command that is not complete, of who has not signed in.
pub(crate) const QUERY_BYTES_UNAUTHENTICATED_MAX: usize = 64 << 10;

/// Bytes that may wait for who has not signed in.
pub(crate) const OUTBOX_BYTES_UNAUTHENTICATED_MAX: usize = 64 << 10;

/// Connections that have not signed in, in percent of `maxclients`; beyond that the oldest is closed.
pub(crate) const STRANGERS_PERCENT_MAX: usize = 10;

/// As many may be there in any case.
pub(crate) const STRANGERS_MIN: usize = 16;

/// How long nothing is read of a connection after its first wrong password; twice as long after each further one.
pub(crate) const REFUSED_PASSWORD_PAUSE: Duration = Duration::from_millis(100);

/// Wrong passwords on one connection before it is closed.
pub(crate) const REFUSED_PASSWORDS_MAX: u32 = 5;

/// Bytes of a pattern. What comparing a channel's name with it costs is at most the product of the two lengths, and
/// every publication is compared.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024;

/// Patterns of one client.
pub(crate) const PATTERNS_MAX: usize = 16 * 1024;

/// Replies a client may be owed by the keeper before its next commands are not read.
pub(crate) const REPLIES_OWED_MAX: usize = 1024;

/// Jobs waiting for the keeper, of all clients together. A client whose job finds no place waits.
pub(crate) const JOBS_MAX: usize = 16 * 1024;

/// Jobs that a core gathers before it hands them to the keeper in the middle of its turn.
pub(crate) const JOBS_GATHERED_MAX: usize = 64;

/// Entries, elements or keys that a job may be about to count as short: a core does such a job itself, and its other clients
/// wait meanwhile.
pub(crate) const SHORT_COUNT_MAX: usize = 64;

/// Bytes of bodies that such a job may read: a disk has as much in a millisecond or two.
pub(crate) const SHORT_BYTES_MAX: u32 = 256 << 10;

/// How long a core that has short jobs waits for somebody else to be done with the keeper's work, before it hands them over.
pub(crate) const AT_WORK_MAX: Duration = Duration::from_micros(100);

/// How long a core looks for more while what its clients asked for is being written, instead of sleeping: about as long as a
/// fast disk takes. To be woken takes a processor that slept half as long.
pub(crate) const AWAKE_FOR: Duration = Duration::from_micros(100);

/// Answers that wait for the disk, and clients of the core, before it does: what fewer ask for next is soon done, and the
/// processor is of more use to others.
pub(crate) const AWAKE_WAITS_MIN: usize = 16;

/// Jobs the keeper does before it hands on what they changed and lets go what counts, if more are waiting.
pub(crate) const JOBS_TOGETHER_MAX: usize = 32;

/// Jobs the keeper takes up in one turn, before what they changed goes to the log.
pub(crate) const JOBS_A_TURN_MAX: usize = 4096;

/// Keys whose time is over that are deleted in one record.
pub(crate) const EXPIRED_A_RECORD_MAX: usize = 128;

/// Bytes of their names, unless a single one is longer: a key's name may have as many bytes as a value.
pub(crate) const EXPIRED_BYTES_A_RECORD_MAX: usize = 1 << 20;

/// How many such records the keeper writes in one turn, before it takes up jobs.
pub(crate) const EXPIRED_RECORDS_A_TURN_MAX: usize = 8;

/// Commands between MULTI and EXEC; Redis has no such limit, but a transaction is one step for everybody else.
pub(crate) const TRANSACTION_COMMANDS_MAX: usize = 1 << 20;

/// Bytes that these commands may take: as Redis, which counts them to the query buffer.
pub(crate) const TRANSACTION_BYTES_MAX: usize = 1 << 30;

/// Bytes that the keys a client watches may take, each counted with `WATCHED_KEY_EXTRA_BYTES`.
pub(crate) const WATCHED_BYTES_MAX: usize = 16 << 20;

/// What the keeper needs to find a watched key again, roughly.
pub(crate) const WATCHED_KEY_EXTRA_BYTES: usize = 128;

/// How long a client that has ended its side may take for its last replies.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// How long clients get to take their last replies when the broker stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(2);

/// How long nothing is asked of the keeper before it has the log note that all is well.
pub(crate) const IDLE_MARK_AFTER: Duration = Duration::from_secs(1);

/// Entries of a node of a stream, whatever `stream-node-max-entries` says: removing one moves those behind it.
pub(crate) const STREAM_NODE_ENTRIES_MAX: usize = 4096;

/// Bytes of a string that grows by parts: it is kept in memory, and is to fit into one record as a whole.
pub(crate) const STRING_BYTES_MAX: usize = 16 << 20;
