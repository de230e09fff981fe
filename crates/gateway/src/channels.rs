//! Channels that are ours, and which rooms a user may make or join.

use naru_ledger::Room;

/// A user's personal channel: the server alone subscribes to it and publishes in it.
pub(crate) fn inbox_of(user: &str) -> String {
    format!("inbox:{user}")
}

/// Namespaces that are no client's: inboxes, conversations, and what gateways and broker tell each other.
const RESERVED: [&str; 4] = ["inbox", "room", "dm", "naru"];

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

/// Whether a channel's name is one of ours.
pub(crate) fn is_reserved(channel: &str) -> bool {
    channel.split_once(':').is_some_and(|(namespace, _)| is_reserved_namespace(namespace))
}

/// Whether a namespace is ours.
pub(crate) fn is_reserved_namespace(name: &str) -> bool {
    RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
