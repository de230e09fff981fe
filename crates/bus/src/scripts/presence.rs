//! Who is connected, and where.

use std::collections::{BTreeMap, BTreeSet};

use naru_ledger::answer::Present;
use naru_ledger::{Answer, Op, Server, User};
use redis::aio::MultiplexedConnection;

use super::library::ALIVE;
use super::{Scripts, spread};
use crate::error::BusError;
use crate::partition::Partition;
use crate::reply;
use crate::wire::answer;
use crate::wire::{Request, request};

impl Scripts {
    /// Routes or unroutes users, by partition.
    pub(super) async fn route(
        &self,
        connection: &mut MultiplexedConnection,
        users: &[User],
        op: impl Fn(Vec<User>) -> Op,
    ) -> Result<Answer, BusError> {
        self.by_partition(connection, users, op).await?;
        Ok(Answer::Ok)
    }

    /// Which of these are connected. A server whose lease is over is not believed; one of another run still is.
    pub(super) async fn presence(
        &self,
        connection: &mut MultiplexedConnection,
        users: &[User],
    ) -> Result<Answer, BusError> {
        let answers = self.by_partition(connection, users, |users| Op::Presence { users }).await?;
        let mut routed: BTreeMap<User, Vec<Server>> = BTreeMap::new();
        for answer in answers {
            if let Answer::Present(present) = answer {
                routed.extend(present.into_iter().map(|Present { user, servers }| (user, servers)));
            }
        }
        let servers: BTreeSet<&Server> = routed.values().flatten().collect();
        let alive = self.alive(connection, &servers.into_iter().cloned().collect::<Vec<_>>()).await?;
        let present = users.iter().filter_map(|user| {
            let servers = routed.get(user)?.iter().filter(|server| alive.contains(server));
            let servers: Vec<Server> = servers.cloned().collect();
            (!servers.is_empty()).then(|| Present { user: user.clone(), servers })
        });
        Ok(Answer::Present(present.collect()))
    }

    async fn alive(
        &self,
        connection: &mut MultiplexedConnection,
        servers: &[Server],
    ) -> Result<BTreeSet<Server>, BusError> {
        let call = |server: &Server| {
            self.call(Partition::of(server.as_str()), Request::new(ALIVE).word(server.as_str()))
        };
        let calls: Vec<_> = servers.iter().map(call).collect();
        let mut alive = BTreeSet::new();
        for (server, value) in servers.iter().zip(self.run(connection, &calls).await?) {
            if reply::number(value)? == 1 {
                alive.insert(server.clone());
            }
        }
        Ok(alive)
    }

    async fn by_partition(
        &self,
        connection: &mut MultiplexedConnection,
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
