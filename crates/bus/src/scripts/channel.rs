//! Channels that keep their last publications, and who is present in them.

use std::collections::BTreeSet;

use naru_ledger::channel::{Answer, Channel, Op};
use naru_ledger::op::Run;
use naru_ledger::{Epoch, Server};
use redis::Value;

use super::Scripts;
use super::call::Call;
use super::library::CHANNEL_RUNS;
use crate::connection::Connection;
use crate::error::BusError;
use crate::line::new_epoch;
use crate::partition::Partition;
use crate::reply::{self, Fields};
use crate::wire::channel_answer as answer;
use crate::wire::{Request, channel_request};

impl Scripts {
    /// Takes an operation on a channel. Who is present is put together of two steps: which runs may be believed is in their
    /// servers' partitions.
    pub(crate) async fn ask_channel(&self, connection: &Connection, op: &Op) -> Result<Answer, BusError> {
        op.check()?;
        match op {
            Op::Publish(_) | Op::History(_) | Op::Remove { .. } | Op::Enter(_) | Op::Leave(_) => {
                answer(op, self.run_in(connection, op.channel(), channel_request(op)).await?)
            }
            Op::Presence { channel, .. } | Op::Stats { channel } => {
                let runs = self.run_in(connection, channel, runs_of(channel)).await?;
                let runs = reply::each(runs, |mut fields| run(&mut fields))?.into_iter().collect();
                let believed = self.believed_of(connection, channel, &runs).await?;
                let request = with_runs(channel_request(op).word("OF"), believed.iter());
                let mut answer = answer(op, self.run_in(connection, channel, request).await?)?;
                if let Answer::Present(present) = &mut answer {
                    present.sort_unstable_by(|one, other| one.client.cmp(&other.client));
                }
                Ok(answer)
            }
        }
    }

    /// Which of these runs may be believed. What was said by those that are over for good is forgotten.
    async fn believed_of(
        &self,
        connection: &Connection,
        channel: &Channel,
        runs: &BTreeSet<Run>,
    ) -> Result<BTreeSet<Run>, BusError> {
        let servers: BTreeSet<Server> = runs.iter().map(|run| run.server.clone()).collect();
        let servers: Vec<Server> = servers.into_iter().collect();
        let believed = self.believed(connection, &servers).await?;
        // A server has one run, which tells of itself before it says who is present. One whose lease is over may have been held
        // up, and does not say it again.
        let over = runs.difference(&believed);
        let over: Vec<&Run> =
            over.filter(|run| believed.iter().any(|other| other.server == run.server)).collect();
        if !over.is_empty() {
            let request = with_runs(runs_of(channel), over.into_iter());
            self.run_in(connection, channel, request).await?;
        }
        Ok(believed)
    }

    async fn run_in(
        &self,
        connection: &Connection,
        channel: &Channel,
        request: Request,
    ) -> Result<Value, BusError> {
        let mut call = self.call(Partition::of(channel.as_str()), request);
        self.give_new_epoch(&mut call);
        Ok(self.run(connection, &[call]).await?.into_iter().next().unwrap_or(Value::Nil))
    }

    /// Each channel's epochs are its own, also those that follow each other.
    fn give_new_epoch(&self, call: &mut Call) {
        if self.now.is_none() {
            call.given[1] = new_epoch().as_str().to_owned();
        }
    }
}

fn runs_of(channel: &Channel) -> Request {
    Request::new(CHANNEL_RUNS).word(channel.as_str())
}

fn with_runs<'a>(request: Request, runs: impl Iterator<Item = &'a Run>) -> Request {
    runs.fold(request, Request::run)
}

fn run(fields: &mut Fields) -> Result<Run, BusError> {
    let (server, epoch) = (fields.text()?, fields.text()?);
    let parsed = Server::parse(&server).and_then(|server| Ok(Run { server, epoch: Epoch::parse(&epoch)? }));
    parsed.map_err(|error| reply::wrong(&error.to_string()))
}
