//! The least that a server of one's own would speak, in JSON: `{"id":1,"subscribe":"news"}`,
//! `{"id":2,"publish":"news","data":…}`, each answered with `{"id":…}`; subscribers get `{"channel":"news","data":…}`.

use std::{borrow::Cow, io::Write as _};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Granted, Heard};
use crate::bench::frame::shown;

pub(super) fn subscribe(id: u32, channel: &str, out: &mut Vec<u8>) {
    write!(out, r#"{{"id":{id},"subscribe":"{channel}"}}"#).expect("memory takes everything");
}

pub(super) fn publish(id: u32, channel: &str, data: &[u8], out: &mut Vec<u8>) {
    write!(out, r#"{{"id":{id},"publish":"{channel}","data":"#).expect("memory takes everything");
    out.extend_from_slice(data);
    out.push(b'}');
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    id: u32,
}

pub(super) fn read(part: &[u8]) -> anyhow::Result<Heard<'_>> {
    let says = || format!("the server says: {}", shown(part));
    if part.starts_with(br#"{"id""#) {
        let Answer { id } = serde_json::from_slice(part).with_context(says)?;
        return Ok(Heard::Answer { id, granted: Granted::default() });
    }
    let Message { channel, data } = serde_json::from_slice(part).with_context(says)?;
    Ok(Heard::Message { channel, data: Cow::Borrowed(data.get().as_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_channel_and_its_data_as_it_is() {
        let expected = Heard::Message { channel: "c".into(), data: b"[1, 2]".into() };
        assert_eq!(read(br#"{"channel":"c","data":[1, 2]}"#).unwrap(), expected);
        for wrong in [&br#"{"channel":"c"}"#[..], br#"{"id":1,"error":"no"}"#, b"hello", b""] {
            read(wrong).unwrap_err();
        }
    }

    #[test]
    fn commands_are_json() {
        let mut out = Vec::new();
        subscribe(1, "c", &mut out);
        publish(2, "c", b"\"x\"", &mut out);
        assert_eq!(out, br#"{"id":1,"subscribe":"c"}{"id":2,"publish":"c","data":"x"}"#);
    }
}
