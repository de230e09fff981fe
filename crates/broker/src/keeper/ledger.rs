//! The ledger's operations: decided, recorded and made, answered, and told to the servers that hold whom they concern.

use std::collections::BTreeMap;

use bytes::Bytes;
use naru_fanout::PeerId;
use naru_ledger::{
    Answer, Generation, Op, Server,
    answer::{Delivered, Entry},
    json::{ENTRY_BYTES_MAX, To, Told, room_channel, server_channel},
    op::ServerIs,
};
use naru_resp::ReplyWriter;

use super::{
    LedgerOp,
    held::{Announcement, Until},
    store::{Store, StoreError},
};
use crate::{
    command::{write_answer, write_refused},
    crossing,
    ledger::{Decided, News, Undecided},
};
use servers::Servers;

pub(super) mod servers;

/// Runs an operation for `client`. What it returns is to be published once the change counts, and says what the answer waits
/// for.
pub(super) fn run(
    store: &mut Store,
    servers: &mut Servers,
    client: PeerId,
    op: LedgerOp,
    writer: &mut ReplyWriter<'_, Vec<u8>>,
) -> Result<(Vec<Announcement>, Until), StoreError> {
    let op = match op {
        LedgerOp::Op(op) => op,
        LedgerOp::Generation => {
            let Generation(generation) = store.raise_generation()?;
            writer.integer(generation.into());
            return Ok((Vec::new(), Until::Counts));
        }
    };
    if grows(&op) {
        store.check_space()?;
    }
    match store.decide(&op) {
        Err(Undecided::Refused(refused)) => {
            write_refused(&refused, writer);
            Ok((Vec::new(), Until::Counts))
        }
        Err(Undecided::Unread(error)) => Err(error),
        Err(Undecided::Garbled(place)) => Err(StoreError::NoBody { address: place.address }),
        Err(Undecided::Exhausted) => Err(StoreError::Exhausted),
        Ok(Decided { mut answer, changes, news }) => {
            store.change_ledger(changes)?;
            if let Op::Server(is) = op {
                store.present.begun(&is.run);
                note_server(servers, client, is);
            }
            let until = match &mut answer {
                Answer::Appended(appended) => store.promise(&mut appended.level),
                _ => Until::Counts,
            };
            write_answer(&answer, writer);
            Ok((news.map(said).unwrap_or_default(), until))
        }
    }
}

/// Whether it makes the log grow, and is refused where there is no space; what lets go of something is not, nor what notes
/// how far somebody is.
fn grows(op: &Op) -> bool {
    match op {
        Op::Append(_) | Op::Edit(_) | Op::Send(_) | Op::Deliver(_) | Op::Membership(_) => true,
        Op::Delete(_)
        | Op::Done { .. }
        | Op::Sweep(_)
        | Op::Resume(_)
        | Op::Changed { .. }
        | Op::Conversations { .. }
        | Op::Ack(_)
        | Op::Read(_)
        | Op::Mark { .. }
        | Op::History(_)
        | Op::Members { .. }
        | Op::Server(_)
        | Op::Route { .. }
        | Op::Unroute { .. }
        | Op::Presence { .. }
        | Op::Trace { .. }
        | Op::Standing { .. } => false,
    }
}

/// A run that is believed as long as its connection lasts is over with it; one with a lease is not.
fn note_server(servers: &mut Servers, client: PeerId, ServerIs { run, lease }: ServerIs) {
    match lease {
        None => servers.register(client, run),
        Some(_) => servers.release(&run.server),
    }
}

/// What is published of what was written or has come into inboxes: to each server once, and on the room's own channel.
fn said(news: News) -> Vec<Announcement> {
    let News { conversation, seq, kind, in_room, to, entry } = news;
    let mut of_servers: BTreeMap<Server, Vec<To>> = BTreeMap::new();
    for Delivered { user, useq, after, servers } in to {
        crossing::queued(&user, &conversation, seq, useq, entry.as_ref(), &servers);
        for server in servers {
            of_servers.entry(server).or_default().push(To { user: user.clone(), useq, after });
        }
    }
    if of_servers.is_empty() && !in_room {
        return Vec::new();
    }
    let room = in_room.then(|| room_channel(&conversation));
    let entry = entry.as_ref().and_then(short_json);
    let mut told = Told { conversation, seq, kind, to: Vec::new(), entry };
    let mut said = Vec::new();
    let mut say = |channel: String, told: &Told| {
        let mut payload = Vec::new();
        told.write_json(&mut payload);
        said.push(Announcement { channel: Bytes::from(channel), payload });
    };
    for (server, to) in of_servers {
        told.to = to;
        say(server_channel(&server), &told);
    }
    if let Some(room) = room {
        told.to = Vec::new();
        say(room, &told);
    }
    said
}

/// An entry as it is told along, if it is short.
fn short_json(entry: &Entry) -> Option<naru_ledger::Body> {
    let mut json = Vec::new();
    entry.write_json(&mut json);
    (json.len() <= ENTRY_BYTES_MAX).then(|| naru_ledger::Body::from(json.as_slice()))
}

#[cfg(test)]
pub(super) mod cast;
