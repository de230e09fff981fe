use serde::{Deserialize, Serialize};

use super::End;
use crate::keyspace::Body;

/// A change of a list. A list that holds nothing any more is gone, and its key with it. The order of the variants and of
/// their fields is the format of the log: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ListChange {
    /// These were pushed, one after the other; the list is made if it is not there.
    Pushed { end: End, elements: Vec<Body> },
    /// So many were taken away.
    Popped { end: End, count: u64 },
    /// The element there is another.
    Set { index: u64, element: Body },
    /// One was put there, before what was there.
    Inserted { index: u64, element: Body },
    /// The elements there were taken away; the indexes rise, and are those from before.
    Removed { indexes: Vec<u64> },
}
