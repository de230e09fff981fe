use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::Place;
use crate::{
    lists::{Element, List},
    streams::{Stream, StreamId},
    strings::Text,
};

/// What is under a key. The order of the variants is the format of checkpoints: new ones go to the end.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Value {
    Stream(Box<Stream>),
    List(Box<List>),
    Text(Text),
}

/// What sort of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    List,
    String,
}

impl Kind {
    /// As `TYPE` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Stream => "stream",
            Kind::List => "list",
            Kind::String => "string",
        }
    }
}

impl Value {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Value::Stream(_) => Kind::Stream,
            Value::List(_) => Kind::List,
            Value::Text(_) => Kind::String,
        }
    }

    /// What it refers to, without so many of the first: which of them, and where the body is, if it has one apart.
    pub(crate) fn references(&self, without: usize) -> Box<dyn Iterator<Item = (Slot, Option<Place>)> + '_> {
        match self {
            Value::Stream(stream) => {
                Box::new(stream.from(without).map(|(id, place)| (Slot::Entry(id), Some(place))))
            }
            Value::List(list) => {
                let indexes = without as u64..;
                let elements = list.from(without).map(|element| element.place());
                Box::new(indexes.zip(elements).map(|(index, place)| (Slot::Element(index), place)))
            }
            Value::Text(_) => Box::new(std::iter::empty()),
        }
    }

    /// Whether one that was read back can have come to be as values do: what it says of itself is relied on from here.
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Value::Stream(stream) => stream.is_sound(),
            Value::List(list) => list.is_sound(),
            Value::Text(_) => true,
        }
    }

    /// Reads where things are added to it and taken from it: whoever does so next finds that in the processor's cache.
    pub(crate) fn touch(&self) {
        match self {
            Value::Stream(stream) => _ = black_box(stream.end()),
            Value::List(list) => _ = black_box(list.ends().map(|element| element.map(Element::place))),
            Value::Text(text) => _ = black_box(text.as_bytes().first().copied()),
        }
    }

    /// How many things it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Value::Stream(stream) => stream.len(),
            Value::List(list) => list.len(),
            Value::Text(_) => 1,
        }
    }

    /// How many things there are to be dropped with it, those that are pending in a stream's groups included.
    pub(crate) fn held(&self) -> usize {
        let pending = match self {
            Value::Stream(stream) => stream.groups().map(|(_, group)| group.pending_count()).sum(),
            Value::List(_) | Value::Text(_) => 0,
        };
        self.len() + pending
    }

    /// Takes away some that it holds, a few hundred at most, telling where bodies were; false if it holds nothing.
    pub(crate) fn take_some(&mut self, mut freed: impl FnMut(Place)) -> bool {
        match self {
            Value::Stream(stream) => stream.take_node(freed),
            Value::List(list) => match list.take_chunk() {
                Some(chunk) => {
                    chunk.iter().filter_map(|element| element.place()).for_each(&mut freed);
                    true
                }
                None => false,
            },
            Value::Text(_) => false,
        }
    }

    /// Every body it refers to.
    pub(crate) fn places(&self, visit: &mut impl FnMut(Place)) {
        match self {
            Value::Stream(stream) => stream.places().for_each(visit),
            Value::List(list) => list.places().for_each(visit),
            Value::Text(_) => {}
        }
    }
}

/// What is not needed any more.
pub(crate) enum Gone {
    /// A body: it was there.
    Body(Place),
    /// A value, or a part of one.
    Value(Value),
}

/// What in a value refers to a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    /// The entry of a stream.
    Entry(StreamId),
    /// The element of a list, by its index.
    Element(u64),
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
            Value::List(_) | Value::Text(_) => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Stream(stream) => Some(stream),
            Value::List(_) | Value::Text(_) => None,
        }
    }
}

impl Family for List {
    fn fresh() -> Value {
        Value::List(Box::default())
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::List(list) => Some(list),
            Value::Stream(_) | Value::Text(_) => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::List(list) => Some(list),
            Value::Stream(_) | Value::Text(_) => None,
        }
    }
}

impl Family for Text {
    fn fresh() -> Value {
        Value::Text(Text::new(b""))
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Text(text) => Some(text),
            Value::Stream(_) | Value::List(_) => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Text(text) => Some(text),
            Value::Stream(_) | Value::List(_) => None,
        }
    }
}

/// Redis's text for a key whose value is of another kind than the command is for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
pub(crate) struct WrongType;
