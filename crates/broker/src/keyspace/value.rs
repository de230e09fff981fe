use serde::{Deserialize, Serialize};

use super::Place;
use crate::streams::{Stream, StreamId};

/// What is under a key. The order of the variants is the format of checkpoints: new ones go to the end.
#[derive(Serialize, Deserialize)]
pub(crate) enum Value {
    Stream(Box<Stream>),
}

/// What sort of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
}

impl Kind {
    /// As `TYPE` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Stream => "stream",
        }
    }
}

impl Value {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Value::Stream(_) => Kind::Stream,
        }
    }

    /// What it refers to, without so many of the first: which of them, and where the body is, if it has one apart.
    pub(crate) fn references(&self, without: usize) -> Box<dyn Iterator<Item = (Slot, Option<Place>)> + '_> {
        match self {
            Value::Stream(stream) => {
                Box::new(stream.from(without).map(|(id, place)| (Slot::Entry(id), Some(place))))
            }
        }
    }

    /// Every body it refers to.
    pub(crate) fn places(&self, visit: &mut impl FnMut(Place)) {
        match self {
            Value::Stream(stream) => stream.places().for_each(visit),
        }
    }
}

/// What in a value refers to a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    /// The entry of a stream.
    Entry(StreamId),
}

/// A kind of value as Rust sees it.
pub(crate) trait Family: Sized {
    /// One that holds nothing yet.
    fn fresh() -> Value;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
}

impl Family for Stream {
    fn fresh() -> Value {
        Value::Stream(Box::default())
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Stream(stream) => Some(stream),
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Stream(stream) => Some(stream),
        }
    }
}

/// Redis's text for a key whose value is of another kind than the command is for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
pub(crate) struct WrongType;
