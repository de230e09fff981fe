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

/// Calls whose link was lost under them and that wait for the next one; more are answered at once.
pub(crate) const CALLS_AGAIN_MAX: usize = CALLS_MAX;

/// How often names are asked for again that were not taken.
pub(crate) const AGAIN_EVERY: Duration = Duration::from_secs(5);

/// For how long a Redis or Valkey may believe that a server runs.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// How often it is told again: two may be lost.
pub(crate) const LEASE_EVERY: Duration = Duration::from_secs(4);

/// How often it is said again on Redis and Valkey who is present: what their servers said there is forgotten after three times as long
/// (`channel_enter.lua`), so that it does not stay for ever when they do not come back.
pub(crate) const PRESENT_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often a Redis or Valkey is asked whether it is still the master it was: behind an address that stays there may be another.
pub(crate) const SUCCESSION_EVERY: Duration = Duration::from_millis(500);

/// How often open conversations are looked for.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// How long one is left to the server that began it.
pub(crate) const SWEEP_OLDER_THAN: Duration = Duration::from_secs(1);

/// How long the server has that finds one.
pub(crate) const SWEEP_LEASE: Duration = Duration::from_secs(5);

/// Conversations that are finished in one turn.
pub(crate) const SWEEP_MAX: usize = 256;

/// Conversations that are finished at the same time: beside them the link's own calls go on.
pub(crate) const SWEEP_AT_ONCE: usize = 16;

/// How long the goodbye of a server that stops may take.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_millis(250);

/// How often a silent link is asked whether it lives. A partitioned broker shows nothing by itself.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How long to let those catch up who are told what happens, when they are behind.
pub(crate) const BEHIND_PAUSE: Duration = Duration::from_millis(1);

/// How long it has to answer that.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The bound of the first pause between two attempts; each further one doubles it.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The bound of every pause between two attempts, and how long a link has to hold for the next loss to begin
/// at [`PAUSE_MIN`] again.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(2 * LEVEL_WAIT.as_millis() < CALL_TIMEOUT.as_millis());
const _: () = assert!(3 * LEASE_EVERY.as_millis() < LEASE.as_millis());
const _: () = assert!(BATCH_NAMES_MAX <= CHANGES_MAX);
