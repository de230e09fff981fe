use std::collections::BTreeSet;

use naru_ledger::op::{Append, Change, Membership, Run, Said, ServerIs};
use naru_ledger::testing::epoch;
use naru_ledger::{
    Answer, Body, ClientId, Conversation as Name, Epoch, Level, Limits, Millis, Op, Role, Room, Seq, Server,
    User,
};

use super::super::{Decided, Head, IdKey, Ledger};
use super::bodies::Kept;

/// A native ledger with a clock, and short words for what is asked of it.
pub(super) struct World {
    pub(super) native: Ledger,
    pub(super) kept: Kept,
    pub(super) limits: Limits,
    pub(super) now: Millis,
}

pub(super) fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

pub(super) fn name(id: &str) -> Name {
    Name::parse(id).unwrap()
}

pub(super) fn run_of(server: &str) -> Run {
    Run { server: Server::parse(server).unwrap(), epoch: Epoch::parse("1").unwrap() }
}

/// A message of so many bytes.
pub(super) fn message(at: &str, sender: &str, id: &str, bytes: usize, mentions: &[&str]) -> Append {
    let mentions: BTreeSet<User> = mentions.iter().map(|name| user(name)).collect();
    Append {
        conversation: name(at),
        sender: user(sender),
        client_id: ClientId::parse(id).unwrap(),
        said: Said::Message { body: Body::from(&vec![b'1'; bytes][..]), mentions },
        level: Level::Fsync,
    }
}

impl World {
    pub(super) fn new(limits: Limits) -> World {
        let native = Ledger::new(Head::new(epoch(), IdKey::new([7; 16])));
        World { native, kept: Kept::default(), limits, now: Millis(1 << 40) }
    }

    /// Asks, and makes what that comes to.
    pub(super) fn run(&mut self, op: &Op) -> Decided {
        let World { native, kept, limits, now } = self;
        let mut decided = native.decide(op, *now, limits, kept).unwrap();
        let record = kept.record(&mut decided.changes);
        for change in decided.changes.clone() {
            native.apply(change, record, &mut |place| kept.free(place)).unwrap();
        }
        decided
    }

    pub(super) fn send(&mut self, at: &str, sender: &str, id: &str, bytes: usize) -> Seq {
        let Answer::Appended(sent) = self.run(&Op::Send(message(at, sender, id, bytes, &[]))).answer else {
            panic!()
        };
        sent.seq
    }

    pub(super) fn append(&mut self, at: &str, sender: &str, id: &str) {
        self.run(&Op::Append(message(at, sender, id, 1, &[])));
    }

    pub(super) fn join(&mut self, room: &str, member: &str) {
        let (room, change) = (Room::parse(room).unwrap(), Change::Join(Role::Member));
        self.run(&Op::Membership(Membership { room, user: user(member), change }));
    }

    /// A server runs and holds these.
    pub(super) fn hold(&mut self, server: &str, users: &[&str]) {
        let run = run_of(server);
        self.run(&Op::Server(ServerIs { run: run.clone(), lease: None }));
        self.run(&Op::Route { run, users: users.iter().map(|name| user(name)).collect() });
    }

    /// The numbers of a conversation's entries.
    pub(super) fn log(&self, id: &str) -> Vec<u64> {
        let number = self.native.conversations().find(id.as_bytes()).unwrap();
        let conversation = self.native.conversations().get(number).unwrap();
        conversation.references(Seq::ZERO).map(|(seq, _)| seq.0).collect()
    }
}
