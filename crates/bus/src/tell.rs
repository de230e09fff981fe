//! Telling the servers on Redis and Valkey what has come for the users they hold. Naru's broker does so itself.

use std::collections::{BTreeMap, BTreeSet};

use naru_ledger::answer::{Delivered, Entry, PointerKind, Present};
use naru_ledger::op::{Deliver, Read};
use naru_ledger::{Answer, Mode, Op, Seq, Server, Useq, User};

use crate::ask::in_time;
use crate::error::BusError;
use crate::event::{ROOM_CHANNELS, channel_of};
use crate::line::Line;
use crate::reply::other_answer;
use crate::wire::delivery;

impl Line {
    /// Tells every server that holds one of these, once; and those that follow the room, if it is followed by its channel.
    pub(crate) async fn tell(
        &self,
        deliver: &Deliver,
        entry: Option<&Entry>,
        delivered: &[Delivered],
    ) -> Result<(), BusError> {
        let Deliver { conversation, seq, kind, mode, .. } = deliver;
        let mut by_server: BTreeMap<&Server, Vec<(&User, Useq, Seq)>> = BTreeMap::new();
        for Delivered { user, useq, after, servers } in delivered {
            for server in servers {
                by_server.entry(server).or_default().push((user, *useq, *after));
            }
        }
        if by_server.is_empty() && *mode != Mode::Broadcast {
            return Ok(());
        }
        let entry = entry.and_then(delivery::told_entry);
        let json = |to: Vec<(&User, Useq, Seq)>| {
            delivery::json(conversation, *seq, PointerKind::Entry(*kind), to.into_iter(), entry.as_deref())
        };
        let mut told: Vec<(String, Vec<u8>)> =
            by_server.into_iter().map(|(server, to)| (channel_of(server), json(to))).collect();
        if *mode == Mode::Broadcast {
            told.push((format!("{ROOM_CHANNELS}{conversation}"), json(Vec::new())));
        }
        self.publish(&told).await
    }

    /// Whoever has an entry already, and may not have been told: told without a number, their sessions look for themselves.
    pub(crate) async fn told_again(
        &self,
        deliver: &Deliver,
        delivered: &[Delivered],
    ) -> Result<Vec<Delivered>, BusError> {
        let moved: BTreeSet<&User> = delivered.iter().map(|one| &one.user).collect();
        let others = deliver.to.iter().map(|recipient| &recipient.user).filter(|user| !moved.contains(user));
        let users: Vec<User> = others.cloned().collect();
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let Answer::Present(present) = self.step(&Op::Presence { users }).await? else {
            return Err(other_answer());
        };
        let again = present.into_iter();
        let again = again.map(|Present { user, servers }| Delivered {
            user,
            useq: Useq::ZERO,
            after: deliver.seq,
            servers,
        });
        Ok(again.collect())
    }

    /// Tells the servers of a user that they have read.
    pub(crate) async fn tell_read(
        &self,
        read: &Read,
        useq: Useq,
        servers: &[Server],
    ) -> Result<(), BusError> {
        let Read { user, conversation, seq, .. } = read;
        let json =
            || delivery::json(conversation, *seq, PointerKind::Read, [(user, useq, *seq)].into_iter(), None);
        let told: Vec<(String, Vec<u8>)> =
            servers.iter().map(|server| (channel_of(server), json())).collect();
        self.publish(&told).await
    }

    async fn publish(&self, told: &[(String, Vec<u8>)]) -> Result<(), BusError> {
        if told.is_empty() {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for (channel, payload) in told {
            pipeline.cmd("PUBLISH").arg(channel).arg(payload);
        }
        let mut connection = self.connection();
        for value in in_time(connection.send_packed_commands(&pipeline, 0, told.len())).await? {
            value.extract_error()?;
        }
        Ok(())
    }
}
