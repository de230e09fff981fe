//! What the link tells the gateway, and how the broker's pushes become that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use naru_ledger::answer::{Entry, PointerKind};
use naru_ledger::channel::{StreamPosition, split_position};
use naru_ledger::json::{Heard, JsonError, To, server_channel};
use naru_ledger::{Conversation, Seq, Server};
use naru_resp::Value;

/// What happened on a link, in order.
#[derive(Debug, Clone)]
pub enum Event {
    /// Something was published on a live channel this bus has subscribed to.
    Published {
        /// The channel.
        channel: String,
        /// Where it stands in what the channel keeps, if it is kept there.
        position: Option<StreamPosition>,
        /// What was published, as it was.
        payload: Bytes,
    },
    /// Something came into the inboxes of users this server holds connections of, or into a room that it follows, and then
    /// it is to nobody. Not to be relied on: a number that is not the one after the last shows that something was missed.
    Delivered(Delivery),
    /// The link is ready: this server is registered, its routes and subscriptions are in force.
    Up {
        /// Whether the link was down before, or not there yet when it was wanted: what was published meanwhile was
        /// not heard, so heads have to be compared.
        again: bool,
    },
    /// The link is down, and being made again. Said once, and again when the reason changes.
    Down {
        /// Why, and what to do about it.
        reason: String,
    },
}

/// What has come into inboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it happened.
    pub conversation: Conversation,
    /// Up to which entry, or up to where was read.
    pub seq: Seq,
    /// What it is about: an entry's kind, or `read`.
    pub kind: PointerKind,
    /// Into whose inboxes. With useq 0 where the number is not known any more: then it is to be looked for.
    pub to: Vec<To>,
    /// The entry, unless it is large, or not at hand, or there is none: then it is read.
    pub entry: Option<Entry>,
}

impl Delivery {
    fn read(json: &[u8]) -> Result<Delivery, JsonError> {
        let Heard { conversation, seq, kind, to, entry } = Heard::from_json(json)?;
        Ok(Delivery { conversation, seq, kind, to, entry })
    }
}

/// Who is told what happens on a link, where that lives.
pub trait Hears: Send + 'static {
    /// Is told, and must not wait.
    fn hear(&self, event: Event);

    /// Whether to let it catch up first. Meanwhile the broker waits.
    fn is_behind(&self) -> bool {
        false
    }
}

impl<F: Fn(Event) + Send + 'static> Hears for F {
    fn hear(&self, event: Event) {
        self(event);
    }
}

/// Where events go.
pub(crate) struct Events {
    /// Never contended: the lock is what makes ears that are `Send` shareable with the driver.
    ears: Mutex<Box<dyn Hears>>,
    /// This server's own channel, on which the broker names users and their new entries.
    inbox_channel: String,
    /// Whether anything was pushed since [`Events::forget`].
    heard: AtomicBool,
}

/// What the [channels of rooms](naru_ledger::json::room_channel) begin with.
const ROOM_CHANNELS: &str = "naru:room:";

impl Events {
    pub(crate) fn new(server: &Server, ears: Box<dyn Hears>) -> Events {
        Events {
            ears: Mutex::new(ears),
            inbox_channel: server_channel(server),
            heard: AtomicBool::new(false),
        }
    }

    pub(crate) fn inbox_channel(&self) -> &str {
        &self.inbox_channel
    }

    pub(crate) fn tell(&self, event: Event) {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner).hear(event);
    }

    /// Whether whoever is told is behind; then there is more to be heard, which is a sign of life.
    pub(crate) fn are_behind(&self) -> bool {
        let behind = self.ears.lock().unwrap_or_else(PoisonError::into_inner).is_behind();
        if behind {
            self.heard.store(true, Ordering::Relaxed);
        }
        behind
    }

    /// Starts listening for a sign of life.
    pub(crate) fn forget(&self) {
        self.heard.store(false, Ordering::Relaxed);
    }

    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Takes what the broker pushed. Confirmations of subscriptions answer calls and are no events; the end of
    /// the connection is noticed by the driver's end.
    pub(crate) fn pushed(&self, push: Vec<Value>) {
        self.heard.store(true, Ordering::Relaxed);
        let mut push = push.into_iter();
        if push.next().as_ref().and_then(Value::as_bytes) != Some(b"message") {
            return;
        }
        match self.read(push) {
            Ok(event) => self.tell(event),
            // Positions repair it: the next entry of that user shows the gap.
            Err(fault) => tracing::error!(fault, "the broker pushed what is not understood"),
        }
    }

    fn read(&self, mut message: impl Iterator<Item = Value>) -> Result<Event, String> {
        let (Some(Value::Bulk(channel)), Some(Value::Bulk(payload)), None) =
            (message.next(), message.next(), message.next())
        else {
            return Err("a message is a channel and a payload".to_owned());
        };
        let channel = String::from_utf8(channel).map_err(|error| error.to_string())?;
        if channel != self.inbox_channel && !channel.starts_with(ROOM_CHANNELS) {
            let payload = Bytes::from(payload);
            return Ok(match split_position(&payload) {
                Some((position, begin)) => {
                    Event::Published { channel, position: Some(position), payload: payload.slice(begin..) }
                }
                None => Event::Published { channel, position: None, payload },
            });
        }
        Delivery::read(&payload).map(Event::Delivered).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    fn events() -> (Events, Receiver<Event>) {
        let (sender, receiver) = sync_channel(8);
        let server = Server::parse("s1").unwrap();
        (Events::new(&server, Box::new(move |event| sender.send(event).unwrap())), receiver)
    }

    fn push(kind: &str, channel: &str, payload: &str) -> Vec<Value> {
        [kind, channel, payload].map(|text| Value::Bulk(text.into())).into()
    }

    #[test]
    fn a_message_on_a_live_channel_is_passed_on_as_it_is() {
        let (events, heard) = events();
        events.pushed(push("message", "public:room", "{any"));
        let Event::Published { channel, position, payload } = heard.try_recv().unwrap() else { panic!() };
        assert_eq!((channel.as_str(), position, &payload[..]), ("public:room", None, &b"{any"[..]));
    }

    #[test]
    fn what_is_kept_comes_with_its_position_and_without_what_says_it() {
        let (events, heard) = events();
        events.pushed(push("message", "public:room", "naru:12:e1\n{any"));
        let Event::Published { position, payload, .. } = heard.try_recv().unwrap() else { panic!() };
        let epoch = naru_ledger::Epoch::parse("e1").unwrap();
        assert_eq!(position, Some(StreamPosition { offset: 12, epoch }));
        assert_eq!(&payload[..], b"{any");
    }

    #[test]
    fn a_message_on_the_servers_own_channel_or_a_rooms_is_a_delivery() {
        let (events, heard) = events();
        let json = r#"{"conversation":"room:a","seq":3,"kind":"leave","to":[["bob",3,2]]}"#;
        events.pushed(push("message", "naru:server:s1", json));
        let Event::Delivered(delivery) = heard.try_recv().unwrap() else { panic!() };
        assert_eq!((delivery.conversation.as_str(), delivery.seq.0), ("room:a", 3));
        assert_eq!((delivery.to[0].user.as_str(), delivery.to[0].useq.0), ("bob", 3));
        let json = r#"{"conversation":"room:a","seq":3,"kind":"message","to":[]}"#;
        events.pushed(push("message", "naru:room:room:a", json));
        let Event::Delivered(delivery) = heard.try_recv().unwrap() else { panic!() };
        assert!(delivery.to.is_empty());
    }

    #[test]
    fn what_is_no_delivery_and_what_answers_a_call_is_no_event_but_a_sign_of_life() {
        let (events, heard) = events();
        assert!(!events.heard());
        events.pushed(push("message", "naru:server:s1", "{}"));
        events.pushed(vec![Value::Simple("message".into()), Value::Integer(1)]);
        events.pushed(push("subscribe", "public:room", "1"));
        assert!(events.heard());
        assert!(heard.try_recv().is_err());
    }
}
