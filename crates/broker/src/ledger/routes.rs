use std::collections::{BTreeSet, HashMap, HashSet};

use ahash::RandomState;
use naru_ledger::{
    Epoch, Millis, Server, User,
    answer::Present,
    op::{Run, ServerIs},
};

/// Which server holds a connection of whom. Volatile: servers say it again.
///
/// A route counts while its run is the last its server has told of, and that may be believed.
#[derive(Default)]
pub(super) struct Routes {
    servers: HashMap<Server, Known, RandomState>,
    users: HashMap<User, BTreeSet<Run>, RandomState>,
}

/// What is known of a server.
#[derive(Default)]
struct Known {
    /// The run it has told of last, and up to when that may be believed; none until it says something else.
    told: Option<(Epoch, Option<Millis>)>,
    /// Whom its runs hold. There is more than one run only while an old one's routes are still on their way.
    held: HashMap<Epoch, HashSet<User, RandomState>>,
}

impl Routes {
    pub(super) fn server(&mut self, is: &ServerIs, now: Millis) {
        let ServerIs { run, lease } = is;
        let known = self.servers.entry(run.server.clone()).or_default();
        known.told = Some((run.epoch.clone(), lease.map(|lease| now.after(lease))));
        let others = known.held.extract_if(|epoch, _| *epoch != run.epoch);
        for (epoch, users) in others.collect::<Vec<_>>() {
            let gone = Run { server: run.server.clone(), epoch };
            users.iter().for_each(|user| drop_route(&mut self.users, user, &gone));
        }
    }

    /// A run is over: its routes are gone.
    pub(super) fn over(&mut self, run: &Run) {
        let Some(known) = self.servers.get_mut(&run.server) else { return };
        let users = known.held.remove(&run.epoch).unwrap_or_default();
        users.iter().for_each(|user| drop_route(&mut self.users, user, run));
        if known.told.as_ref().is_some_and(|(epoch, _)| *epoch == run.epoch) {
            known.told = None;
        }
        if known.told.is_none() && known.held.is_empty() {
            self.servers.remove(&run.server);
        }
    }

    pub(super) fn insert(&mut self, user: &User, run: &Run) {
        let known = self.servers.entry(run.server.clone()).or_default();
        known.held.entry(run.epoch.clone()).or_default().insert(user.clone());
        self.users.entry(user.clone()).or_default().insert(run.clone());
    }

    pub(super) fn remove(&mut self, user: &User, run: &Run) {
        let Some(known) = self.servers.get_mut(&run.server) else { return };
        let Some(users) = known.held.get_mut(&run.epoch) else { return };
        users.remove(user);
        if users.is_empty() {
            known.held.remove(&run.epoch);
        }
        drop_route(&mut self.users, user, run);
    }

    /// The servers that hold a connection of this user, in byte order.
    pub(super) fn servers(&self, user: &User, now: Millis) -> Vec<Server> {
        let mine = self.users.get(user).into_iter().flatten();
        mine.filter(|run| self.counts(run, now)).map(|run| run.server.clone()).collect()
    }

    fn counts(&self, run: &Run, now: Millis) -> bool {
        let told = self.servers.get(&run.server).and_then(|known| known.told.as_ref());
        told.is_some_and(|(epoch, until)| *epoch == run.epoch && until.is_none_or(|until| now < until))
    }

    pub(super) fn present(&self, users: &[User], now: Millis) -> Vec<Present> {
        let all = users.iter().map(|user| Present { user: user.clone(), servers: self.servers(user, now) });
        all.filter(|present| !present.servers.is_empty()).collect()
    }
}

fn drop_route(users: &mut HashMap<User, BTreeSet<Run>, RandomState>, user: &User, run: &Run) {
    if let Some(runs) = users.get_mut(user) {
        runs.remove(run);
        if runs.is_empty() {
            users.remove(user);
        }
    }
}

#[cfg(test)]
impl Routes {
    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.users.is_empty()
    }
}
