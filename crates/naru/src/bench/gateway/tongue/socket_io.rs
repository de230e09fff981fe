//! Socket.IO 4 over a WebSocket: events `subscribe` and `publish` of which each is acknowledged, and `message` with a
//! channel and data.

use std::{borrow::Cow, io::Write as _};

use anyhow::{Context as _, bail};
use serde_json::value::RawValue;

use super::{Granted, Heard};
use crate::bench::frame::shown;

/// The id that a connection is answered under: there is none in the protocol.
const CONNECT_ID: u32 = 1;

pub(super) fn connect(out: &mut Vec<u8>) {
    out.extend_from_slice(b"40");
}

pub(super) fn subscribe(id: u32, channel: &str, out: &mut Vec<u8>) {
    write!(out, r#"42{id}["subscribe","{channel}"]"#).expect("memory takes everything");
}

pub(super) fn publish(id: u32, channel: &str, data: &[u8], out: &mut Vec<u8>) {
    write!(out, r#"42{id}["publish","{channel}","#).expect("memory takes everything");
    out.extend_from_slice(data);
    out.push(b']');
}

pub(super) fn read(part: &[u8]) -> anyhow::Result<Heard<'_>> {
    let says = || format!("the server says: {}", shown(part));
    if let Some(event) = part.strip_prefix(b"42") {
        let (name, channel, data): (Cow<'_, str>, Cow<'_, str>, &RawValue) =
            serde_json::from_slice(event).with_context(says)?;
        if name != "message" {
            bail!(says());
        }
        return Ok(Heard::Message { channel, data: Cow::Borrowed(data.get().as_bytes()) });
    }
    if let Some(answer) = part.strip_prefix(b"43") {
        let id = answer.strip_suffix(b"[]").and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        return Ok(Heard::Answer { id: id.with_context(says)?, granted: Granted::default() });
    }
    match part {
        b"2" => Ok(Heard::Ping),
        [b'0', b'{', ..] => Ok(Heard::Nothing),
        [b'4', b'0', b'{', ..] => Ok(Heard::Answer { id: CONNECT_ID, granted: Granted::default() }),
        _ => bail!(says()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart() {
        let message = Heard::Message { channel: "c".into(), data: b"\"x\"".into() };
        assert_eq!(read(br#"42["message","c","x"]"#).unwrap(), message);
        assert_eq!(read(b"2").unwrap(), Heard::Ping);
        assert_eq!(read(br#"0{"sid":"a","pingInterval":25000}"#).unwrap(), Heard::Nothing);
        assert!(matches!(read(br#"40{"sid":"b"}"#).unwrap(), Heard::Answer { id: CONNECT_ID, .. }));
        for wrong in [&b"1"[..], b"41", br#"44{"message":"no"}"#, br#"42["other","c",1]"#, b"437[1]", b""] {
            read(wrong).unwrap_err();
        }
    }
}
