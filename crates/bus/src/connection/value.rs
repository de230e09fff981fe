//! What answers are read as.

use naru_resp::Value as Read;
use redis::{Value, VerbatimFormat};

/// The same in the words of the library whose types the rest of the crate reads.
pub(super) fn read(value: Read) -> Value {
    match value {
        Read::Simple(text) if text == b"OK" => Value::Okay,
        Read::Simple(text) => Value::SimpleString(readable(text)),
        Read::Error(text) => refused(text),
        Read::Integer(number) => Value::Int(number),
        Read::Bulk(bytes) => Value::BulkString(bytes),
        Read::Null => Value::Nil,
        Read::Array(values) | Read::Push(values) => Value::Array(values.into_iter().map(read).collect()),
        Read::Set(values) => Value::Set(values.into_iter().map(read).collect()),
        Read::Map(pairs) => {
            Value::Map(pairs.into_iter().map(|(key, value)| (read(key), read(value))).collect())
        }
        Read::Double(number) => Value::Double(number),
        Read::Boolean(is) => Value::Boolean(is),
        Read::Verbatim(text) => Value::VerbatimString { format: VerbatimFormat::Text, text: readable(text) },
        Read::BigNumber(digits) => Value::BulkString(digits),
    }
}

/// Errors of servers are made by the library alone, from what is on the wire.
fn refused(text: Vec<u8>) -> Value {
    let line: Vec<u8> = text.into_iter().map(|byte| if byte < b' ' { b' ' } else { byte }).collect();
    let line = format!("-{}\r\n", readable(line));
    // Were it none for the library, it would be nothing, which nobody takes for an answer.
    redis::parse_redis_value(line.as_bytes()).unwrap_or(Value::Nil)
}

/// Text for people: what is none in it is replaced.
fn readable(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
