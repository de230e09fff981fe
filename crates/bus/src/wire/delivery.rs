//! What servers are told of a delivery, which travels as JSON.

use naru_ledger::answer::{Entry, PointerKind};
use naru_ledger::{Conversation, Kind, Seq, Useq, User};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::entry;
use crate::limits::TOLD_ENTRY_BYTES_MAX;

/// What has come into inboxes, said to a server that holds connections of their users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it happened.
    pub conversation: Conversation,
    /// Up to which entry, or up to where was read.
    pub seq: Seq,
    /// What it is about: an entry's kind, or `read`.
    pub kind: PointerKind,
    /// Into whose inboxes; nobody's where a room is followed by its channel.
    pub to: Vec<Told>,
    /// The entry, unless it is large, or not at hand, or there is none: then it is read.
    pub entry: Option<Entry>,
}

/// One into whose inbox something has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub user: User,
    /// The change's number there; 0 if it is not known any more.
    pub useq: Useq,
    /// New are the entries after this and up to the delivery's: none if they are equal.
    pub after: Seq,
}

#[derive(Deserialize)]
struct Read<'a> {
    conversation: Conversation,
    seq: Seq,
    kind: String,
    to: Vec<(User, Useq, Seq)>,
    #[serde(borrow)]
    entry: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Written<'a> {
    conversation: &'a str,
    seq: Seq,
    kind: &'a str,
    to: Vec<(&'a User, Useq, Seq)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a RawValue>,
}

/// Reads what a server is told.
pub(crate) fn read(json: &[u8]) -> Result<Delivery, String> {
    let Read { conversation, seq, kind, to, entry } =
        serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let kind = match kind.as_str() {
        "read" => PointerKind::Read,
        kind => PointerKind::Entry(Kind::parse(kind).map_err(|error| error.to_string())?),
    };
    let entry = entry.map(|entry| entry::parse(entry.get().as_bytes())).transpose();
    let entry = entry.map_err(|error| error.to_string())?;
    let to = to.into_iter().map(|(user, useq, after)| Told { user, useq, after }).collect();
    Ok(Delivery { conversation, seq, kind, to, entry })
}

/// An entry as servers are told it, unless it is too large for that.
pub(crate) fn told_entry(entry: &Entry) -> Option<Box<RawValue>> {
    let json = entry::json(entry);
    // What is no JSON was taken from a client that a gateway should not have believed.
    (json.len() <= TOLD_ENTRY_BYTES_MAX).then(|| RawValue::from_string(json).ok()).flatten()
}

/// Writes what a server is told.
pub(crate) fn json<'a>(
    conversation: &Conversation,
    seq: Seq,
    kind: PointerKind,
    to: impl Iterator<Item = (&'a User, Useq, Seq)>,
    entry: Option<&RawValue>,
) -> Vec<u8> {
    let (conversation, kind, to) = (conversation.as_str(), kind.as_str(), to.collect());
    serde_json::to_vec(&Written { conversation, seq, kind, to, entry }).expect("names and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"conversation":"room:general","seq":7,"prev":6,"count":5,"kind":"message","from":"alice","id":"c1","at":9,"mentions":["bob"],"body":{"text": "hi"}}"#;

    #[test]
    fn a_delivery_is_read_as_it_is_written() {
        let json_of = |entry: &str| {
            format!(
                r#"{{"conversation":"room:general","seq":7,"kind":"message","to":[["bob",41,6],["carol",7,6]]{entry}}}"#
            )
        };
        for text in [json_of(""), json_of(&format!(r#","entry":{ENTRY}"#))] {
            let delivery = read(text.as_bytes()).unwrap();
            assert_eq!((delivery.seq, delivery.to[1].useq, delivery.to[1].after), (Seq(7), Useq(7), Seq(6)));
            let to = delivery.to.iter().map(|told| (&told.user, told.useq, told.after));
            let entry = delivery.entry.as_ref().and_then(told_entry);
            let again = json(&delivery.conversation, delivery.seq, delivery.kind, to, entry.as_deref());
            assert_eq!(String::from_utf8(again).unwrap(), text);
        }
    }

    #[test]
    fn a_large_entry_is_left_out() {
        let large = ENTRY.replace("hi", &"x".repeat(TOLD_ENTRY_BYTES_MAX));
        let entry = entry::parse(large.as_bytes()).unwrap();
        assert!(told_entry(&entry).is_none());
    }

    #[test]
    fn that_somebody_has_read_has_no_entry() {
        let read = read(br#"{"conversation":"dm:a:b","seq":3,"kind":"read","to":[["b",8,3]]}"#).unwrap();
        assert_eq!((read.kind, read.entry), (PointerKind::Read, None));
    }
}
