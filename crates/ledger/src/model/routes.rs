//! Which server holds a connection of whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::Present;
use crate::names::{Epoch, Server, User};
use crate::op::{Run, ServerIs};
use crate::position::Millis;

/// A route counts while its run is the last its server has told of, and that may be believed.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Routes {
    runs: BTreeMap<Server, Told>,
    routes: BTreeSet<(User, Run)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Told {
    epoch: Epoch,
    /// Up to when it may be believed; none until it says something else.
    until: Option<Millis>,
}

impl Routes {
    pub(super) fn server(&mut self, is: &ServerIs, now: Millis) {
        let ServerIs { run: Run { server, epoch }, lease } = is;
        self.routes.retain(|(_, run)| run.server != *server || run.epoch == *epoch);
        let until = lease.map(|lease| now.after(lease));
        self.runs.insert(server.clone(), Told { epoch: epoch.clone(), until });
    }

    pub(super) fn insert(&mut self, user: &User, run: &Run) {
        self.routes.insert((user.clone(), run.clone()));
    }

    pub(super) fn remove(&mut self, user: &User, run: &Run) {
        self.routes.remove(&(user.clone(), run.clone()));
    }

    /// The servers that hold a connection of this user.
    pub(super) fn servers(&self, user: &User, now: Millis) -> Vec<Server> {
        let mine = self.routes.iter().filter(|(held, _)| held == user).map(|(_, run)| run);
        mine.filter(|run| self.counts(run, now)).map(|run| run.server.clone()).collect()
    }

    fn counts(&self, run: &Run, now: Millis) -> bool {
        let told = self.runs.get(&run.server);
        told.is_some_and(|told| told.epoch == run.epoch && told.until.is_none_or(|until| now < until))
    }

    pub(super) fn present(&self, users: &[User], now: Millis) -> Vec<Present> {
        let all = users.iter().map(|user| Present { user: user.clone(), servers: self.servers(user, now) });
        all.filter(|present| !present.servers.is_empty()).collect()
    }
}
