//! Where messages go: a channel, a person's inbox, a room.

use std::{borrow::Cow, io::Write as _};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{server::ENTRY_ID, tongue::Tongue};
use crate::bench::frame::shown;

/// What messages are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum To {
    /// Channels, that subscribers subscribe to.
    Channels,
    /// People, by Naru's `send`: each subscriber is one.
    People,
    /// Rooms, by Naru's `send`: subscribers and publishers are in them.
    Rooms,
}

impl To {
    /// As reports have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            To::Channels => "channels",
            To::People => "people",
            To::Rooms => "rooms",
        }
    }
}

/// One of the places of a run.
#[derive(Clone, Debug)]
pub(super) struct Place {
    to: To,
    /// The channel, the person, or the room.
    name: String,
    /// What subscribers hear in.
    pub(super) channel: Option<String>,
    /// For how long a message must be kept, in Naru's words; its own default if empty.
    level: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    kind: &'a str,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl Place {
    /// Names are this run's own: another run on the same server is not in the way.
    pub(super) fn new(to: To, namespace: &str, number: u32, level: &str) -> Self {
        let run = std::process::id();
        let name = match to {
            To::Channels if namespace.is_empty() => format!("bench-{run}-{number}"),
            To::Channels => format!("{namespace}:bench-{run}-{number}"),
            To::People => format!("bench-{run}-{number}"),
            To::Rooms => format!("room:bench-{run}-{number}"),
        };
        let channel = match to {
            To::Channels => Some(name.clone()),
            To::People => Some(format!("inbox:{name}")),
            // A room's messages come into the inbox of each who is in it.
            To::Rooms => None,
        };
        Place { to, name, channel, level: level.to_owned() }
    }

    /// Whom a subscriber here has to be, if it matters.
    pub(super) fn person(&self) -> Option<&str> {
        (self.to == To::People).then_some(&*self.name)
    }

    /// The commands by which a subscriber comes to hear what is sent here, the first with the id [`ENTRY_ID`].
    pub(super) fn entries(&self, tongue: Tongue) -> Vec<Vec<u8>> {
        let mut command = Vec::new();
        match self.to {
            To::Channels => tongue.subscribe(ENTRY_ID, &self.name, None, &mut command),
            To::People => return Vec::new(),
            To::Rooms => self.join(tongue, ENTRY_ID, &mut command),
        }
        vec![command]
    }

    /// The commands by which a publisher may send to all of `places`.
    pub(super) fn let_in(places: &[Place], tongue: Tongue) -> Vec<Vec<u8>> {
        let rooms = places.iter().filter(|place| place.to == To::Rooms);
        let join = |(id, room): (u32, &Place)| {
            let mut command = Vec::new();
            room.join(tongue, id, &mut command);
            command
        };
        (ENTRY_ID..).zip(rooms).map(join).collect()
    }

    fn join(&self, tongue: Tongue, id: u32, out: &mut Vec<u8>) {
        let data = format!(r#"{{"conversation":"{}"}}"#, self.name);
        tongue.rpc(id, "room.join", data.as_bytes(), out);
    }

    /// The command that sends `payload` here.
    pub(super) fn send(
        &self,
        tongue: Tongue,
        id: u32,
        payload: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        if self.to == To::Channels {
            return tongue.publish(id, &self.name, payload, out);
        }
        let at = if self.to == To::People { "@" } else { "" };
        scratch.clear();
        // What makes it this message and no other: whoever sends it has one of that id.
        let written = write!(scratch, r#"{{"to":"{at}{}","id":"{id}","#, self.name).and_then(|()| {
            if self.level.is_empty() { Ok(()) } else { write!(scratch, r#""level":"{}","#, self.level) }
        });
        written.expect("memory takes everything");
        scratch.extend_from_slice(b"\"body\":");
        scratch.extend_from_slice(payload);
        scratch.push(b'}');
        tongue.rpc(id, "send", scratch, out);
    }

    /// What was sent, out of what has come; `None` if it is something else that may come here.
    pub(super) fn payload<'a>(&self, channel: &str, data: &'a [u8]) -> anyhow::Result<Option<Cow<'a, [u8]>>> {
        let expected = self.channel.as_deref();
        ensure!(
            expected.is_none_or(|expected| expected == channel),
            "a stranger: a message in {channel:?}, which is another's"
        );
        if self.to == To::Channels {
            return Ok(Some(Cow::Borrowed(data)));
        }
        let says = || format!("an inbox got {}", shown(data));
        let Entry { kind, body } = serde_json::from_slice(data).with_context(says)?;
        if kind != "message" {
            return Ok(None);
        }
        let body = body.with_context(says)?;
        Ok(Some(Cow::Borrowed(body.get().as_bytes())))
    }

    /// Whether a publisher hears what it sends as well, as another device of it would.
    pub(super) fn echoes(&self) -> bool {
        self.to != To::Channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(to: To, channel: &str, data: &str) -> anyhow::Result<Option<String>> {
        let place = Place::new(to, "public", 7, "");
        let payload = place.payload(channel, data.as_bytes())?;
        Ok(payload.map(|payload| String::from_utf8_lossy(&payload).into_owned()))
    }

    #[test]
    fn a_message_is_the_data_of_a_channel_and_the_body_of_an_inbox() {
        let run = std::process::id();
        let channel = format!("public:bench-{run}-7");
        assert_eq!(payload(To::Channels, &channel, "[1]").unwrap().as_deref(), Some("[1]"));
        let inbox = format!("inbox:bench-{run}-7");
        let entry = r#"{"kind":"message","seq":3,"body":[1]}"#;
        assert_eq!(payload(To::People, &inbox, entry).unwrap().as_deref(), Some("[1]"));
        assert_eq!(payload(To::Rooms, "inbox:somebody", entry).unwrap().as_deref(), Some("[1]"));
        assert_eq!(payload(To::Rooms, "inbox:somebody", r#"{"kind":"join"}"#).unwrap(), None);
    }

    #[test]
    fn a_message_in_the_channel_of_another_is_a_stranger() {
        assert!(format!("{:#}", payload(To::Channels, "public:else", "1").unwrap_err()).contains("stranger"));
        assert!(payload(To::People, "inbox:else", "{}").is_err());
    }

    #[test]
    fn a_person_is_sent_to_by_name() {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        Place::new(To::People, "", 7, "fsync").send(Tongue::Json, 5, b"\"x\"", &mut scratch, &mut out);
        let run = std::process::id();
        let expected = format!(
            r#"{{"id":5,"rpc":{{"method":"send","data":{{"to":"@bench-{run}-7","id":"5","level":"fsync","body":"x"}}}}}}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
