use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Where a body is: it is kept apart from what refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) address: u64,
    pub(crate) bytes: u32,
}

/// A body that a change brings along. The order of the variants is the format of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// It stands in the change's record.
    Recorded(Spot),
    /// It is so short that it is kept where it is referred to.
    Short(Bytes),
    /// It is not recorded yet.
    #[serde(skip)]
    New(Bytes),
}

/// Where in a record a body stands. Relative, so that a record says the same wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    pub(crate) offset: u32,
    pub(crate) bytes: u32,
}

impl Spot {
    /// Where it is, in a record whose first byte has this address.
    pub(crate) fn in_record(self, record: u64) -> Place {
        Place { address: record + u64::from(self.offset), bytes: self.bytes }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::New(bytes)
    }
}
