use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};

/// Where a body is: it is kept apart from what refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) address: u64,
    pub(crate) bytes: u32,
}

/// A body that a change brings along.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// It is not recorded yet.
    New(Bytes),
    /// It stands in the change's record.
    Recorded(Spot),
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

impl Body {
    /// Where it is, once it is recorded.
    ///
    /// # Panics
    ///
    /// If it is not: recording a change records its bodies.
    pub(crate) fn place(&self, record: u64) -> Place {
        match self {
            Body::Recorded(spot) => spot.in_record(record),
            Body::New(_) => panic!("a change was applied before it was recorded"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::New(bytes)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Body::Recorded(spot) => spot.serialize(serializer),
            Body::New(_) => Err(S::Error::custom("a body is recorded before its change")),
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spot::deserialize(deserializer).map(Body::Recorded)
    }
}
