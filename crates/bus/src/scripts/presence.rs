//! Who is connected, and where.

use std::collections::{BTreeMap, BTreeSet};

use naru_ledger::answer::Present;
use naru_ledger::op::Run;
use naru_ledger::{Answer, Epoch, Op, Server, User};

use super::library::ALIVE;
use super::{Scripts, spread};
use crate::connection::Connection;
use crate::error::BusError;
use crate::partition::Partition;
use crate::reply::{self, Fields};
use crate::wire::answer;
use crate::wire::{Request, request};

impl Scripts {
    /// Routes or unroutes users, by partition.
    pub(super) async fn route(
        &self,
        connection: &Connection,
        users: &[User],
        op: impl Fn(Vec<User>) -> Op,
    ) -> Result<Answer, BusError> {
        self.by_partition(connection, users, op).await?;
        Ok(Answer::Ok)
    }

    /// Which of these are connected: by the last run of a server, while its lease is not over.
    pub(super) async fn presence(&self, connection: &Connection, users: &[User]) -> Result<Answer, BusError> {
        let parts = spread::users(users);
        let call = |(partition, users): &(Partition, Vec<User>)| {
            self.call(*partition, request(&Op::Presence { users: users.clone() }))
        };
        let calls: Vec<_> = parts.iter().map(call).collect();
        let mut routed: BTreeMap<User, Vec<Run>> = BTreeMap::new();
        for value in self.run(connection, &calls).await? {
            routed.extend(reply::each(value, runs)?);
        }
        let servers: BTreeSet<&Server> = routed.values().flatten().map(|run| &run.server).collect();
        let believed = self.believed(connection, &servers.into_iter().cloned().collect::<Vec<_>>()).await?;
        let present = users.iter().filter_map(|user| {
            let held = routed.get(user)?.iter().filter(|run| believed.contains(run));
            let servers: BTreeSet<&Server> = held.map(|run| &run.server).collect();
            let servers: Vec<Server> = servers.into_iter().cloned().collect();
            (!servers.is_empty()).then(|| Present { user: user.clone(), servers })
        });
        Ok(Answer::Present(present.collect()))
    }

    /// The runs of these servers that may be believed.
    pub(super) async fn believed(
        &self,
        connection: &Connection,
        servers: &[Server],
    ) -> Result<BTreeSet<Run>, BusError> {
        let call = |server: &Server| {
            self.call(Partition::of(server.as_str()), Request::new(ALIVE).word(server.as_str()))
        };
        let calls: Vec<_> = servers.iter().map(call).collect();
        let mut believed = BTreeSet::new();
        for (server, value) in servers.iter().zip(self.run(connection, &calls).await?) {
            if let Ok(epoch) = Epoch::parse(&reply::text(value)?) {
                believed.insert(Run { server: server.clone(), epoch });
            }
        }
        Ok(believed)
    }

    async fn by_partition(
        &self,
        connection: &Connection,
        users: &[User],
        op: impl Fn(Vec<User>) -> Op,
    ) -> Result<Vec<Answer>, BusError> {
        let parts: Vec<(Partition, Op)> =
            spread::users(users).into_iter().map(|(partition, users)| (partition, op(users))).collect();
        let calls: Vec<_> = parts.iter().map(|(partition, op)| self.call(*partition, request(op))).collect();
        let values = self.run(connection, &calls).await?;
        parts.iter().zip(values).map(|((_, op), value)| answer(op, value)).collect()
    }
}

/// A user, and the runs of servers that said that they hold a connection of them.
fn runs(mut fields: Fields) -> Result<(User, Vec<Run>), BusError> {
    let user = fields.name()?;
    let run = |value| {
        let run = reply::text(value)?;
        let parsed = run.split_once('\0').and_then(|(server, epoch)| {
            Some(Run { server: Server::parse(server).ok()?, epoch: Epoch::parse(epoch).ok()? })
        });
        parsed.ok_or_else(|| reply::wrong("a route that is none"))
    };
    Ok((user, fields.list()?.into_iter().map(run).collect::<Result<_, _>>()?))
}
