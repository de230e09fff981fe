use super::Place;
use crate::{lists::List, streams::Stream, strings::Text};

/// What is under a key.
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

    /// Every body it refers to.
    pub(crate) fn places(&self, visit: &mut impl FnMut(Place)) {
        match self {
            Value::Stream(stream) => stream.places().for_each(visit),
            Value::List(list) => list.places().for_each(visit),
            Value::Text(_) => {}
        }
    }
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
