//! Reading the broker's replies, which are another process's bytes.

use std::fmt::Display;
use std::vec;

use bytes::Bytes;
use naru_ledger::{ClientId, Conversation, Device, NameError, Server, User};
use redis::Value;

use crate::error::BusError;

/// A number that counts something.
pub(crate) fn number(value: Value) -> Result<u64, BusError> {
    match value {
        Value::Int(number) => u64::try_from(number).map_err(|_| wrong("a number below zero")),
        _ => Err(wrong("no number where one belongs")),
    }
}

/// A text, however the wire carries it.
pub(crate) fn text(value: Value) -> Result<String, BusError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| wrong("a text that is no UTF-8")),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text),
        Value::Okay => Ok("OK".to_owned()),
        _ => Err(wrong("no text where one belongs")),
    }
}

/// Any bytes.
pub(crate) fn bytes(value: Value) -> Result<Bytes, BusError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.into()),
        _ => Err(wrong("no bytes where some belong")),
    }
}

/// A name, which the broker took from someone like us.
pub(crate) trait Name: Sized {
    fn read(text: &str) -> Result<Self, NameError>;
}

impl Name for User {
    fn read(text: &str) -> Result<User, NameError> {
        User::parse(text)
    }
}

impl Name for Device {
    fn read(text: &str) -> Result<Device, NameError> {
        Device::parse(text)
    }
}

impl Name for ClientId {
    fn read(text: &str) -> Result<ClientId, NameError> {
        ClientId::parse(text)
    }
}

impl Name for Server {
    fn read(text: &str) -> Result<Server, NameError> {
        Server::parse(text)
    }
}

/// The names in an array.
pub(crate) fn names<T: Name>(value: Value) -> Result<Vec<T>, BusError> {
    let names = list(value)?.into_iter().map(text);
    names.map(|name| T::read(&name?).map_err(|error| wrong(&error.to_string()))).collect()
}

/// What is in an array.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, BusError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(wrong("no array where one belongs")),
    }
}

/// The arrays in an array.
pub(crate) fn each<T>(
    value: Value,
    read: impl Fn(Fields) -> Result<T, BusError>,
) -> Result<Vec<T>, BusError> {
    Fields::of(value)?.0.map(|value| read(Fields::of(value)?)).collect()
}

/// The fields of an array, taken one after the other. Further ones are a later version's, and left.
pub(crate) struct Fields(vec::IntoIter<Value>);

impl Fields {
    pub(crate) fn of(value: Value) -> Result<Fields, BusError> {
        Ok(Fields(list(value)?.into_iter()))
    }

    pub(crate) fn text(&mut self) -> Result<String, BusError> {
        text(self.next()?)
    }

    pub(crate) fn number(&mut self) -> Result<u64, BusError> {
        number(self.next()?)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, BusError> {
        bytes(self.next()?)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, BusError> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(wrong("neither 0 nor 1 where one of them belongs")),
        }
    }

    /// A text that reads as something.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, BusError> {
        parse(&self.text()?).map_err(|error| wrong(&error.to_string()))
    }

    pub(crate) fn name<T: Name>(&mut self) -> Result<T, BusError> {
        self.parsed(T::read)
    }

    pub(crate) fn names<T: Name>(&mut self) -> Result<Vec<T>, BusError> {
        names(self.next()?)
    }

    pub(crate) fn conversation(&mut self) -> Result<Conversation, BusError> {
        self.parsed(Conversation::parse)
    }

    pub(crate) fn list(&mut self) -> Result<Vec<Value>, BusError> {
        list(self.next()?)
    }

    /// The arrays in an array.
    pub(crate) fn each<T>(
        &mut self,
        read: impl Fn(Fields) -> Result<T, BusError>,
    ) -> Result<Vec<T>, BusError> {
        each(self.next()?, read)
    }

    /// What may be null.
    pub(crate) fn optional(&mut self) -> Result<Option<Value>, BusError> {
        Ok(Some(self.next()?).filter(|value| *value != Value::Nil))
    }

    fn next(&mut self) -> Result<Value, BusError> {
        self.0.next().ok_or_else(|| wrong("fewer fields than belong to it"))
    }
}

pub(crate) fn other_answer() -> BusError {
    wrong("the answer to another operation")
}

pub(crate) fn wrong(what: &str) -> BusError {
    BusError::Protocol(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn fields_are_read_in_their_order_and_further_ones_left() {
        let fields = [bulk("e1"), Value::Int(7), Value::Int(1), Value::Int(0), bulk("new")];
        let mut fields = Fields::of(Value::Array(fields.into())).unwrap();
        assert_eq!(fields.text().unwrap(), "e1");
        assert_eq!(fields.number().unwrap(), 7);
        assert!(fields.flag().unwrap());
        assert!(!fields.flag().unwrap());
    }

    #[test]
    fn replies_of_another_shape_are_a_protocol_error_not_a_panic() {
        let wrong = [
            number(bulk("7")).unwrap_err(),
            number(Value::Int(-1)).unwrap_err(),
            text(Value::Int(1)).unwrap_err(),
            text(Value::BulkString(vec![0xff])).unwrap_err(),
            Fields::of(Value::Nil).err().unwrap(),
            Fields::of(Value::Array(vec![])).unwrap().number().unwrap_err(),
            Fields::of(Value::Array(vec![Value::Int(2)])).unwrap().flag().unwrap_err(),
        ];
        for error in wrong {
            assert!(matches!(error, BusError::Protocol(_)), "{error:?}");
        }
    }
}
