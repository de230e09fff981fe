//! What chat servers are told of what has come into inboxes: each once, whomever it holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use naru_ledger::answer::{Delivered, Entry, PointerKind};
use naru_ledger::json::{ENTRY_BYTES_MAX, To, Told, room_channel, server_channel};
use naru_ledger::{Body, Conversation, Mode, Seq, Server};

use crate::crossing;

/// Something to be published, once what it tells of is durable.
pub(super) struct Notice {
    pub(super) channel: Bytes,
    pub(super) payload: Vec<u8>,
}

/// What has happened in a conversation.
pub(super) struct News<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) seq: Seq,
    pub(super) kind: PointerKind,
    /// In broadcast mode those who follow the room's channel hear of it, too.
    pub(super) mode: Mode,
    /// Into whose inboxes it has come.
    pub(super) delivered: &'a [Delivered],
}

impl News<'_> {
    /// What is to be published. The entry is read only if it is told to somebody.
    pub(super) fn notices(&self, entry: impl FnOnce() -> Option<Entry>) -> Vec<Notice> {
        crossing::queued(self.conversation, self.seq, self.delivered);
        let mut servers: BTreeMap<&Server, Vec<To>> = BTreeMap::new();
        for Delivered { user, useq, after, servers: holding } in self.delivered {
            for server in holding {
                servers.entry(server).or_default().push(To {
                    user: user.clone(),
                    useq: *useq,
                    after: *after,
                });
            }
        }
        let is_read = self.kind == PointerKind::Read;
        let for_room =
            (self.mode == Mode::Broadcast && !is_read).then(|| (room_channel(self.conversation), Vec::new()));
        if servers.is_empty() && for_room.is_none() {
            return Vec::new();
        }
        let entry = if is_read { None } else { entry().and_then(|entry| json(&entry)) };
        let for_servers = servers.into_iter().map(|(server, to)| (server_channel(server), to));
        let notice = |(channel, to): (String, Vec<To>)| {
            let conversation = self.conversation.clone();
            let told = Told { conversation, seq: self.seq, kind: self.kind, to, entry: entry.clone() };
            let mut payload = Vec::new();
            told.write_json(&mut payload);
            Notice { channel: channel.into(), payload }
        };
        for_servers.chain(for_room).map(notice).collect()
    }
}

/// The entry's JSON, made once for all; none if it is read from the log instead.
fn json(entry: &Entry) -> Option<Body> {
    if entry.bytes() > ENTRY_BYTES_MAX {
        return None;
    }
    let mut json = Vec::new();
    entry.write_json(&mut json);
    (json.len() <= ENTRY_BYTES_MAX).then(|| Body::from(json.as_slice()))
}

#[cfg(test)]
mod tests {
    use naru_ledger::answer::{Content, Text};
    use naru_ledger::{ClientId, Kind, Millis, Useq, User};

    use super::*;

    fn entry(body: &str) -> Entry {
        Entry {
            conversation: Conversation::parse("room:a").unwrap(),
            seq: Seq(7),
            prev: Seq(6),
            count: 5,
            at: Millis(9),
            sender: User::parse("alice").unwrap(),
            client_id: Some(ClientId::parse("c1").unwrap()),
            content: Content::System { text: Text::AsSaid(Body::from(body.as_bytes())) },
        }
    }

    fn to(user: &str, useq: u64, servers: &[&str]) -> Delivered {
        let servers = servers.iter().map(|name| Server::parse(name).unwrap()).collect();
        Delivered { user: User::parse(user).unwrap(), useq: Useq(useq), after: Seq(6), servers }
    }

    fn told(kind: PointerKind, mode: Mode, delivered: &[Delivered], entry: &Entry) -> Vec<(String, String)> {
        let news = News { conversation: &entry.conversation, seq: entry.seq, kind, mode, delivered };
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
        let notices = news.notices(|| Some(entry.clone()));
        notices.iter().map(|told| (text(&told.channel), text(&told.payload))).collect()
    }

    const SYSTEM: PointerKind = PointerKind::Entry(Kind::System);

    #[test]
    fn each_server_is_told_once_of_all_whom_it_holds() {
        let delivered = [to("alice", 3, &["s2"]), to("bob", 4, &["s1", "s2"]), to("carol", 5, &[])];
        let entry = entry(r#"{"a": 1}"#);
        let json = r#""entry":{"conversation":"room:a","seq":7,"prev":6,"count":5,"kind":"system","from":"alice","id":"c1","at":9,"body":{"a": 1}}}"#;
        let start = r#"{"conversation":"room:a","seq":7,"kind":"system","to":"#;
        assert_eq!(
            told(SYSTEM, Mode::FanOut, &delivered, &entry),
            [
                ("naru:server:s1".into(), format!(r#"{start}[["bob",4,6]],{json}"#)),
                ("naru:server:s2".into(), format!(r#"{start}[["alice",3,6],["bob",4,6]],{json}"#)),
            ]
        );
        assert_eq!(
            told(SYSTEM, Mode::Broadcast, &[], &entry),
            [("naru:room:room:a".into(), format!("{start}[],{json}"))]
        );
    }

    #[test]
    fn a_large_entry_and_what_was_read_come_without_the_entry() {
        let delivered = [to("bob", 4, &["s1"])];
        let large = entry(&format!("{:?}", "x".repeat(ENTRY_BYTES_MAX - 100)));
        for (kind, entry) in [(SYSTEM, large), (PointerKind::Read, entry("1"))] {
            let told = told(kind, Mode::Broadcast, &delivered, &entry);
            assert_eq!(told.len(), if kind == SYSTEM { 2 } else { 1 });
            assert!(told[0].1.ends_with(r#""to":[["bob",4,6]]}"#), "{}", told[0].1);
        }
    }
}
