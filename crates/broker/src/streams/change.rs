use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::StreamId;

/// A change of a stream. The order of the variants and of their fields is the format of the log: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StreamChange {
    /// An entry was added; the stream is made if it is not there.
    Added { id: StreamId, body: Bytes },
    /// These entries were deleted.
    Deleted { ids: Vec<StreamId> },
    /// All entries up to this one, itself included, were deleted.
    Trimmed { through: StreamId },
}
