use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    slice,
    sync::Arc,
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

/// The runs that hold a connection of somebody. There is one, nearly always, and as many of these as users are connected.
enum Runs {
    One(Arc<Run>),
    /// At least two, in byte order.
    Many(Box<[Arc<Run>]>),
}

impl Runs {
    fn as_slice(&self) -> &[Arc<Run>] {
        match self {
            Runs::One(run) => slice::from_ref(run),
            Runs::Many(runs) => runs,
        }
    }

    fn insert(&mut self, run: Arc<Run>) {
        let runs = self.as_slice();
        if let Err(at) = runs.binary_search(&run) {
            let (before, behind) = runs.split_at(at);
            let runs = before.iter().chain([&run]).chain(behind).cloned();
            *self = Runs::Many(runs.collect());
        }
    }

    /// Whether there is none any more.
    fn remove(&mut self, run: &Run) -> bool {
        let left: Box<[_]> = self.as_slice().iter().filter(|one| ***one != *run).cloned().collect();
        match &*left {
            [] => return true,
            [one] => *self = Runs::One(one.clone()),
            _ => *self = Runs::Many(left),
        }
        false
    }
}

/// What is known of a server.
#[derive(Default)]
struct Known {
    /// The run it has told of last, and up to when that may be believed; none until it says something else.
    told: Option<(Epoch, Option<Millis>)>,
    /// Whom its runs hold. There is more than one run only while an old one's routes are still on their way.
    held: HashMap<Epoch, Held>,
    /// Since when it has had routes that do not count.
    idle_since: Option<Millis>,
}

/// A run, kept once for all whom it holds, and these.
struct Held {
    run: Arc<Run>,
    users: HashSet<User, RandomState>,
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
        for (_, gone) in others.collect::<Vec<_>>() {
            gone.users.iter().for_each(|user| drop_route(&mut self.users, user, &gone.run));
        }
    }

    /// A run is over: its routes are gone.
    pub(super) fn over(&mut self, run: &Run) {
        let Some(known) = self.servers.get_mut(&run.server) else { return };
        if let Some(gone) = known.held.remove(&run.epoch) {
            gone.users.iter().for_each(|user| drop_route(&mut self.users, user, run));
        }
        if known.told.as_ref().is_some_and(|(epoch, _)| *epoch == run.epoch) {
            known.told = None;
        }
        if known.told.is_none() && known.held.is_empty() {
            self.servers.remove(&run.server);
        }
    }

    pub(super) fn insert(&mut self, user: &User, run: &Run) {
        let known = self.servers.entry(run.server.clone()).or_default();
        let held = known.held.entry(run.epoch.clone());
        let held = held.or_insert_with(|| Held { run: Arc::new(run.clone()), users: HashSet::default() });
        held.users.insert(user.clone());
        match self.users.entry(user.clone()) {
            Entry::Occupied(mut runs) => runs.get_mut().insert(held.run.clone()),
            Entry::Vacant(none) => drop(none.insert(Runs::One(held.run.clone()))),
        }
    }

    pub(super) fn remove(&mut self, user: &User, run: &Run) {
        let Some(known) = self.servers.get_mut(&run.server) else { return };
        let Some(held) = known.held.get_mut(&run.epoch) else { return };
        held.users.remove(user);
        if held.users.is_empty() {
            known.held.remove(&run.epoch);
        }
        drop_route(&mut self.users, user, run);
    }

    /// The servers that hold a connection of this user, in byte order.
    pub(super) fn servers(&self, user: &User, now: Millis) -> Vec<Server> {
        let mine = self.users.get(user).into_iter().flat_map(Runs::as_slice);
        mine.filter(|run| self.counts(run, now)).map(|run| run.server.clone()).collect()
    }

    pub(super) fn counts(&self, run: &Run, now: Millis) -> bool {
        self.servers.get(&run.server).is_some_and(|known| known.counts(&run.epoch, now))
    }

    /// Drops some of the routes that have not counted for long: nobody may ever say anything about their runs again.
    pub(super) fn tidy(&mut self, now: Millis) {
        let Routes { servers, users } = self;
        let mut left = DROPPED_AT_ONCE_MAX;
        servers.retain(|_, known| {
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
            let Some(held) = known.held.get_mut(&epoch) else { return true };
            let some: Vec<User> = held.users.iter().take(left).cloned().collect();
            left -= some.len();
            for user in some {
                held.users.remove(&user);
                drop_route(users, &user, &held.run);
            }
            if held.users.is_empty() {
                known.held.remove(&epoch);
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
    if users.get_mut(user).is_some_and(|runs| runs.remove(run)) {
        users.remove(user);
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
