//! The Centrifuge client protocol in Protobuf: messages behind their length. Only what a load needs is there; a decoder
//! passes over the rest.

use std::{borrow::Cow, collections::BTreeMap};

use anyhow::{Context as _, bail, ensure};
use prost::{
    Message as _,
    encoding::{decode_varint, encode_varint},
};

use super::{Granted, Heard, Position};
use crate::bench::frame::shown;

#[derive(Clone, PartialEq, prost::Message)]
struct Command {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "4")]
    connect: Option<Connect>,
    #[prost(message, optional, tag = "5")]
    subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "7")]
    publish: Option<Publish>,
    #[prost(message, optional, tag = "13")]
    rpc: Option<Rpc>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Connect {
    #[prost(string, tag = "1")]
    token: String,
    #[prost(btree_map = "string, message", tag = "3")]
    subs: BTreeMap<String, Subscribe>,
    #[prost(string, tag = "4")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Subscribe {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bool, tag = "3")]
    recover: bool,
    #[prost(string, tag = "6")]
    epoch: String,
    #[prost(uint64, tag = "7")]
    offset: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Publish {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Rpc {
    #[prost(bytes = "vec", tag = "1")]
    data: Vec<u8>,
    #[prost(string, tag = "2")]
    method: String,
}

fn standing(channel: &str, at: Option<&Position>) -> Subscribe {
    Subscribe {
        channel: channel.to_owned(),
        recover: at.is_some(),
        epoch: at.map_or_else(String::new, |at| at.epoch.clone()),
        offset: at.map_or(0, |at| at.offset),
    }
}

pub(super) fn connect(id: u32, token: &str, at: Option<(&str, &Position)>, out: &mut Vec<u8>) {
    let subs = at.map(|(channel, at)| (channel.to_owned(), standing("", Some(at)))).into_iter().collect();
    let connect = Connect { token: token.to_owned(), subs, name: "naru bench".to_owned() };
    write(&Command { id, connect: Some(connect), ..Command::default() }, out);
}

pub(super) fn subscribe(id: u32, channel: &str, at: Option<&Position>, out: &mut Vec<u8>) {
    write(&Command { id, subscribe: Some(standing(channel, at)), ..Command::default() }, out);
}

pub(super) fn publish(id: u32, channel: &str, data: &[u8], out: &mut Vec<u8>) {
    let publish = Publish { channel: channel.to_owned(), data: data.to_vec() };
    write(&Command { id, publish: Some(publish), ..Command::default() }, out);
}

pub(super) fn rpc(id: u32, method: &str, data: &[u8], out: &mut Vec<u8>) {
    let rpc = Rpc { method: method.to_owned(), data: data.to_vec() };
    write(&Command { id, rpc: Some(rpc), ..Command::default() }, out);
}

fn write(command: &Command, out: &mut Vec<u8>) {
    encode_varint(command.encoded_len() as u64, out);
    command.encode_raw(out);
}

pub(super) fn split(
    mut message: &[u8],
    mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    while !message.is_empty() {
        let length = usize::try_from(decode_varint(&mut message)?)?;
        ensure!(length <= message.len(), "the server sent a part that is longer than its message");
        let (part, behind) = message.split_at(length);
        each(part)?;
        message = behind;
    }
    Ok(())
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "2")]
    error: Option<Refusal>,
    #[prost(message, optional, tag = "4")]
    push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    connect: Option<Connected>,
    #[prost(message, optional, tag = "6")]
    subscribe: Option<Subscribed>,
    #[prost(message, optional, tag = "8")]
    publish: Option<Empty>,
    #[prost(message, optional, tag = "13")]
    rpc: Option<Empty>,
}

/// A message of which nothing is read.
#[derive(Clone, PartialEq, prost::Message)]
struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
struct Refusal {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Push {
    #[prost(string, tag = "2")]
    channel: String,
    #[prost(message, optional, tag = "4")]
    publication: Option<Publication>,
    #[prost(message, optional, tag = "7")]
    unsubscribe: Option<Ended>,
    #[prost(message, optional, tag = "11")]
    disconnect: Option<Ended>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    data: Vec<u8>,
}

/// The code has one number in each of the two pushes that it is read from.
#[derive(Clone, PartialEq, prost::Message)]
struct Ended {
    #[prost(uint32, tag = "2")]
    code: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Connected {
    #[prost(btree_map = "string, message", tag = "6")]
    subs: BTreeMap<String, Subscribed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Subscribed {
    #[prost(bool, tag = "3")]
    recoverable: bool,
    #[prost(string, tag = "6")]
    epoch: String,
    #[prost(message, repeated, tag = "7")]
    publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    recovered: bool,
    #[prost(uint64, tag = "9")]
    offset: u64,
}

impl From<Subscribed> for Granted {
    fn from(subscribed: Subscribed) -> Self {
        let Subscribed { recoverable, epoch, publications, recovered, offset } = subscribed;
        Granted {
            position: recoverable.then_some(Position { epoch, offset }),
            recovered,
            missed: publications.into_iter().map(|it| it.data).collect(),
        }
    }
}

pub(super) fn read(part: &[u8]) -> anyhow::Result<Heard<'static>> {
    let reply = Reply::decode(part).with_context(|| format!("the server says: {}", shown(part)))?;
    let Reply { id, error, push, connect, subscribe, publish, rpc } = reply;
    if let Some(Refusal { code, message }) = error {
        bail!("the server refuses: {code} {message}");
    }
    if let Some(Push { channel, publication, unsubscribe, disconnect }) = push {
        if let Some(Publication { data }) = publication {
            return Ok(Heard::Message { channel: channel.into(), data: Cow::Owned(data) });
        }
        if unsubscribe.is_some() || disconnect.is_some() {
            let code = unsubscribe.map(|ended| ended.code);
            bail!("the server ends the subscription: {}", code.unwrap_or_default());
        }
        return Ok(Heard::Nothing);
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

/// Field 1, a number, and an empty field 8.
pub(super) fn answered(part: &[u8]) -> Option<u32> {
    let mut number = part.strip_prefix(&[0x08])?.strip_suffix(&[0x42, 0])?;
    let id = decode_varint(&mut number).ok()?;
    if number.is_empty() { id.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_they_were_written() {
        let mut out = Vec::new();
        subscribe(2, "c", Some(&Position { epoch: "e".into(), offset: 7 }), &mut out);
        publish(3, "c", b"[1]", &mut out);
        out.push(0);
        let mut parts = Vec::new();
        split(&out, |part| {
            parts.push(Command::decode(part)?);
            Ok(())
        })
        .unwrap();
        let [first, second, pong] = &parts[..] else { panic!("{parts:?}") };
        let subscribe = first.subscribe.as_ref().unwrap();
        assert_eq!((first.id, &*subscribe.channel, subscribe.recover, subscribe.offset), (2, "c", true, 7));
        assert_eq!(second.publish.as_ref().unwrap().data, b"[1]");
        assert_eq!(*pong, Command::default());
        assert!(split(&[5, 1], |_| Ok(())).is_err());
    }

    #[test]
    fn a_publication_has_its_channel_and_its_data() {
        let publication = Some(Publication { data: b"[1]".to_vec() });
        let push = Some(Push { channel: "c".into(), publication, ..Push::default() });
        let part = Reply { push, ..Reply::default() }.encode_to_vec();
        assert_eq!(read(&part).unwrap(), Heard::Message { channel: "c".into(), data: b"[1]".into() });
        assert_eq!(read(&[]).unwrap(), Heard::Ping);
        let error = Some(Refusal { code: 103, message: "permission denied".into() });
        let part = Reply { id: 1, error, ..Reply::default() }.encode_to_vec();
        assert!(format!("{:#}", read(&part).unwrap_err()).contains("103 permission denied"));
    }
}
