use serde::{Deserialize, Serialize};

use super::StreamId;
use crate::keyspace::Body;

/// A change of a stream. The order of the variants and of their fields is the format of the log: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StreamChange {
    /// An entry was added; the stream is made if it is not there.
    Added { id: StreamId, body: Body },
    /// These entries were deleted.
    Deleted { ids: Vec<StreamId> },
    /// All entries up to this one, itself included, were deleted.
    Trimmed { through: StreamId },
}
