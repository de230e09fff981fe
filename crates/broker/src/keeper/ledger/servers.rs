use std::collections::{BTreeMap, HashMap};

use naru_fanout::PeerId;
use naru_ledger::{Epoch, Server, op::Run};

/// Which connection speaks for which run of which chat server. A server that comes back is its newest connection's.
#[derive(Default)]
pub(in crate::keeper) struct Servers {
    by_client: HashMap<PeerId, BTreeMap<Server, Epoch>>,
    newest: HashMap<Server, PeerId>,
}

impl Servers {
    /// The run is over when this connection ends.
    pub(super) fn register(&mut self, client: PeerId, Run { server, epoch }: Run) {
        if let Some(before) = self.newest.insert(server.clone(), client)
            && before != client
        {
            tracing::warn!(
                %server,
                "another connection speaks for this chat server already; fine if it has just reconnected, but two \
                 servers of one name miss messages: give each its own --name"
            );
        }
        self.by_client.entry(client).or_default().insert(server, epoch);
    }

    /// No connection speaks for the server any more: it is believed otherwise.
    pub(super) fn release(&mut self, server: &Server) {
        if let Some(client) = self.newest.remove(server)
            && let Some(its) = self.by_client.get_mut(&client)
        {
            its.remove(server);
        }
    }

    /// The runs that are over with this connection: all that no other one speaks for by now.
    pub(in crate::keeper) fn gone(&mut self, client: PeerId) -> Vec<Run> {
        let mut gone = Vec::new();
        for (server, epoch) in self.by_client.remove(&client).into_iter().flatten() {
            if self.newest.get(&server) == Some(&client) {
                self.newest.remove(&server);
                gone.push(Run { server, epoch });
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(server: &str, epoch: &str) -> Run {
        Run { server: Server::parse(server).unwrap(), epoch: Epoch::parse(epoch).unwrap() }
    }

    #[test]
    fn a_server_that_came_back_outlives_its_old_connection() {
        let mut servers = Servers::default();
        servers.register(PeerId(1), run("s1", "a"));
        servers.register(PeerId(2), run("s1", "b"));
        assert_eq!(servers.gone(PeerId(1)), []);
        assert_eq!(servers.gone(PeerId(2)), [run("s1", "b")]);
        assert_eq!(servers.gone(PeerId(2)), []);
    }

    #[test]
    fn a_server_with_a_lease_outlives_every_connection() {
        let mut servers = Servers::default();
        servers.register(PeerId(1), run("s1", "a"));
        servers.register(PeerId(1), run("s2", "a"));
        servers.release(&Server::parse("s1").unwrap());
        assert_eq!(servers.gone(PeerId(1)), [run("s2", "a")]);
    }
}
