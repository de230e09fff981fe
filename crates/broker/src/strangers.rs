use std::{
    collections::BTreeMap,
    rc::{Rc, Weak},
    sync::Arc,
};

use naru_fanout::{Core, CoreId, Peer, PeerId};
use parking_lot::Mutex;

use crate::{
    client::Client,
    limits::{STRANGERS_MIN, STRANGERS_PERCENT_MAX},
    wire::{Mail, Resp, Shared},
};

/// Connections that have yet to sign in, oldest first. They have a share of `maxclients`, so that who knows no
/// password cannot keep out who does.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<BTreeMap<PeerId, CoreId>>);

impl Strangers {
    /// Notes one; who has been here longest and has to go, if they are more than `most` now.
    fn add(&self, id: PeerId, core: CoreId, most: usize) -> Option<(PeerId, CoreId)> {
        let mut strangers = self.0.lock();
        strangers.insert(id, core);
        if strangers.len() > most { strangers.pop_first() } else { None }
    }

    fn remove(&self, id: PeerId) {
        self.0.lock().remove(&id);
    }
}

/// The time in which a connection has not signed in; it ends when this is dropped.
pub(crate) struct Stranger {
    id: PeerId,
    shared: Arc<Shared>,
}

impl Stranger {
    /// Begins it: the client has `auth-timeout` from now on, and another one that has had longer may have to go.
    pub(crate) fn new(core: &Rc<Core<Resp>>, client: &Rc<Client>) -> Rc<Self> {
        let shared = core.shared().clone();
        let most = (shared.config.clients_max() / 100 * STRANGERS_PERCENT_MAX).max(STRANGERS_MIN);
        if let Some((oldest, its_core)) = shared.strangers.add(client.id(), core.id(), most) {
            tracing::warn!(client = %oldest, "closed: too many connections have not signed in");
            core.directory().send(its_core, Mail::Kill(oldest));
        }
        let stranger = Rc::new(Stranger { id: client.id(), shared });
        stranger.hurry(client);
        stranger
    }

    /// Closes the client if this has not ended in time.
    fn hurry(self: &Rc<Self>, client: &Rc<Client>) {
        let Some(time) = self.shared.config.auth_timeout() else { return };
        // Neither is kept by being waited for.
        let (stranger, client): (Weak<Stranger>, Weak<Client>) = (Rc::downgrade(self), Rc::downgrade(client));
        tokio::task::spawn_local(async move {
            tokio::time::sleep(time).await;
            if let (Some(_), Some(client)) = (stranger.upgrade(), client.upgrade()) {
                tracing::info!(address = %client.profile().address, "closed: it has not signed in in time");
                client.link().close();
            }
        });
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.shared.strangers.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_costs_the_oldest_its_place() {
        let strangers = Strangers::default();
        assert_eq!(strangers.add(PeerId(1), CoreId(0), 2), None);
        assert_eq!(strangers.add(PeerId(2), CoreId(1), 2), None);
        assert_eq!(strangers.add(PeerId(3), CoreId(0), 2), Some((PeerId(1), CoreId(0))));
        strangers.remove(PeerId(2));
        assert_eq!(strangers.add(PeerId(4), CoreId(0), 2), None);
    }
}
