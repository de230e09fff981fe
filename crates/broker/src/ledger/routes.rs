use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

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
    users: HashMap<User, Runs, RandomState>,
}

/// The runs that hold a connection of somebody, in byte order. There is one, nearly always, and as many of these as users are
/// connected.
#[derive(Default)]
struct Runs(Vec<Run>);

impl Runs {
    fn insert(&mut self, run: Run) {
        if let Err(at) = self.0.binary_search(&run) {
            self.0.reserve_exact(1);
            self.0.insert(at, run);
        }
    }

    fn remove(&mut self, run: &Run) {
        if let Ok(at) = self.0.binary_search(run) {
            self.0.remove(at);
        }
    }
}

/// What is known of a server.
#[derive(Default)]
struct Known {
    /// The run it has told of last, and up to when that may be believed; none until it says something else.
    told: Option<(Epoch, Option<Millis>)>,
    /// Whom its runs hold. There is more than one run only while an old one's routes are still on their way.
    held: HashMap<Epoch, HashSet<User, RandomState>>,
    /// Since when it has had routes that do not count.
    idle_since: Option<Millis>,
}

/// How long routes are kept that do not count: until whoever they are of has had the time to tell of its run.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

/// Routes that are dropped at once.
const DROPPED_AT_ONCE_MAX: usize = 1000;

impl Known {
    fn counts(&self, epoch: &Epoch, now: Millis) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|(told, until)| told == epoch && until.is_none_or(|until| now < until))
    }
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
        // The names that are kept already, and not once more for each user.
        let Some((server, known)) = self.servers.get_key_value(&run.server) else { return };
        let Some((epoch, _)) = known.held.get_key_value(&run.epoch) else { return };
        let run = Run { server: server.clone(), epoch: epoch.clone() };
        self.users.entry(user.clone()).or_default().insert(run);
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
        let mine = self.users.get(user).into_iter().flat_map(|runs| &runs.0);
        mine.filter(|run| self.counts(run, now)).map(|run| run.server.clone()).collect()
    }

    pub(super) fn counts(&self, run: &Run, now: Millis) -> bool {
        self.servers.get(&run.server).is_some_and(|known| known.counts(&run.epoch, now))
    }

    /// Drops some of the routes that have not counted for long: nobody may ever say anything about their runs again.
    pub(super) fn tidy(&mut self, now: Millis) {
        let Routes { servers, users } = self;
        let mut left = DROPPED_AT_ONCE_MAX;
        servers.retain(|server, known| {
            let is_idle = |known: &Known, epoch: &Epoch| !known.counts(epoch, now);
            let idle = known.held.keys().find(|epoch| is_idle(known, epoch)).cloned();
            let is_told = known.told.as_ref().is_some_and(|(epoch, _)| known.counts(epoch, now));
            if idle.is_none() && is_told {
                known.idle_since = None;
                return true;
            }
            let since = *known.idle_since.get_or_insert(now);
            if now.since(since) < KEPT_FOR {
                return true;
            }
            let Some(epoch) = idle else { return false };
            let held = known.held.entry(epoch.clone()).or_default();
            let some: Vec<User> = held.iter().take(left).cloned().collect();
            left -= some.len();
            let run = Run { server: server.clone(), epoch };
            for user in some {
                held.remove(&user);
                drop_route(users, &user, &run);
            }
            if held.is_empty() {
                known.held.remove(&run.epoch);
            }
            true
        });
    }

    pub(super) fn present(&self, users: &[User], now: Millis) -> Vec<Present> {
        let all = users.iter().map(|user| Present { user: user.clone(), servers: self.servers(user, now) });
        all.filter(|present| !present.servers.is_empty()).collect()
    }
}

fn drop_route(users: &mut HashMap<User, Runs, RandomState>, user: &User, run: &Run) {
    if let Some(runs) = users.get_mut(user) {
        runs.remove(run);
        if runs.0.is_empty() {
            users.remove(user);
        }
    }
}

#[cfg(test)]
impl Routes {
    pub(super) fn knows(&self, user: &User) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.users.is_empty()
    }
}
