//! Bounds of the fan-out, with their reasons.

use std::time::Duration;

/// Bytes of publications waiting in one core's mailbox before publishers' sockets are no longer read. Small enough
/// that a burst cannot push a subscriber that keeps up over its outbox limit.
pub const MAILBOX_BYTES_MAX: usize = 4 << 20;

/// Bytes of publications that are encoded together.
pub const TURN_BYTES_MAX: usize = 256 << 10;

/// Bytes of publications a core takes from its mailbox before it has written to every outbox with deliveries. With more,
/// what it copies for them no longer fits the processor's cache.
pub const ROUND_BYTES_MAX: usize = 64 << 10;

/// Outboxes with deliveries that a core writes to before it lets its other tasks run. At some microseconds each, it hears
/// its publishers again within half a millisecond.
pub const FLUSH_SENDS_MIN: usize = 128;

/// Turns that it takes at most to write to all of them. More would be spent on appending little by little than that saves
/// in writes.
pub const ROUND_TURNS_MAX: usize = 8;

/// While a mailbox grows by this much a turn, its core leaves it to grow, so that more goes into one write.
pub const COALESCE_STEP_BYTES: usize = 4 * LETTER_BYTES;

/// At this size it is handled, whether it grows or not.
pub const COALESCE_BYTES_MAX: usize = 64 << 10;

/// What one letter counts towards the two bounds above, beside its payload.
pub const LETTER_BYTES: usize = 128;

/// Connections that a core takes up in a turn, and steps that it gives. At some 50 us each, those who are there are served again
/// within a millisecond or two; one run each with 2 and with 4 was no better.
pub const ARRIVALS_A_TURN: usize = 16;

/// The most time until it is seen that there is room again for somebody new: no more than others take to come.
pub const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// For how long a publication has those who come let in at a pace.
pub const LIVE_TIME: Duration = Duration::from_secs(1);

/// Bytes a read may return at once; the buffer is the core's, not the connection's.
pub const READ_BYTES_MAX: usize = 64 << 10;

/// From this size on a payload is shared between outboxes instead of copied into each.
pub const SHARED_BYTES_MIN: usize = 16 << 10;

/// From this size on, what goes to many is put into pages that the kernel sends as they are. A smaller one is in the
/// processor's cache, and copying it costs less than finding its pages.
pub const PAGED_BYTES_MIN: usize = 64 << 10;

/// From which outbox of a core on: to make the pages costs as much as a few copies.
pub const PAGED_TIMES_MIN: usize = 8;

/// Messages of a process that are in pages, each of which takes a file descriptor; others are copied for each subscriber.
pub const PAGES_MAX: usize = 128;

/// How long a peer may take to agree on TLS.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes of output buffers that a core keeps for reuse, so that an idle connection holds none. Bounded in bytes: a turn
/// that writes a little to thousands needs as many.
pub const SPARE_BYTES_MAX: usize = 4 << 20;

/// Outboxes that a core keeps for reuse beside their buffers, for the same reason. Each is a hundred bytes.
pub const SPARE_OUTBOXES_MAX: usize = 1024;

/// A buffer that grew beyond this is freed instead of kept for reuse.
pub const SPARE_BUFFER_BYTES_MAX: usize = 64 << 10;

/// Sends that go to the kernel in one system call, where it has io_uring.
pub const RING_SENDS_MAX: usize = 256;

/// With fewer, each has a system call of its own.
pub const RING_SENDS_MIN: usize = 4;

/// Bytes of a glob looked at while it is matched against one name: some tens of milliseconds, which a publisher spends
/// under a lock. Nobody's pattern comes near, unless it is meant to; Redis gives up on those, too, by their nesting.
pub const GLOB_STEPS_MAX: usize = 1 << 24;

/// Lock shards of the channel directory. Few in the model, whose every lock is a step.
pub const DIRECTORY_SHARDS: usize = if cfg!(feature = "model") { 2 } else { 64 };

const _: () = assert!(ROUND_BYTES_MAX <= TURN_BYTES_MAX);
const _: () = assert!(TURN_BYTES_MAX <= MAILBOX_BYTES_MAX);
const _: () = assert!(DIRECTORY_SHARDS.is_power_of_two());
