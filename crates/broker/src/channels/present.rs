//! Who is present in channels. Volatile, and a server's run's: servers say it again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use ahash::RandomState;
use bytes::Bytes;
use naru_ledger::{
    ClientId, Millis, User,
    channel::{self, Channel, Enter, Leave, Most, Refused, Stats},
    op::Run,
};

/// Clients that runs of servers say are present. Which runs count is the routes' to say.
#[derive(Default)]
pub(crate) struct Present {
    channels: HashMap<Channel, BTreeMap<ClientId, Said>, RandomState>,
    /// Where each run has said something.
    runs: BTreeMap<Run, OfRun>,
    count: u64,
}

#[derive(Default)]
struct OfRun {
    places: HashSet<(Channel, ClientId), RandomState>,
    /// Since when it does not count.
    idle_since: Option<Millis>,
}

/// How long is kept what does not count: until whoever said it has had the time to tell of its run.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

struct Said {
    run: Run,
    user: Option<User>,
    info: Bytes,
}

impl Present {
    pub(crate) fn enter(&mut self, enter: &Enter, present_max: u64) -> Result<(), Refused> {
        let Enter { run, channel, client, user, info } = enter;
        let is_known = self.channels.get(channel).is_some_and(|there| there.contains_key(client));
        if !is_known && self.count >= present_max {
            let (what, parameter) = ("clients present in channels", "channel-present-max");
            return Err(Refused::Full { what, most: present_max, parameter });
        }
        self.remove(channel, client);
        let said = Said { run: run.clone(), user: user.clone(), info: info.clone() };
        self.channels.entry(channel.clone()).or_default().insert(client.clone(), said);
        self.runs.entry(run.clone()).or_default().places.insert((channel.clone(), client.clone()));
        self.count += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self, Leave { run, channel, client }: &Leave) {
        let said = self.channels.get(channel).and_then(|there| there.get(client));
        if said.is_some_and(|said| said.run == *run) {
            self.remove(channel, client);
        }
    }

    fn remove(&mut self, channel: &Channel, client: &ClientId) {
        let Some(there) = self.channels.get_mut(channel) else { return };
        let Some(said) = there.remove(client) else { return };
        if there.is_empty() {
            self.channels.remove(channel);
        }
        if let Some(its) = self.runs.get_mut(&said.run) {
            its.places.remove(&(channel.clone(), client.clone()));
            if its.places.is_empty() {
                self.runs.remove(&said.run);
            }
        }
        self.count -= 1;
    }

    /// A server has told of its run: what earlier ones said is over.
    pub(crate) fn begun(&mut self, run: &Run) {
        let is_earlier = |other: &&Run| other.server == run.server && *other != run;
        let earlier: Vec<Run> = self.runs.keys().filter(is_earlier).cloned().collect();
        earlier.iter().for_each(|run| self.over(run));
    }

    /// A run is over.
    pub(crate) fn over(&mut self, run: &Run) {
        for (channel, client) in self.runs.remove(run).unwrap_or_default().places {
            if let Some(there) = self.channels.get_mut(&channel) {
                self.count -= u64::from(there.remove(&client).is_some());
                if there.is_empty() {
                    self.channels.remove(&channel);
                }
            }
        }
    }

    /// Forgets what was said by runs that have not counted for long: nobody may ever say anything about them again.
    pub(crate) fn tidy(&mut self, now: Millis, counts: impl Fn(&Run) -> bool) {
        let mut over = Vec::new();
        for (run, its) in &mut self.runs {
            if counts(run) {
                its.idle_since = None;
            } else if now.since(*its.idle_since.get_or_insert(now)) >= KEPT_FOR {
                over.push(run.clone());
            }
        }
        over.iter().for_each(|run| self.over(run));
    }

    /// Who is present by runs that count, in byte order, if no more are.
    pub(crate) fn all(
        &self,
        channel: &Channel,
        mut most: Most,
        counts: impl Fn(&Run) -> bool,
    ) -> Result<Vec<channel::Present>, Refused> {
        let there = self.channels.get(channel).into_iter().flatten();
        let there = there.filter(|(_, said)| counts(&said.run));
        let present = there.map(|(client, Said { user, info, .. })| {
            most.take(info.len())?;
            Ok(channel::Present { client: client.clone(), user: user.clone(), info: info.clone() })
        });
        present.collect()
    }

    /// How many are.
    pub(crate) fn stats(&self, channel: &Channel, counts: impl Fn(&Run) -> bool) -> Stats {
        let there = self.channels.get(channel).into_iter().flat_map(BTreeMap::values);
        let (mut clients, mut users) = (0, BTreeSet::new());
        for said in there.filter(|said| counts(&said.run)) {
            clients += 1;
            users.insert(&said.user);
        }
        Stats { clients, users: users.len() as u64 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}
