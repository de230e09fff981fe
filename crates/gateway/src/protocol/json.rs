//! Messages as JSON, and JSON as messages.
//!
//! A payload is JSON inside JSON. It is written as it is, less its line breaks, which would end the frame's line; and read without
//! looking into it, but for how deep it goes.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    io::{self, Write},
    marker::PhantomData,
};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor,
        value::MapAccessDeserializer,
    },
};
use serde_json::{ser::Formatter, value::RawValue};

use crate::limits::JSON_DEPTH_MAX;

/// Appends a message, which is one line. Its payloads are JSON: whoever makes it has seen to that.
pub(crate) fn write(into: &mut Vec<u8>, message: &impl Serialize) {
    write_as(Embedding::InLine, into, message);
}

/// The same, where line breaks of payloads matter to nobody: they stay.
pub(crate) fn write_whole(into: &mut Vec<u8>, message: &impl Serialize) {
    write_as(Embedding::Whole, into, message);
}

fn write_as(embedding: Embedding, into: &mut Vec<u8>, message: &impl Serialize) {
    let mut serializer = serde_json::Serializer::with_formatter(into, embedding);
    message.serialize(&mut serializer).expect("our messages have text keys and no failing parts");
}

/// An entry without its body, or the answer to a message.
const PAYLOAD_BYTES_USUAL: usize = 320;

/// What is said in JSON alone, as the payload of a message.
pub(crate) fn payload_of(data: &impl Serialize) -> Bytes {
    let mut payload = Vec::with_capacity(PAYLOAD_BYTES_USUAL);
    serde_json::to_writer(&mut payload, data).expect("what we say has text keys and no failing parts");
    payload.into()
}

/// Whether a payload can be in a JSON message.
pub(crate) fn is_json(payload: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(payload).is_ok()
}

/// Bytes are payloads.
enum Embedding {
    /// Without their line breaks.
    InLine,
    Whole,
}

impl Formatter for Embedding {
    fn write_byte_array<W: ?Sized + Write>(&mut self, writer: &mut W, mut payload: &[u8]) -> io::Result<()> {
        debug_assert!(is_json(payload), "a payload of a JSON message is JSON: {payload:?}");
        // Valid JSON has line breaks between tokens only, so nothing else changes.
        while let Embedding::InLine = self
            && let Some(at) = memchr::memchr2(b'\n', b'\r', payload)
        {
            writer.write_all(&payload[..at])?;
            payload = &payload[at + 1..];
        }
        writer.write_all(payload)
    }
}

/// Reads a message of a line: a JSON object that is nowhere deeper than [`JSON_DEPTH_MAX`].
pub(crate) fn read<T: DeserializeOwned>(line: &[u8]) -> serde_json::Result<T> {
    if is_deep(line) {
        return Err(serde_json::Error::custom("it is nested too deep"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let message = deserializer.deserialize_map(Object(PhantomData))?;
    deserializer.end()?;
    Ok(message)
}

/// Whether brackets are open within more than [`JSON_DEPTH_MAX`] others.
fn is_deep(json: &[u8]) -> bool {
    // Nearly always there are not even as many.
    if memchr::memchr2_iter(b'{', b'[', json).nth(JSON_DEPTH_MAX).is_none() {
        return false;
    }
    let mut depth = 0_usize;
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_text(&mut rest),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return true;
        }
    }
    false
}

fn skip_text(rest: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(rest.next()),
            _ => {}
        }
    }
}

/// For members that are payloads. `null` is one.
pub(super) fn payload<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let json = Box::<RawValue>::deserialize(deserializer)?;
    Ok(Bytes::from(Box::<str>::from(json).into_boxed_bytes()))
}

/// For members that are messages: an object, where serde would take an array as well.
pub(super) fn object<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Optional(PhantomData))
}

/// For members of which it only counts that they are there.
pub(super) fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<()>, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.map(|_| ()))
}

/// For members that are maps of messages: no key twice, of which serde would take the last.
pub(super) fn map<'de, K, V, D>(deserializer: D) -> Result<HashMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Eq + Hash,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Unique(PhantomData))
}

/// A map of texts, whose keys are there once.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<String, String>, D::Error> {
    deserializer.deserialize_map(Texts)
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = HashMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HashMap<String, String>, A::Error> {
        let mut all = HashMap::new();
        while let Some((key, value)) = map.next_entry()? {
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(all)
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Object<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

struct Optional<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Optional<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_map(Object(PhantomData)).map(Some)
    }
}

struct Unique<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Eq + Hash, V: Deserialize<'de>> Visitor<'de> for Unique<K, V> {
    type Value = HashMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HashMap<K, V>, A::Error> {
        let mut all = HashMap::new();
        while let Some((key, value)) = map.next_entry_seed(PhantomData, Object(PhantomData))? {
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(all)
    }
}

/// For members that are left out if they are zero.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_of_payloads_go_and_nothing_else_changes() {
        let embedded = |payload: &str| {
            let mut json = Vec::new();
            write(&mut json, &Bytes::copy_from_slice(payload.as_bytes()));
            String::from_utf8(json).unwrap()
        };
        assert_eq!(
            embedded("{\r\n  \"a\\nb\": [1,\n 2.50],\n\t\"c\": \"d e\"\n}"),
            "{  \"a\\nb\": [1, 2.50],\t\"c\": \"d e\"}"
        );
        assert_eq!(embedded(r#"{ "a\nb":"\r" }"#), r#"{ "a\nb":"\r" }"#);
        assert_eq!(embedded("\n1"), "1");
    }

    #[test]
    fn what_is_nested_too_deep_is_not_read() {
        let nested = |depth: usize, of: &str| {
            let (open, close) = of.split_at(of.len() / 2);
            open.repeat(depth) + &close.repeat(depth)
        };
        assert!(!is_deep(nested(JSON_DEPTH_MAX, "[]").as_bytes()));
        assert!(is_deep(nested(JSON_DEPTH_MAX + 1, "[]").as_bytes()));
        assert!(is_deep(format!(r#"{{"a":"[\"","b":{}}}"#, nested(JSON_DEPTH_MAX, "[]")).as_bytes()));
        assert!(!is_deep("[],".repeat(1000).as_bytes()), "side by side");
        assert!(!is_deep(format!(r#"["{}"]"#, "[".repeat(1000)).as_bytes()), "in a text");
        assert!(!is_deep(format!(r#"["\"{}"]"#, "[".repeat(1000)).as_bytes()), "in a text with a quote");
        assert!(is_deep("[".repeat(1 << 20).as_bytes()));
        assert!(!is_deep("\"\\".as_bytes()));
    }
}
