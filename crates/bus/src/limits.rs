//! The bounds of a link, with their reasons.

use std::time::Duration;

/// How long a call waits for its answer. Below the 5 s after which the client SDKs give up on a command, so
/// that a client hears "temporary" instead of nothing.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Calls without an answer on one link; the next one waits, within its own timeout.
pub(crate) const CALLS_MAX: usize = 4096;

/// Names in one SUBSCRIBE or NARU.ROUTE: one command stays a short turn of the broker's loop.
pub(crate) const BATCH_NAMES_MAX: usize = 512;

/// Changes of what is wanted that wait for the link; the next one waits for room.
pub(crate) const CHANGES_MAX: usize = 1024;

/// A connection attempt, from the name lookup to the answer to HELLO.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a server is asked to wait for its disk or a replica: everysec syncs once a second. With two rounds, one under way
/// and one's own, still within [`CALL_TIMEOUT`].
pub(crate) const LEVEL_WAIT: Duration = Duration::from_millis(1500);

/// Calls that wait for that together; the next one waits for room.
pub(crate) const LEVEL_WAITS_MAX: usize = CALLS_MAX;

/// How often a silent link is asked whether it lives. A partitioned broker shows nothing by itself.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How long it has to answer that.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The bound of the first pause between two attempts; each further one doubles it.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The bound of every pause between two attempts, and how long a link has to hold for the next loss to begin
/// at [`PAUSE_MIN`] again.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(2 * LEVEL_WAIT.as_millis() < CALL_TIMEOUT.as_millis());
const _: () = assert!(BATCH_NAMES_MAX <= CHANGES_MAX);
