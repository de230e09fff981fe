use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A change of a key, whatever is under it. The order of the variants and of their fields is the format of the log: new
/// ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum KeyChange {
    /// The key and all it held were deleted.
    Deleted,
    /// It goes away by itself then, in Unix milliseconds; or no longer.
    Expires(Option<u64>),
    /// It is called so now, whatever was called so before, and still goes away when it was to.
    Renamed { to: Bytes },
}
