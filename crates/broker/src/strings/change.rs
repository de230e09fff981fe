use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A change of a string. The order of the variants and of their fields is the format of the log: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StringChange {
    /// Whatever was there before, it is this now, and goes away then, in Unix milliseconds, or stays.
    Set { value: Bytes, expiry: Option<u64> },
    /// This was added at the end; the string is made if it is not there.
    Appended { bytes: Bytes },
    /// This was put there, with zeros before it if it was beyond the end; the string is made if it is not there.
    Written { offset: u64, bytes: Bytes },
}
