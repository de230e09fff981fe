//! Telling the servers on Redis and Valkey what has come for the users they hold, where the scripts have not. Naru's broker does so
//! itself.

use std::collections::{BTreeMap, BTreeSet};

use naru_ledger::answer::{Delivered, Entry, PointerKind, Present};
use naru_ledger::json::{ENTRY_BYTES_MAX, To, server_channel};
use naru_ledger::op::Deliver;
use naru_ledger::{Answer, Body, Op, Server, Told, Useq, User};

use crate::ask::in_time;
use crate::error::BusError;
use crate::line::Line;
use crate::reply::other_answer;

impl Line {
    /// Tells every server that holds one of these, once. Those that follow a room by its channel have been told by the script that
    /// wrote the entry.
    pub(crate) async fn tell(
        &self,
        deliver: &Deliver,
        entry: Option<&Body>,
        delivered: &[Delivered],
    ) -> Result<(), BusError> {
        let Deliver { conversation, seq, kind, .. } = deliver;
        let mut by_server: BTreeMap<&Server, Vec<To>> = BTreeMap::new();
        for Delivered { user, useq, after, servers } in delivered {
            for server in servers {
                let to = To { user: user.clone(), useq: *useq, after: *after };
                by_server.entry(server).or_default().push(to);
            }
        }
        let mut told = Told {
            conversation: conversation.clone(),
            seq: *seq,
            kind: PointerKind::Entry(*kind),
            to: Vec::new(),
            entry: entry.cloned(),
        };
        let mut publications = Vec::new();
        for (server, to) in by_server {
            told.to = to;
            publications.push((server_channel(server), written(&told)));
        }
        self.publish(&publications).await
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

    async fn publish(&self, publications: &[(String, Vec<u8>)]) -> Result<(), BusError> {
        if publications.is_empty() {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for (channel, payload) in publications {
            pipeline.cmd("PUBLISH").arg(channel).arg(payload);
        }
        let connection = self.connection();
        for value in in_time(connection.pipeline(&pipeline)).await? {
            value.extract_error()?;
        }
        Ok(())
    }
}

/// An entry as servers are told it, unless it is too large for that.
pub(crate) fn json_of(entry: &Entry) -> Option<Body> {
    let mut json = Vec::new();
    entry.write_json(&mut json);
    (json.len() <= ENTRY_BYTES_MAX).then(|| Body::from(json.as_slice()))
}

fn written(told: &Told) -> Vec<u8> {
    let mut json = Vec::new();
    told.write_json(&mut json);
    json
}
