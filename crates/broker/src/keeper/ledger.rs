//! The ledger's operations: who says them for which chat server, and what other servers are told.
//!
//! They are run by the model so far, in memory alone.

use std::collections::HashMap;
use std::time::Duration;

use naru_fanout::PeerId;
use naru_ledger::answer::{Delivered, Entry, PointerKind, Refused};
use naru_ledger::op::{Append, Deliver, Run, ServerIs, What};
use naru_ledger::{Answer, Conversation, Generation, Op, Seq, Server};
use naru_resp::ReplyWriter;

use super::{
    LedgerOp, clock,
    store::{Store, StoreError},
    tell::{News, Notice},
};
use crate::command::{write_answer, write_refused};

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// Which connection speaks for which run of a chat server. A server that comes back is its newest connection's.
#[derive(Default)]
pub(super) struct Servers {
    by_client: HashMap<PeerId, Run>,
    newest: HashMap<Server, PeerId>,
}

impl Servers {
    fn register(&mut self, client: PeerId, run: Run) {
        if let Some(before) = self.newest.insert(run.server.clone(), client)
            && before != client
        {
            tracing::warn!(
                server = %run.server,
                "another connection speaks for this chat server already; fine if it has just reconnected, but two \
                 servers of one name miss messages: give each its own --name"
            );
        }
        self.by_client.insert(client, run);
    }

    /// The run that has gone with this connection, unless another connection speaks for its server by now.
    pub(super) fn gone(&mut self, client: PeerId) -> Option<Run> {
        let run = self.by_client.remove(&client)?;
        if self.newest.get(&run.server) != Some(&client) {
            return None;
        }
        self.newest.remove(&run.server);
        Some(run)
    }
}

/// The connection has gone on which a run said that it runs.
pub(super) fn gone(store: &mut Store, run: Run) {
    let _ = store.model.run(&Op::Server(ServerIs { run, lease: Some(Duration::ZERO) }), clock::now());
}

/// Runs an operation for `client`. What it returns is to be published once the change is durable.
pub(super) fn run(
    store: &mut Store,
    servers: &mut Servers,
    client: PeerId,
    op: LedgerOp,
    writer: &mut Writer<'_>,
) -> Result<Vec<Notice>, StoreError> {
    let op = match op {
        LedgerOp::Op(op) => op,
        LedgerOp::Generation => {
            store.generation = Generation(store.generation.0 + 1);
            store.model.raise(store.generation);
            writer.integer(store.generation.0.into());
            return Ok(Vec::new());
        }
    };
    if let Op::Server(ServerIs { run, lease: None }) = &op {
        servers.register(client, run.clone());
    }
    match answer(store, &op) {
        Ok((answer, told)) => {
            write_answer(&answer, writer);
            Ok(told)
        }
        Err(refused) => {
            write_refused(&refused, writer);
            Ok(Vec::new())
        }
    }
}

fn answer(store: &mut Store, op: &Op) -> Result<(Answer, Vec<Notice>), Refused> {
    let now = clock::now();
    match op {
        Op::Send(append) => send(store, append),
        Op::Deliver(deliver) => {
            let answer = store.model.run(op, now)?;
            let Answer::Delivered(delivered) = &answer else { return Ok((answer, Vec::new())) };
            let told = told(store, deliver, delivered);
            Ok((answer, told))
        }
        Op::Read(read) => {
            let answer = store.model.run(op, now)?;
            let Answer::Unread(unread) = &answer else { return Ok((answer, Vec::new())) };
            let users = vec![read.user.clone()];
            let Answer::Present(present) = store.model.run(&Op::Presence { users }, now)? else {
                return Ok((answer, Vec::new()));
            };
            let delivered: Vec<Delivered> = present
                .into_iter()
                .map(|it| Delivered {
                    user: it.user,
                    useq: unread.useq,
                    after: read.seq,
                    servers: it.servers,
                })
                .collect();
            let news = News {
                conversation: &read.conversation,
                seq: read.seq,
                kind: PointerKind::Read,
                mode: naru_ledger::Mode::FanOut,
                delivered: &delivered,
            };
            Ok((answer, news.notices(|| None)))
        }
        op => Ok((store.model.run(op, now)?, Vec::new())),
    }
}

fn send(store: &mut Store, append: &Append) -> Result<(Answer, Vec<Notice>), Refused> {
    let now = clock::now();
    let answer = store.model.run(&Op::Append(append.clone()), now)?;
    let (conversation, mut notices) = (append.conversation.clone(), Vec::new());
    if let Answer::Appended(appended) = &answer
        && let Answer::Traced(traced) = store.model.run(&trace(&conversation, appended.seq), now)?
        && !traced.done
        && let Some(deliver) = store.model.fan_out(&conversation, appended.seq)
        && let Answer::Delivered(delivered) = store.model.run(&Op::Deliver(deliver.clone()), now)?
    {
        notices = told(store, &deliver, &delivered);
        store.model.run(&Op::Done { conversation, seq: appended.seq }, now)?;
    }
    Ok((answer, notices))
}

fn told(store: &mut Store, deliver: &Deliver, delivered: &[Delivered]) -> Vec<Notice> {
    let Deliver { conversation, seq, kind, mode, .. } = deliver;
    let kind = PointerKind::Entry(*kind);
    let news = News { conversation, seq: *seq, kind, mode: *mode, delivered };
    news.notices(|| entry(store, conversation, *seq))
}

fn entry(store: &mut Store, conversation: &Conversation, seq: Seq) -> Option<Entry> {
    match store.model.run(&trace(conversation, seq), clock::now()) {
        Ok(Answer::Traced(traced)) => traced.entry,
        _ => None,
    }
}

fn trace(conversation: &Conversation, seq: Seq) -> Op {
    Op::Trace { conversation: conversation.clone(), what: What::Seq(seq) }
}

#[cfg(test)]
mod tests {
    use naru_ledger::Epoch;

    use super::*;

    #[test]
    fn a_server_that_came_back_outlives_its_old_connection() {
        let (mut servers, server) = (Servers::default(), Server::parse("s1").unwrap());
        let run = |epoch| Run { server: server.clone(), epoch: Epoch::parse(epoch).unwrap() };
        servers.register(PeerId(1), run("e1"));
        servers.register(PeerId(2), run("e2"));
        assert_eq!(servers.gone(PeerId(1)), None);
        assert_eq!(servers.gone(PeerId(2)), Some(run("e2")));
        assert_eq!(servers.gone(PeerId(2)), None);
    }
}
