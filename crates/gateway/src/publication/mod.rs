//! What is published through the fan-out: frames made once for each flavour that somebody speaks, for all clients on all
//! cores.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use naru_bus::{Delivery, StreamPosition};
use naru_ledger::{Seq, Useq, answer::PointerKind, json::To};

use crate::{
    departed::Turn,
    limits::LIVE_BYTES_MAX,
    protocol::{
        data,
        encoding::Encoding,
        flavour::Flavour,
        json, message,
        push::{JoinLeave, Push, What},
        reply::Reply,
    },
    reached::ConversationKey,
};

mod chained;
mod envelope;
mod payload;
mod run;

use chained::Chained;
pub(crate) use chained::Previous;
pub(crate) use envelope::{Envelope, Published, Sender, What as Said};
pub(crate) use payload::Payload;
pub(crate) use run::Run;

/// A push to many, and what a session has to know to pass it on.
#[derive(Clone)]
pub(crate) struct Publication {
    channel: Bytes,
    /// None if there is something to be looked at, and nothing to be said.
    content: Option<Arc<Content>>,
    bytes: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    /// Said in a channel.
    Live,
    /// The same, and kept there: it has a position.
    Kept,
    /// Somebody comes into a channel or goes.
    Presence,
    /// Of an inbox.
    Inbox(Change),
    /// Of a room that is followed by its channel: the entry with this number, and who comes or goes with it. Without a content it is
    /// to be looked at in the log.
    Room(Seq, Option<Turn>),
}

/// What has come into an inbox.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    /// Its number; 0 if it is not known.
    pub(crate) useq: Useq,
    /// Where, and up to which entry.
    pub(crate) conversation: ConversationKey,
    pub(crate) seq: Seq,
    /// The content has all of it. Otherwise there is none, and it is read.
    pub(crate) is_whole: bool,
    /// It may change which rooms the user follows by their channel.
    pub(crate) turns: bool,
}

/// One push, and its frames.
pub(crate) struct Content {
    push: Reply,
    /// Where it is in its channel, if that keeps it.
    position: Option<StreamPosition>,
    in_json: InJson,
    /// By flavour; each is made when the first client that speaks it is to get it.
    frames: [OnceLock<Bytes>; Flavour::COUNT],
    /// Whoever has agreed on it gets the difference to the one before.
    delta: bool,
    /// For who has agreed on deltas.
    chained: OnceLock<Box<Chained>>,
}

/// How clients that speak JSON get a push.
enum InJson {
    /// As all others.
    Same,
    Otherwise(Box<Reply>),
    /// They cannot.
    Never,
}

impl Publication {
    /// The frame for clients of a flavour; none if they cannot have it, or there is nothing to be said.
    pub(crate) fn frame(&self, flavour: Flavour) -> Option<&Bytes> {
        self.content.as_ref()?.frame(flavour)
    }

    /// The channel's name.
    pub(crate) fn name(&self) -> &str {
        str::from_utf8(&self.channel).expect("a channel's name is text")
    }

    /// Where it is in its channel, if that keeps it.
    pub(crate) fn position(&self) -> Option<&StreamPosition> {
        self.content.as_ref()?.position.as_ref()
    }

    fn new(channel: &str, content: Option<Content>, kind: Kind) -> Publication {
        let bytes = content.as_ref().map_or(0, Content::bytes) + channel.len();
        Publication {
            channel: Bytes::copy_from_slice(channel.as_bytes()),
            content: content.map(Arc::new),
            bytes,
            kind,
        }
    }
}

impl naru_fanout::Publication for Publication {
    fn channel(&self) -> &[u8] {
        &self.channel
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Content {
    fn new(push: Push, in_json: InJson) -> Content {
        Content {
            push: push.into(),
            position: None,
            in_json,
            frames: Default::default(),
            delta: false,
            chained: OnceLock::new(),
        }
    }

    fn frame(&self, flavour: Flavour) -> Option<&Bytes> {
        let push = self.push(flavour.encoding())?;
        Some(self.frames[flavour as usize].get_or_init(|| flavour.frame(push)))
    }

    fn push(&self, encoding: Encoding) -> Option<&Reply> {
        match (encoding, &self.in_json) {
            (Encoding::Protobuf, _) | (Encoding::Json, InJson::Same) => Some(&self.push),
            (Encoding::Json, InJson::Otherwise(push)) => Some(push),
            (Encoding::Json, InJson::Never) => None,
        }
    }

    /// What its frames have at least.
    fn bytes(&self) -> usize {
        let bytes = prost::Message::encoded_len(&self.push);
        match &self.in_json {
            InJson::Otherwise(push) => prost::Message::encoded_len(&**push).max(bytes),
            InJson::Same | InJson::Never => bytes,
        }
    }
}

/// Why a payload on a broker's channel reaches no client.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it has more than the {LIVE_BYTES_MAX} bytes that may wait for a client")]
pub(crate) struct TooLarge;

/// What came over a broker's channel, for its subscribers: from a gateway with who published it; anything else as it is. To
/// clients that speak JSON, text that is not, as `PUBLISH public:news hi` sends it, is a JSON string.
pub(crate) fn live(
    channel: &str,
    position: Option<StreamPosition>,
    payload: Bytes,
) -> Result<Publication, TooLarge> {
    if payload.len() > LIVE_BYTES_MAX {
        return Err(TooLarge);
    }
    let at = |data: message::Publication| positioned(data, position.as_ref());
    let (kind, content) = match Envelope::read(&payload) {
        Some(envelope) => enveloped(channel, envelope, at),
        None => (Kind::Live, foreign(channel, payload, at)),
    };
    let kind = if position.is_some() && matches!(kind, Kind::Live) { Kind::Kept } else { kind };
    let publication = Publication::new(channel, Some(Content { position, ..content }), kind);
    if publication.bytes + FRAME_ROOM > LIVE_BYTES_MAX { Err(TooLarge) } else { Ok(publication) }
}

/// What a frame may have beside the fields of its message: names, quotes, escapes.
const FRAME_ROOM: usize = 4 << 10;

/// Who follows the channel already learns its epoch with the first publication.
fn positioned(publication: message::Publication, position: Option<&StreamPosition>) -> message::Publication {
    let Some(StreamPosition { offset, epoch }) = position else { return publication };
    let epoch = if *offset == 1 { epoch.as_str().to_owned() } else { String::new() };
    message::Publication { offset: *offset, epoch, ..publication }
}

/// What a channel has kept, as it is in answers; none where it cannot be said.
pub(crate) fn kept(payload: &Bytes, offset: u64, encoding: Encoding) -> Option<message::Publication> {
    let Some(Envelope { sender, what: envelope::What::Published(published) }) = Envelope::read(payload)
    else {
        // Somebody else's, as it is live.
        let data = match encoding {
            Encoding::Json if !json::is_json(payload) => text_in_json(payload)?,
            Encoding::Json | Encoding::Protobuf => payload.clone(),
        };
        return Some(message::Publication { data, offset, ..Default::default() });
    };
    let Published { data, tags, time, delta: _ } = published;
    let (data, info) = match encoding {
        Encoding::Protobuf => (data.bytes().clone(), sender.as_ref().map(Sender::in_protobuf)),
        Encoding::Json => (data.json().cloned()?, sender.as_ref().map(Sender::in_json)),
    };
    Some(message::Publication { data, info, offset, tags, time, ..Default::default() })
}

fn enveloped(
    channel: &str,
    envelope: Envelope,
    at: impl Fn(message::Publication) -> message::Publication,
) -> (Kind, Content) {
    let Envelope { sender, what } = envelope;
    let push = |info, data: &Bytes, published: &Published| {
        let Published { tags, time, .. } = published;
        let (data, tags) = (data.clone(), tags.clone());
        let publication = message::Publication { data, info, tags, time: *time, ..Default::default() };
        Push::publication(channel, at(publication))
    };
    let pushed = |info: Option<message::ClientInfo>, data: fn(&Payload) -> Option<&Bytes>| match &what {
        envelope::What::Published(published) => data(&published.data).map(|data| push(info, data, published)),
        envelope::What::Join => Some(come_or_gone(channel, What::Join, info)),
        envelope::What::Leave => Some(come_or_gone(channel, What::Leave, info)),
    };
    let in_protobuf = pushed(sender.as_ref().map(Sender::in_protobuf), |data| Some(data.bytes()));
    let in_json = match &what {
        envelope::What::Published(published) if published.data.json().is_none() => InJson::Never,
        _ if sender.as_ref().is_none_or(Sender::is_json) => InJson::Same,
        _ => pushed(sender.as_ref().map(Sender::in_json), Payload::json)
            .map_or(InJson::Never, |push| InJson::Otherwise(Box::new(push.into()))),
    };
    let kind = match &what {
        envelope::What::Published(_) => Kind::Live,
        envelope::What::Join | envelope::What::Leave => Kind::Presence,
    };
    let delta = matches!(&what, envelope::What::Published(Published { delta: true, .. }));
    (kind, Content { delta, ..Content::new(in_protobuf.expect("every payload has bytes"), in_json) })
}

fn come_or_gone(channel: &str, what: fn(JoinLeave) -> What, info: Option<message::ClientInfo>) -> Push {
    Push { channel: channel.to_owned(), what: Some(what(JoinLeave { info })) }
}

fn foreign(
    channel: &str,
    payload: Bytes,
    at: impl Fn(message::Publication) -> message::Publication,
) -> Content {
    let push = |data| Push::publication(channel, at(message::Publication { data, ..Default::default() }));
    let in_json = if json::is_json(&payload) {
        InJson::Same
    } else {
        text_in_json(&payload).map_or(InJson::Never, |text| InJson::Otherwise(Box::new(push(text).into())))
    };
    Content::new(push(payload), in_json)
}

/// Text that is not JSON, as a JSON string.
fn text_in_json(payload: &Bytes) -> Option<Bytes> {
    str::from_utf8(payload).ok().map(|text| json::payload_of(&text))
}

/// What has come into a user's inbox, for their sessions. `data` is the entry as they see it.
/// `channel` is that user's.
pub(crate) fn inbox(
    channel: &str,
    delivery: &Delivery,
    told: &To,
    data: impl FnOnce() -> Option<Bytes>,
) -> Publication {
    let To { user, useq, after } = told;
    let entry = delivery.entry.as_ref();
    // One entry and no more: the one before it is not new.
    let is_whole = entry.is_some_and(|entry| *after < entry.seq && entry.prev <= *after);
    let data = if is_whole { data() } else { None };
    let turns = match (delivery.kind, entry) {
        (PointerKind::Entry(kind), Some(entry)) => data::turns(kind, &entry.sender, user),
        (PointerKind::Entry(_), None) | (PointerKind::Read | PointerKind::Mention, _) => false,
    };
    let change = Change {
        useq: *useq,
        conversation: (&delivery.conversation).into(),
        seq: delivery.seq,
        is_whole: data.is_some(),
        turns,
    };
    let content = data.map(|data| said(channel, data, useq.0));
    Publication::new(channel, content, Kind::Inbox(change))
}

/// What has come into a room, for those who follow it by its channel.
pub(crate) fn room(delivery: &Delivery, data: Option<Bytes>) -> Publication {
    let channel = delivery.conversation.as_str();
    let content = data.map(|data| said(channel, data, 0));
    let turn = delivery.entry.as_ref().and_then(Turn::of);
    Publication::new(channel, content, Kind::Room(delivery.seq, turn))
}

/// What Naru itself says, in JSON to all.
fn said(channel: &str, data: Bytes, offset: u64) -> Content {
    let publication = message::Publication { data, offset, ..Default::default() };
    Content::new(Push::publication(channel, publication), InJson::Same)
}

#[cfg(test)]
mod tests {
    use naru_ledger::{
        Conversation, Millis, Role, User,
        answer::{Content, Entry},
    };

    use super::*;
    use crate::protocol::reply::Outcome;

    fn signed(sender: Sender, data: Payload, delta: bool) -> Bytes {
        let published = Published { delta, ..Published::from(data) };
        Envelope { sender: Some(sender), what: envelope::What::Published(published) }.write()
    }

    fn pushed(payload: &[u8]) -> Option<String> {
        let publication = live("public:a", None, Bytes::copy_from_slice(payload)).unwrap();
        text(&publication, Flavour::WebSocketJson)
    }

    fn text(publication: &Publication, flavour: Flavour) -> Option<String> {
        let text = String::from_utf8_lossy(publication.frame(flavour)?).into_owned();
        Some(text[text.find('{').unwrap()..].to_owned())
    }

    /// What clients are pushed that speak Protobuf.
    fn decoded(payload: &[u8]) -> message::Publication {
        let publication = live("public:a", None, Bytes::copy_from_slice(payload)).unwrap();
        let chunk = publication.frame(Flavour::StreamProtobuf).unwrap();
        let start = chunk.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
        let reply: Reply = prost::Message::decode_length_delimited(&chunk[start..]).unwrap();
        match reply.outcome {
            Some(Outcome::Push(Push { channel, what: Some(What::Publication(publication)) })) => {
                assert_eq!(channel, "public:a");
                publication
            }
            other => panic!("{other:?}"),
        }
    }

    fn json(text: &str) -> Payload {
        Payload::of(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn sender(conn_info: Option<Payload>) -> Sender {
        Sender { user: "alice".into(), client: "1".into(), conn_info, chan_info: None }
    }

    #[test]
    fn what_a_gateway_publishes_says_who_published_it() {
        let payload = signed(sender(Some(json("[1]"))), json("{\"text\":\n\"hi\"}"), false);
        assert_eq!(
            pushed(&payload).unwrap(),
            r#"{"push":{"channel":"public:a","pub":{"data":{"text":"hi"},"info":{"user":"alice","client":"1","conn_info":[1]}}}}"#
        );
        let publication = decoded(&payload);
        assert_eq!(&publication.data[..], b"{\"text\":\n\"hi\"}");
        assert_eq!(publication.info, Some(sender(Some(json("[1]"))).in_protobuf()));
    }

    #[test]
    fn what_others_publish_arrives_as_json_or_as_text() {
        for (payload, data) in [
            ("hi", r#""hi""#),
            ("{\"a\": 1}", "{\"a\": 1}"),
            (" 7\n", " 7"),
            ("[1,\n2]", "[1,2]"),
            ("", r#""""#),
            ("line\nbreak \"quoted\"", r#""line\nbreak \"quoted\"""#),
            ("{\"naru\":{}", r#""{\"naru\":{}""#),
            ("{\"naru\":1,\"data\":2}", "{\"naru\":1,\"data\":2}"),
        ] {
            assert_eq!(
                pushed(payload.as_bytes()).unwrap(),
                format!(r#"{{"push":{{"channel":"public:a","pub":{{"data":{data}}}}}}}"#)
            );
            assert_eq!(decoded(payload.as_bytes()).data, payload);
        }
    }

    #[test]
    fn what_others_have_kept_is_told_as_it_was_live() {
        for (payload, data) in [
            (&b"hi"[..], Some(r#""hi""#)),
            (b"{\"a\": 1}", Some("{\"a\": 1}")),
            (b"", Some(r#""""#)),
            (b"\xff\xfe", None),
        ] {
            let payload = Bytes::copy_from_slice(payload);
            let told = |encoding| kept(&payload, 7, encoding);
            assert_eq!(told(Encoding::Json).map(|told| told.data), data.map(Bytes::from));
            assert_eq!(told(Encoding::Protobuf).unwrap().data, payload);
        }
        // What a gateway knows not to be JSON is none here as well.
        let payload = signed(sender(None), json("no json"), false);
        assert_eq!(kept(&payload, 7, Encoding::Json), None);
    }

    #[test]
    fn what_is_no_text_reaches_those_who_do_not_speak_json() {
        assert_eq!(pushed(b"\xff\xfe"), None);
        assert_eq!(&decoded(b"\xff\xfe").data[..], b"\xff\xfe");
        let payload = signed(sender(None), json("no json"), false);
        assert_eq!(pushed(&payload), None, "and a gateway knows what is none");
        assert_eq!(&decoded(&payload).data[..], b"no json");
    }

    #[test]
    fn an_info_that_is_no_json_is_left_out_of_json() {
        let payload = signed(sender(Some(json("\0"))), json("1"), false);
        assert_eq!(
            pushed(&payload).unwrap(),
            r#"{"push":{"channel":"public:a","pub":{"data":1,"info":{"user":"alice","client":"1"}}}}"#
        );
        assert_eq!(decoded(&payload).info.unwrap().conn_info, "\0");
    }

    #[test]
    fn who_comes_and_goes_is_no_publication() {
        let envelope = Envelope { sender: Some(sender(None)), what: envelope::What::Leave };
        assert_eq!(
            pushed(&envelope.write()).unwrap(),
            r#"{"push":{"channel":"public:a","leave":{"info":{"user":"alice","client":"1"}}}}"#
        );
    }

    #[test]
    fn what_is_too_large_for_any_client_is_none() {
        let large = "x".repeat(LIVE_BYTES_MAX);
        assert_eq!(live("public:a", None, large.into()).err(), Some(TooLarge));
        // As a JSON string it has six times as many bytes.
        let grows = "\x01".repeat(LIVE_BYTES_MAX / 4);
        assert_eq!(live("public:a", None, grows.into()).err(), Some(TooLarge));
    }

    #[test]
    fn a_client_cannot_speak_as_somebody_else() {
        let mallory = Sender { user: "mallory".into(), ..sender(None) };
        let forged = json(r#"{"naru":{"user":"alice","client":"2"},"data":1}"#);
        let seen = pushed(&signed(mallory, forged, false)).unwrap();
        assert!(seen.contains(r#""info":{"user":"mallory","client":"1"}"#), "{seen}");
    }

    #[test]
    fn a_frame_is_made_once_and_only_for_who_wants_it() {
        let publication = live("public:a", None, Bytes::from_static(b"1")).unwrap();
        let made = |publication: &Publication| {
            let content = publication.content.as_ref().unwrap();
            content.frames.iter().filter(|frame| frame.get().is_some()).count()
        };
        assert_eq!(made(&publication), 0);
        let frame = publication.frame(Flavour::WebSocketProtobuf).unwrap().clone();
        let other_core = publication.clone();
        assert_eq!(other_core.frame(Flavour::WebSocketProtobuf).unwrap().as_ptr(), frame.as_ptr());
        assert_eq!(made(&publication), 1);
    }

    fn delivery(prev: u64, after: u64) -> Publication {
        let bob = User::parse("bob").unwrap();
        let conversation = Conversation::parse("room:a").unwrap();
        let entry = Entry {
            conversation: conversation.clone(),
            seq: Seq(7),
            prev: Seq(prev),
            count: 5,
            at: Millis(9),
            sender: bob.clone(),
            client_id: None,
            content: Content::Join { role: Role::Member },
        };
        let told = To { user: bob, useq: Useq(41), after: Seq(after) };
        let kind = PointerKind::Entry(entry.kind());
        let delivery = Delivery { conversation, seq: Seq(7), kind, to: Vec::new(), entry: Some(entry) };
        inbox("inbox:bob", &delivery, &told, || Some("{}".into()))
    }

    #[test]
    fn an_inbox_gets_at_once_what_is_one_entry_and_no_more() {
        let is_whole =
            |prev, after| matches!(delivery(prev, after).kind, Kind::Inbox(change) if change.is_whole);
        assert!(is_whole(6, 6));
        assert!(is_whole(3, 6), "after a jump");
        assert!(!is_whole(6, 5), "one before it is new as well");
        assert!(!is_whole(6, 7), "only what is unread has changed");
        assert_eq!(delivery(6, 5).frame(Flavour::WebSocketJson), None);
        let publication = delivery(6, 6);
        assert_eq!(
            text(&publication, Flavour::WebSocketJson).unwrap(),
            r#"{"push":{"channel":"inbox:bob","pub":{"data":{},"offset":41}}}"#
        );
        assert!(matches!(publication.kind, Kind::Inbox(change) if change.turns), "bob himself has joined");
    }
}
