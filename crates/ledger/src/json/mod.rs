//! What travels as JSON: the entries of a log, and what servers are told.

mod entry;
mod told;

#[cfg(test)]
mod tests;

pub use entry::JsonError;
pub use told::{ENTRY_BYTES_MAX, Heard, To, Told, room_channel, server_channel};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A text that is only looked at.
#[derive(Deserialize)]
#[serde(transparent)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

/// Writes members of an object, one after the other.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, is_empty: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// Begins a member, whose value comes next.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn text(&mut self, name: &str, text: &str) {
        string(self.name(name), text);
    }

    fn number(&mut self, name: &str, number: u64) {
        self::number(self.name(name), number);
    }

    /// What is JSON already.
    fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name).extend_from_slice(json);
    }

    fn list<T>(&mut self, name: &str, items: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
        let out = self.name(name);
        out.push(b'[');
        for (i, item) in items.enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write(out, item);
        }
        out.push(b']');
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    let mut serializer = serde_json::Serializer::new(out);
    text.serialize(&mut serializer).expect("a string is always JSON, and a vector takes all that is written");
}
