//! What clients see of conversations: the `data` of an inbox's and a room's publications, and what pages are made of.

use naru_ledger::{
    Body, Conversation, Follow, Kind, Role, Seq, User,
    answer::{Content, Entry, Row, Text},
};
use serde::Serialize;
use serde_json::value::RawValue;

/// An entry of a log, as it reads now. Its members are the ledger's own, and `to`, the other one of two.
#[derive(Serialize)]
pub(crate) struct EntryData<'a> {
    kind: &'static str,
    conversation: &'a str,
    seq: u64,
    prev: u64,
    count: u64,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<&'a str>,
    /// The edit or deletion by which it reads as it does; without a body it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
}

impl<'a> From<&'a Entry> for EntryData<'a> {
    fn from(entry: &'a Entry) -> Self {
        let (target, role) = match &entry.content {
            Content::Reaction { target, .. } | Content::Edit { target, .. } | Content::Delete { target } => {
                (Some(target.0), None)
            }
            Content::Join { role } | Content::Role { role } => (None, Some(Role::as_str(*role))),
            Content::Message { .. } | Content::System { .. } | Content::Leave | Content::Broadcast => {
                (None, None)
            }
        };
        EntryData {
            kind: entry.kind().as_str(),
            conversation: entry.conversation.as_str(),
            seq: entry.seq.0,
            prev: entry.prev.0,
            count: entry.count,
            from: entry.sender.as_str(),
            to: other(&entry.conversation, &entry.sender).map(User::as_str),
            id: entry.client_id.as_ref().map(|id| id.as_str()),
            at: entry.at.0,
            target,
            role,
            mentions: entry.mentions().map(User::as_str).collect(),
            changed: entry.text().and_then(Text::changed).map(|seq| seq.0),
            body: entry.body().map(body),
        }
    }
}

/// The one a direct conversation's sender talks to.
pub(crate) fn other<'a>(conversation: &'a Conversation, sender: &User) -> Option<&'a User> {
    match conversation {
        Conversation::Direct(direct) => Some(direct.other(sender)),
        Conversation::Room(_) => None,
    }
}

fn body(body: &Body) -> &RawValue {
    match serde_json::from_slice::<&RawValue>(body.as_bytes()) {
        Ok(json) => json,
        Err(_) => {
            // Gateways take nothing else; somebody wrote it at the broker.
            tracing::warn!(bytes = body.as_bytes().len(), "a body is no JSON, and clients are given null");
            RawValue::NULL
        }
    }
}

/// How much of a conversation a user has read. `unread` is not said where it is the room's own count that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) count: u64,
    pub(crate) read: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unread: Option<u64>,
    pub(crate) mentions: u64,
}

impl Counts {
    /// As the user's own inbox has it.
    pub(crate) fn new(count: u64, read: u64, mentions: u64) -> Counts {
        Counts { count, read, unread: Some(count.saturating_sub(read)), mentions }
    }
}

impl From<&Row> for Counts {
    fn from(row: &Row) -> Counts {
        let counts = Counts::new(row.count, row.read, row.mentions);
        if row.follow == Follow::Channel { Counts { unread: None, ..counts } } else { counts }
    }
}

/// What is no entry of a log.
#[derive(Serialize)]
pub(crate) struct MarkData<'a> {
    kind: &'static str,
    conversation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(flatten)]
    counts: Option<Counts>,
}

impl<'a> MarkData<'a> {
    /// What is unread has changed; with where to, if that is known.
    pub(crate) fn read(conversation: &'a Conversation, seq: Option<Seq>, counts: Counts) -> Self {
        MarkData { seq: seq.map(|seq| seq.0), ..MarkData::new("read", conversation, counts) }
    }

    /// The user is mentioned in an entry that had come before.
    pub(crate) fn mention(conversation: &'a Conversation, seq: Seq, counts: Counts) -> Self {
        MarkData { seq: Some(seq.0), ..MarkData::new("mention", conversation, counts) }
    }

    /// A room that is followed by its channel has come so far.
    pub(crate) fn head(conversation: &'a Conversation, seq: Seq, counts: Counts) -> Self {
        MarkData { seq: Some(seq.0), ..MarkData::new("head", conversation, counts) }
    }

    /// Retention has passed the reader: what they have not had up to here is gone.
    pub(crate) fn trimmed(conversation: &'a Conversation, through: Seq) -> Self {
        let conversation = conversation.as_str();
        MarkData { kind: "trimmed", conversation, seq: Some(through.0), counts: None }
    }

    fn new(kind: &'static str, conversation: &'a Conversation, counts: Counts) -> Self {
        MarkData { kind, conversation: conversation.as_str(), seq: None, counts: Some(counts) }
    }
}

/// Whether an entry may change which rooms its user follows by their channel.
pub(crate) fn turns(kind: Kind, sender: &User, user: &User) -> bool {
    match kind {
        Kind::Broadcast => true,
        Kind::Join | Kind::Leave => sender == user,
        Kind::Message | Kind::Reaction | Kind::System | Kind::Edit | Kind::Delete | Kind::Role => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use naru_ledger::{ClientId, Millis};

    use super::*;

    fn entry(conversation: &str, content: Content) -> Entry {
        Entry {
            conversation: Conversation::parse(conversation).unwrap(),
            seq: Seq(7),
            prev: Seq(6),
            count: 5,
            at: Millis(9),
            sender: User::parse("alice").unwrap(),
            client_id: ClientId::parse("c1").ok(),
            content,
        }
    }

    fn json(entry: &Entry) -> String {
        serde_json::to_string(&EntryData::from(entry)).unwrap()
    }

    fn said(body: &str) -> Text {
        Text::AsSaid(body.as_bytes().into())
    }

    #[test]
    fn a_message_says_to_whom_between_two_and_whom_it_mentions_in_a_room() {
        let message = |mentions| Content::Message { text: said("{\"a\":1}"), mentions };
        assert_eq!(
            json(&entry("dm:alice:bob", message(BTreeSet::new()))),
            r#"{"kind":"message","conversation":"dm:alice:bob","seq":7,"prev":6,"count":5,"from":"alice","to":"bob","id":"c1","at":9,"body":{"a":1}}"#
        );
        assert_eq!(
            json(&entry("room:a", message(BTreeSet::from([User::parse("bob").unwrap()])))),
            r#"{"kind":"message","conversation":"room:a","seq":7,"prev":6,"count":5,"from":"alice","id":"c1","at":9,"mentions":["bob"],"body":{"a":1}}"#
        );
    }

    #[test]
    fn what_was_deleted_has_no_body_and_says_by_what() {
        let text = Text::Deleted { by: Seq(9) };
        let json = json(&entry("room:a", Content::Message { text, mentions: BTreeSet::new() }));
        assert!(json.ends_with(r#""at":9,"changed":9}"#), "{json}");
    }

    #[test]
    fn members_changes_and_answers_say_what_they_are_about() {
        let ends = |content, end: &str| {
            let json = json(&entry("room:a", content));
            assert!(json.ends_with(end), "{json}");
        };
        ends(Content::Join { role: Role::Owner }, r#""at":9,"role":"owner"}"#);
        ends(Content::Delete { target: Seq(3) }, r#""at":9,"target":3}"#);
        ends(Content::Reaction { target: Seq(3), text: said("\"+1\"") }, r#""at":9,"target":3,"body":"+1"}"#);
        ends(Content::Edit { target: Seq(3), body: None }, r#""at":9,"target":3}"#);
    }

    #[test]
    fn a_body_that_is_no_json_reaches_clients_as_null() {
        let json = json(&entry("room:a", Content::System { text: said("{") }));
        assert!(json.ends_with(r#""body":null}"#), "{json}");
    }

    #[test]
    fn marks_say_what_is_unread() {
        let room = Conversation::parse("room:a").unwrap();
        let json = |mark: MarkData<'_>| serde_json::to_string(&mark).unwrap();
        assert_eq!(
            json(MarkData::read(&room, Some(Seq(3)), Counts::new(5, 3, 1))),
            r#"{"kind":"read","conversation":"room:a","seq":3,"count":5,"read":3,"unread":2,"mentions":1}"#
        );
        assert_eq!(
            json(MarkData::read(&room, None, Counts::new(5, 9, 0))),
            r#"{"kind":"read","conversation":"room:a","count":5,"read":9,"unread":0,"mentions":0}"#
        );
        assert_eq!(
            json(MarkData::trimmed(&room, Seq(3))),
            r#"{"kind":"trimmed","conversation":"room:a","seq":3}"#
        );
    }
}
