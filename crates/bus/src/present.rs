//! Clients of this server that are to be present in channels.

use bytes::Bytes;
use naru_ledger::channel::{Channel, Enter, Leave, Op};
use naru_ledger::op::Run;
use naru_ledger::{ClientId, User};

use crate::bus::Bus;
use crate::desired::{Change, Step};
use crate::error::BusError;

/// A client that is to be present in a channel, and what is said of it.
#[derive(Debug)]
pub(crate) struct Here {
    channel: Channel,
    client: ClientId,
    user: Option<User>,
    info: Bytes,
}

impl Here {
    #[cfg(test)]
    pub(crate) fn of(channel: &str, client: &str) -> Here {
        let (channel, client) = (Channel::parse(channel).unwrap(), ClientId::parse(client).unwrap());
        Here { channel, client, user: None, info: Bytes::new() }
    }

    /// What tells it from all others.
    fn name(channel: &Channel, client: &ClientId) -> String {
        // Neither has control characters.
        format!("{channel}\0{client}")
    }

    /// What says so.
    pub(crate) fn enter(&self, run: &Run) -> Op {
        let Here { channel, client, user, info } = self;
        let (channel, client) = (channel.clone(), client.clone());
        Op::Enter(Enter { run: run.clone(), channel, client, user: user.clone(), info: info.clone() })
    }

    /// What says that the one of this name is not there.
    pub(crate) fn leave(name: &str, run: &Run) -> Option<Op> {
        let (channel, client) = name.split_once('\0')?;
        let (channel, client) = (Channel::parse(channel).ok()?, ClientId::parse(client).ok()?);
        Some(Op::Leave(Leave { run: run.clone(), channel, client }))
    }
}

impl Bus {
    pub(crate) async fn wants_present(
        &self,
        channel: Channel,
        client: ClientId,
        user: Option<User>,
        info: Bytes,
    ) -> Result<(), BusError> {
        let here = Here { channel, client, user, info };
        // It is said of whatever run this server is in by then; what is out of bounds would be refused in each.
        naru_ledger::channel::check_info(&here.info)?;
        self.add(Change::entering(&Here::name(&here.channel, &here.client), here)).await
    }

    pub(crate) async fn wants_absent(&self, channel: Channel, client: ClientId) -> Result<(), BusError> {
        self.remove(Change::new(Step::Leave, Here::name(&channel, &client))).await
    }
}
