//! The bounds of what one operation says, with their reasons.

use std::time::Duration;

/// Publications that a channel keeps at most: a page of all of them is one turn of a store's loop. Longer histories are the
/// ledger's.
pub const SIZE_MAX: u32 = 65_536;

/// Bytes of a payload that is kept: it has to fit a record of the log and a message to subscribers.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// The longest time that anything is kept or remembered: ten years, so that sums of moments stay small.
pub const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// The longest time in which a publication is recognised: each takes memory for as long.
pub const ONCE_WINDOW_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes that are said of a client that is present. All of those in a channel are one answer.
pub const INFO_BYTES_MAX: usize = 64 * 1024;

/// The longest time that is remembered where a channel stands of which nothing was ever kept: who reads it stands there again within
/// minutes, or has nothing to come back to. So names that are only read do not fill a store.
pub const READ_META_TTL_MAX: Duration = Duration::from_secs(10 * 60);

/// For how long a read wants it to be remembered where a channel stands, when it stands at `top`.
pub fn read_meta_ttl(meta_ttl: Duration, top: u64) -> Duration {
    if top == 0 { meta_ttl.min(READ_META_TTL_MAX) } else { meta_ttl }
}

/// How long offset and epoch are remembered when they were used just now and are to be remembered for `meta_ttl`: an eighth
/// longer, so that most uses in a row need not be written down.
pub fn remembered_for(meta_ttl: Duration) -> Duration {
    let eighth = u64::try_from(meta_ttl.as_millis() / 8).unwrap_or(u64::MAX);
    meta_ttl.saturating_add(Duration::from_millis(eighth))
}
