//! The Centrifuge client protocol in JSON: one object a line.

use std::{borrow::Cow, collections::BTreeMap, io::Write as _, iter};

use anyhow::{Context as _, bail};
use memchr::memchr;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{Granted, Heard, Position};
use crate::bench::frame::shown;

#[derive(Serialize)]
struct Command<'a> {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<Connect<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribe: Option<Subscribe<'a>>,
}

#[derive(Serialize)]
struct Connect<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    token: &'a str,
    name: &'static str,
    subs: BTreeMap<&'a str, Standing<'a>>,
}

#[derive(Serialize)]
struct Subscribe<'a> {
    channel: &'a str,
    #[serde(flatten)]
    standing: Option<Standing<'a>>,
}

#[derive(Serialize)]
struct Standing<'a> {
    recover: bool,
    epoch: &'a str,
    offset: u64,
}

impl<'a> Standing<'a> {
    fn at(position: &'a Position) -> Self {
        Standing { recover: true, epoch: &position.epoch, offset: position.offset }
    }
}

pub(super) fn connect(id: u32, token: &str, at: Option<(&str, &Position)>, out: &mut Vec<u8>) {
    let subs = at.map(|(channel, position)| (channel, Standing::at(position))).into_iter().collect();
    let connect = Connect { token, name: "naru bench", subs };
    write(&Command { id, connect: Some(connect), subscribe: None }, out);
}

pub(super) fn subscribe(id: u32, channel: &str, at: Option<&Position>, out: &mut Vec<u8>) {
    let subscribe = Subscribe { channel, standing: at.map(Standing::at) };
    write(&Command { id, connect: None, subscribe: Some(subscribe) }, out);
}

fn write(command: &Command<'_>, out: &mut Vec<u8>) {
    serde_json::to_writer(out, command).expect("text and numbers can be written as JSON");
}

pub(super) fn publish(id: u32, channel: &str, data: &[u8], out: &mut Vec<u8>) {
    // The names of channels here have nothing to escape.
    let written = write!(out, r#"{{"id":{id},"publish":{{"channel":"{channel}","data":"#);
    written.expect("memory takes everything");
    out.extend_from_slice(data);
    out.extend_from_slice(b"}}");
}

pub(super) fn rpc(id: u32, method: &str, data: &[u8], out: &mut Vec<u8>) {
    write!(out, r#"{{"id":{id},"rpc":{{"method":"{method}","data":"#).expect("memory takes everything");
    out.extend_from_slice(data);
    out.extend_from_slice(b"}}");
}

pub(super) fn split(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(message.strip_suffix(b"\n").unwrap_or(message));
    iter::from_fn(move || {
        let line = rest?;
        let end = memchr(b'\n', line);
        rest = end.map(|end| &line[end + 1..]);
        Some(end.map_or(line, |end| &line[..end]))
    })
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    id: u32,
    error: Option<Refusal>,
    #[serde(borrow)]
    push: Option<Push<'a>>,
    #[serde(borrow)]
    connect: Option<Connected<'a>>,
    #[serde(borrow)]
    subscribe: Option<Subscribed<'a>>,
    publish: Option<IgnoredAny>,
    rpc: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u32,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    channel: Cow<'a, str>,
    #[serde(borrow, rename = "pub")]
    publication: Option<Publication<'a>>,
    #[serde(borrow)]
    unsubscribe: Option<&'a RawValue>,
    #[serde(borrow)]
    disconnect: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Publication<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Connected<'a> {
    #[serde(borrow, default)]
    subs: BTreeMap<Cow<'a, str>, Subscribed<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subscribed<'a> {
    recoverable: bool,
    recovered: bool,
    epoch: String,
    offset: u64,
    #[serde(borrow)]
    publications: Vec<Publication<'a>>,
}

impl From<Subscribed<'_>> for Granted {
    fn from(subscribed: Subscribed<'_>) -> Self {
        let Subscribed { recoverable, recovered, epoch, offset, publications } = subscribed;
        Granted {
            position: recoverable.then_some(Position { epoch, offset }),
            recovered,
            missed: publications.iter().map(|it| it.data.get().as_bytes().to_vec()).collect(),
        }
    }
}

pub(super) fn read(part: &[u8]) -> anyhow::Result<Heard<'_>> {
    let reply: Reply<'_> =
        serde_json::from_slice(part).with_context(|| format!("the server says: {}", shown(part)))?;
    let Reply { id, error, push, connect, subscribe, publish, rpc } = reply;
    if let Some(Refusal { code, message }) = error {
        bail!("the server refuses: {code} {message}");
    }
    if let Some(push) = push {
        return heard(push);
    }
    if let Some(connected) = connect {
        let granted = connected.subs.into_values().map(Granted::from).find(|it| it.position.is_some());
        return Ok(Heard::Answer { id, granted: granted.unwrap_or_default() });
    }
    if let Some(subscribed) = subscribe {
        return Ok(Heard::Answer { id, granted: subscribed.into() });
    }
    if publish.is_some() || rpc.is_some() {
        return Ok(Heard::Answer { id, granted: Granted::default() });
    }
    Ok(if id == 0 { Heard::Ping } else { Heard::Nothing })
}

fn heard(push: Push<'_>) -> anyhow::Result<Heard<'_>> {
    if let Some(Publication { data }) = push.publication {
        let data = Cow::Borrowed(data.get().as_bytes());
        return Ok(Heard::Message { channel: push.channel, data });
    }
    if let Some(why) = push.unsubscribe.or(push.disconnect) {
        bail!("the server ends the subscription: {why}");
    }
    Ok(Heard::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn commands_are_what_the_protocol_says() {
        let at = Position { epoch: "e".into(), offset: 7 };
        assert_eq!(
            written(|out| connect(1, "t", Some(("inbox:a", &at)), out)),
            r#"{"id":1,"connect":{"token":"t","name":"naru bench","subs":{"inbox:a":{"recover":true,"epoch":"e","offset":7}}}}"#
        );
        assert_eq!(written(|out| subscribe(2, "c", None, out)), r#"{"id":2,"subscribe":{"channel":"c"}}"#);
        assert_eq!(
            written(|out| subscribe(2, "c", Some(&at), out)),
            r#"{"id":2,"subscribe":{"channel":"c","recover":true,"epoch":"e","offset":7}}"#
        );
        assert_eq!(
            written(|out| publish(3, "c", b"[1]", out)),
            r#"{"id":3,"publish":{"channel":"c","data":[1]}}"#
        );
        assert_eq!(written(|out| rpc(4, "m", b"{}", out)), r#"{"id":4,"rpc":{"method":"m","data":{}}}"#);
    }

    #[test]
    fn a_publication_has_its_channel_and_its_data_as_it_is() {
        let part = br#"{"push":{"channel":"c","pub":{"data": {"a" :1},"info":{"user":"","client":"x"},"offset":3}}}"#;
        let expected = Heard::Message { channel: "c".into(), data: br#"{"a" :1}"#.into() };
        assert_eq!(read(part).unwrap(), expected);
    }

    #[test]
    fn what_was_missed_comes_with_the_answer() {
        let part = br#"{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":5,"recovered":true,
            "publications":[{"data":"a","offset":4},{"data":"b","offset":5}]}}"#;
        let granted = Granted {
            position: Some(Position { epoch: "e".into(), offset: 5 }),
            recovered: true,
            missed: vec![b"\"a\"".to_vec(), b"\"b\"".to_vec()],
        };
        assert_eq!(read(part).unwrap(), Heard::Answer { id: 2, granted });
    }

    #[test]
    fn pings_errors_and_ends_are_told_apart() {
        assert_eq!(read(b"{}").unwrap(), Heard::Ping);
        assert_eq!(read(br#"{"push":{"channel":"c","join":{}}}"#).unwrap(), Heard::Nothing);
        let error = |part| format!("{:#}", read(part).unwrap_err());
        assert!(
            error(br#"{"id":1,"error":{"code":103,"message":"permission denied"}}"#).contains("103 perm")
        );
        assert!(error(br#"{"push":{"channel":"c","unsubscribe":{"code":2500}}}"#).contains("2500"));
        assert!(error(b"hello").contains("hello"));
    }
}
