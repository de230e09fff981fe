//! Which channels a client may use.

use std::collections::BTreeSet;

use naru_ledger::Room;

use crate::{
    codes::{Code, Refused},
    limits::CHANNEL_BYTES_MAX,
};

/// A user's personal channel: the server alone subscribes to it and publishes in it.
pub(crate) fn inbox_of(user: &str) -> String {
    format!("inbox:{user}")
}

/// Namespaces that are no client's: inboxes, conversations, and what gateways and broker tell each other.
const RESERVED: [&str; 4] = ["inbox", "room", "dm", "naru"];

/// The namespaces whose channels any signed-in user may subscribe to and publish in, and the rooms they may join. A
/// channel's namespace is what stands before its first `:`.
#[derive(Clone, Debug)]
pub struct Rules {
    open: BTreeSet<String>,
    pub(crate) rooms: RoomRules,
}

/// Which rooms a signed-in user may make or join without being let in by somebody. Each is a list of glob-style
/// patterns of room names, as Redis has them: `team-*`. Both are empty unless they are set.
#[derive(Clone, Debug, Default)]
pub struct RoomRules {
    /// Rooms that a user may make: who joins first owns it, and lets others in.
    pub made: Vec<String>,
    /// Rooms that a user may join; who joins first owns them.
    pub open: Vec<String>,
}

impl RoomRules {
    /// Whether a user may make this room.
    pub(crate) fn may_make(&self, room: &Room) -> bool {
        fits(&self.made, room) || self.may_join(room)
    }

    /// Whether a user may join this room, whoever is in it.
    pub(crate) fn may_join(&self, room: &Room) -> bool {
        fits(&self.open, room)
    }
}

fn fits(patterns: &[String], room: &Room) -> bool {
    patterns.iter().any(|pattern| naru_fanout::matches(pattern.as_bytes(), room.name().as_bytes()))
}

/// A namespace that cannot be opened to clients.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a namespace is two or more of a-z A-Z 0-9 - _ . and not \"inbox\", \"room\", \"dm\" or \"naru\"; this one is {0:?}"
)]
pub struct BadNamespace(String);

impl Default for Rules {
    /// `public`, and nothing else.
    fn default() -> Rules {
        Rules { open: BTreeSet::from(["public".into()]), rooms: RoomRules::default() }
    }
}

impl Rules {
    /// Opens these namespaces, and no others.
    pub fn open(namespaces: impl IntoIterator<Item = String>) -> Result<Rules, BadNamespace> {
        let is_good = |name: &String| {
            name.len() >= 2
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                && !RESERVED.contains(&name.as_str())
        };
        let open = namespaces
            .into_iter()
            .map(|name| if is_good(&name) { Ok(name) } else { Err(BadNamespace(name)) })
            .collect::<Result<_, _>>()?;
        Ok(Rules { open, rooms: RoomRules::default() })
    }

    /// The same, with rooms that users may make or join by themselves.
    pub fn with_rooms(self, rooms: RoomRules) -> Rules {
        Rules { rooms, ..self }
    }

    /// Whether a signed-in user may use this channel, which is not empty. Channels beginning with `$` want a token
    /// and those with `#` a list of users; neither is granted yet.
    pub(crate) fn check(&self, channel: &str) -> Result<(), Refused> {
        if channel.len() > CHANNEL_BYTES_MAX {
            return Err(Refused::bad(format_args!("a channel name has at most {CHANNEL_BYTES_MAX} bytes")));
        }
        if channel.starts_with('$') || channel.contains('#') || is_reserved(channel) {
            return Err(Code::PermissionDenied.into());
        }
        match channel.split_once(':') {
            Some((namespace, _)) if self.open.contains(namespace) => Ok(()),
            Some(_) => Err(Code::UnknownChannel.into()),
            None => Err(Code::PermissionDenied.into()),
        }
    }
}

/// Whether a token may name this channel for a server-side subscription: who signs it may grant any but ours.
pub(crate) fn is_grantable(channel: &str) -> bool {
    !channel.is_empty() && channel.len() <= CHANNEL_BYTES_MAX && !is_reserved(channel)
}

/// Whether a channel is in a namespace of ours.
pub(crate) fn is_reserved(channel: &str) -> bool {
    channel.split_once(':').is_some_and(|(namespace, _)| RESERVED.contains(&namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_the_box_only_public_channels_are_open() {
        let rules = Rules::default();
        let code = |channel: &str| rules.check(channel).map_err(|refused| refused.code);
        assert_eq!(code("public:news"), Ok(()));
        assert_eq!(code("public:a:b"), Ok(()));
        assert_eq!(code("public:서울"), Ok(()));
        assert_eq!(code("news"), Err(Code::PermissionDenied));
        assert_eq!(code("private:news"), Err(Code::UnknownChannel));
        assert_eq!(code("Public:news"), Err(Code::UnknownChannel));
        assert_eq!(code("inbox:alice"), Err(Code::PermissionDenied));
        assert_eq!(code("naru:server:a"), Err(Code::PermissionDenied));
        assert_eq!(code("$public:news"), Err(Code::PermissionDenied));
        assert_eq!(code("#alice"), Err(Code::PermissionDenied));
        assert_eq!(code("public:room#alice,bob"), Err(Code::PermissionDenied));
        assert_eq!(code(&format!("public:{}", "x".repeat(248))), Ok(()));
        assert_eq!(code(&format!("public:{}", "x".repeat(249))), Err(Code::BadRequest));
    }

    #[test]
    fn inboxes_cannot_be_opened_to_clients() {
        for name in ["inbox", "room", "dm", "naru", "", "a", "a:b", "$a", "a b"] {
            Rules::open([name.to_owned()]).unwrap_err();
        }
        let rules = Rules::open(["chat".to_owned(), "news.kr".to_owned()]).unwrap();
        rules.check("chat:1").unwrap();
        rules.check("news.kr:1").unwrap();
        rules.check("public:1").unwrap_err();
    }

    #[test]
    fn rooms_are_closed_unless_a_pattern_opens_them() {
        let room = |name: &str| Room::named(name).unwrap();
        let none = RoomRules::default();
        assert!(!none.may_make(&room("general")) && !none.may_join(&room("general")));
        let some = RoomRules { made: vec!["team-*".into()], open: vec!["general".into(), "open-?".into()] };
        assert!(some.may_make(&room("team-1")) && !some.may_join(&room("team-1")));
        assert!(some.may_make(&room("general")) && some.may_join(&room("open-1")));
        assert!(!some.may_make(&room("open-12")));
    }
}
