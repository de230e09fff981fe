//! The ledger's operations: what they answer, and what other servers are told.

use std::collections::HashMap;

use naru_fanout::PeerId;
use naru_ledger::{Batch, Delivery, Entry, Portion, Refused, Server, Useq};
use naru_resp::ReplyWriter;

use super::{
    LedgerOp, clock,
    entry::{delivery, write_entry},
    store::{Store, StoreError},
};
use crate::{crossing, limits::PAGE_BYTES_MAX};

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// The channel on which a chat server hears of its users' inboxes.
pub(super) fn server_channel(server: &Server) -> Vec<u8> {
    format!("naru:server:{server}").into_bytes()
}

/// Which connection speaks for which chat server. A server that comes back is its newest connection's.
#[derive(Default)]
pub(super) struct Servers {
    by_client: HashMap<PeerId, Server>,
    newest: HashMap<Server, PeerId>,
}

impl Servers {
    fn register(&mut self, client: PeerId, server: Server) {
        if let Some(before) = self.newest.insert(server.clone(), client)
            && before != client
        {
            tracing::warn!(
                %server,
                "another connection speaks for this chat server already; fine if it has just reconnected, but two \
                 servers of one name miss messages: give each its own --name"
            );
        }
        self.by_client.insert(client, server);
    }

    fn of(&self, client: PeerId) -> Option<&Server> {
        self.by_client.get(&client)
    }

    /// The server that has gone with this connection, unless another connection speaks for it by now.
    pub(super) fn gone(&mut self, client: PeerId) -> Option<Server> {
        let server = self.by_client.remove(&client)?;
        if self.newest.get(&server) != Some(&client) {
            return None;
        }
        self.newest.remove(&server);
        Some(server)
    }
}

/// A message for a server that holds a recipient.
pub(super) struct Told {
    pub(super) server: Server,
    pub(super) payload: Vec<u8>,
}

/// Runs an operation for `client`. What it returns is to be published once the change is durable.
pub(super) fn run(
    store: &mut Store,
    servers: &mut Servers,
    client: PeerId,
    op: LedgerOp,
    writer: &mut Writer<'_>,
) -> Result<Vec<Told>, StoreError> {
    match op {
        LedgerOp::Server(server) => {
            // Whatever the server held before, it says anew over this connection.
            store.ledger.server_gone(&server);
            servers.register(client, server);
            writer.simple("OK");
        }
        LedgerOp::Route(users) => match servers.of(client) {
            None => refuse_nameless(writer),
            Some(server) => {
                users.iter().for_each(|user| store.ledger.route(user, server));
                writer.simple("OK");
            }
        },
        LedgerOp::Unroute(users) => match servers.of(client) {
            None => refuse_nameless(writer),
            Some(server) => {
                users.iter().for_each(|user| store.ledger.unroute(user, server));
                writer.simple("OK");
            }
        },
        LedgerOp::Send(append) => {
            store.check_space()?;
            let mut effects = Vec::new();
            match store.ledger.send(append, clock::now(), &mut effects) {
                Err(refused) => refuse(refused, writer),
                Ok(sent) => {
                    store.changed_ledger(effects)?;
                    writer.array(4);
                    writer.bulk(sent.conversation.as_str());
                    writer.integer(sent.seq.0 as i64);
                    writer.integer(sent.at.0 as i64);
                    writer.integer(i64::from(sent.duplicate));
                    return Ok(told(store, &sent.deliveries));
                }
            }
        }
        LedgerOp::Resume { user, device, from, entries_max } => {
            let mut effects = Vec::new();
            let portion = portion(entries_max);
            let resume =
                store.ledger.resume(&user, &device, from.as_ref(), portion, clock::now(), &mut effects);
            store.changed_ledger(effects)?;
            writer.array(7);
            writer.bulk(resume.epoch.as_str());
            writer.integer(resume.cursor.0 as i64);
            writer.integer(resume.head.0 as i64);
            writer.integer(resume.start.0 as i64);
            writer.integer(i64::from(resume.recovered));
            writer.integer(i64::from(resume.more));
            write_entries(&resume.entries, writer);
        }
        LedgerOp::Entries { user, after, entries_max } => {
            let Batch { entries, more } = store.ledger.entries(&user, after, portion(entries_max));
            let head = entries.last().and_then(|entry| entry.useq).unwrap_or(after);
            writer.array(3);
            writer.integer(store.ledger.head(&user).max(head).0 as i64);
            writer.integer(i64::from(more));
            write_entries(&entries, writer);
        }
        LedgerOp::Ack { user, device, useq } => {
            let mut effects = Vec::new();
            let Useq(cursor) = store.ledger.ack(&user, &device, useq, clock::now(), &mut effects);
            store.changed_ledger(effects)?;
            writer.integer(cursor as i64);
        }
        LedgerOp::History { user, conversation, before, entries_max } => {
            match store.ledger.history(&user, &conversation, before, entries_max) {
                Err(refused) => refuse(refused, writer),
                Ok(Batch { entries, more }) => {
                    writer.array(2);
                    writer.integer(i64::from(more));
                    write_entries(&entries, writer);
                }
            }
        }
    }
    Ok(Vec::new())
}

fn portion(entries_max: usize) -> Portion {
    Portion { entries_max, bytes_max: PAGE_BYTES_MAX }
}

fn told(store: &Store, deliveries: &[Delivery]) -> Vec<Told> {
    let mut told = Vec::new();
    for Delivery { user, servers, entry, .. } in deliveries {
        crossing::queued(user, entry, servers);
        if servers.is_empty() {
            continue;
        }
        let payload = delivery(user, store.ledger.epoch(), entry);
        told.extend(servers.iter().map(|server| Told { server: server.clone(), payload: payload.clone() }));
    }
    told
}

fn write_entries(entries: &[Entry], writer: &mut Writer<'_>) {
    writer.array(entries.len());
    let mut json = Vec::new();
    for entry in entries {
        json.clear();
        write_entry(entry, &mut json);
        writer.bulk(&json);
    }
}

fn refuse(refused: Refused, writer: &mut Writer<'_>) {
    let code = match refused {
        Refused::NotAMember => "FORBIDDEN",
        Refused::BodyTooLarge { .. } => "TOOBIG",
        Refused::NoSuchMessage => "ERR",
    };
    writer.error(format!("{code} {refused}"));
}

fn refuse_nameless(writer: &mut Writer<'_>) {
    writer.error("ERR say NARU.SERVER first: routes belong to the chat server of a connection");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_came_back_outlives_its_old_connection() {
        let (mut servers, server) = (Servers::default(), Server::parse("s1").unwrap());
        servers.register(PeerId(1), server.clone());
        servers.register(PeerId(2), server.clone());
        assert_eq!(servers.gone(PeerId(1)), None);
        assert_eq!(servers.of(PeerId(2)), Some(&server));
        assert_eq!(servers.gone(PeerId(2)), Some(server));
        assert_eq!(servers.gone(PeerId(2)), None);
    }
}
