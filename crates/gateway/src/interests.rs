//! What this gateway wants to hear from the broker: counted by its holders, said when the first comes, withdrawn
//! when the last has gone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ahash::RandomState;
use futures_util::{StreamExt, stream};
use naru_bus::{Bus, BusError};
use naru_ledger::{Conversation, User};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::WITHDRAWALS_MAX;

/// Something to hear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    /// What is published in a live channel.
    Channel(Arc<str>),
    /// What comes into a user's inbox.
    User(User),
    /// What comes into a room that is followed by its channel.
    Room(Conversation),
}

/// What the broker knows of an interest.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Said {
    #[default]
    No,
    /// We were stopped while saying it.
    Perhaps,
    Yes,
}

#[derive(Default)]
struct Entry {
    holders: usize,
    saying: Saying,
}

/// How far an interest is.
enum Saying {
    /// The broker knows it, and nobody is about to change that. There are as many as users, so each is small.
    Settled,
    /// Locked while the broker is being told, so that telling and withdrawing come one after the other.
    Shared(Arc<tokio::sync::Mutex<Said>>),
}

impl Default for Saying {
    fn default() -> Saying {
        Saying::Shared(Arc::default())
    }
}

impl Saying {
    fn is(&self, said: &Arc<tokio::sync::Mutex<Said>>) -> bool {
        matches!(self, Saying::Shared(shared) if Arc::ptr_eq(shared, said))
    }
}

/// The interests of one gateway. An entry exists while it has holders, or until [`Self::settle`] has withdrawn it.
pub(crate) struct Interests {
    bus: Bus,
    entries: Mutex<HashMap<Interest, Entry, RandomState>>,
    /// Those without holders, to be withdrawn; at most as many as there are entries.
    left: Mutex<HashSet<Interest, RandomState>>,
    some_left: Notify,
}

/// One holder's share in an interest, given back when dropped.
pub(crate) struct Hold {
    interests: Arc<Interests>,
    interest: Interest,
}

impl Interests {
    pub(crate) fn new(bus: Bus) -> Arc<Interests> {
        Arc::new(Interests {
            bus,
            entries: Mutex::default(),
            left: Mutex::default(),
            some_left: Notify::new(),
        })
    }

    /// Takes a share; returns when the broker has confirmed. Dropping the future gives the share back.
    pub(crate) async fn hold(self: &Arc<Self>, interest: Interest) -> Result<Hold, BusError> {
        Ok(self.hold_among(interest, None).await?.expect("there is no limit"))
    }

    /// The same, if there are fewer holders than `most`.
    pub(crate) async fn hold_among(
        self: &Arc<Self>,
        interest: Interest,
        most: Option<usize>,
    ) -> Result<Option<Hold>, BusError> {
        let said = {
            let mut entries = self.entries.lock();
            let holders = entries.get(&interest).map_or(0, |entry| entry.holders);
            if most.is_some_and(|most| holders >= most) {
                return Ok(None);
            }
            let entry = entries.entry(interest.clone()).or_default();
            entry.holders += 1;
            match &entry.saying {
                Saying::Settled => None,
                Saying::Shared(said) => Some(said.clone()),
            }
        };
        // From here on an error or the end of this future gives the share back.
        let hold = Hold { interests: self.clone(), interest };
        let Some(saying) = said else { return Ok(Some(hold)) };
        let mut said = saying.lock().await;
        if *said != Said::Yes {
            *said = Said::Perhaps;
            match &hold.interest {
                Interest::Channel(channel) => self.bus.subscribe(channel).await?,
                Interest::User(user) => self.bus.route(user).await?,
                Interest::Room(room) => self.bus.follow(room).await?,
            }
            *said = Said::Yes;
        }
        self.settled(&hold.interest, &saying);
        Ok(Some(hold))
    }

    /// How many users have connections. It looks at all entries.
    pub(crate) fn users(&self) -> usize {
        let entries = self.entries.lock();
        entries.iter().filter(|(what, entry)| matches!(what, Interest::User(_)) && entry.holders > 0).count()
    }

    /// Withdraws what nobody holds any more, for ever. One such task serves all cores.
    pub(crate) async fn settle(&self) {
        loop {
            let left = std::mem::take(&mut *self.left.lock());
            if left.is_empty() {
                self.some_left.notified().await;
                continue;
            }
            stream::iter(left).for_each_concurrent(WITHDRAWALS_MAX, |interest| self.withdraw(interest)).await;
        }
    }

    async fn withdraw(&self, interest: Interest) {
        let Some(saying) = self.unsettle(&interest) else { return };
        let mut said = saying.lock().await;
        // Whoever has settled it meanwhile and left again has it looked at again.
        if !self.is_left(&interest, &saying) {
            return;
        }
        if *said != Said::No {
            let withdrawn = match &interest {
                Interest::Channel(channel) => self.bus.unsubscribe(channel).await,
                Interest::User(user) => self.bus.unroute(user).await,
                Interest::Room(room) => self.bus.unfollow(room).await,
            };
            // Whatever the answer, the bus does not ask for it again; the broker forgets it with the connection.
            if let Err(error) = withdrawn {
                tracing::debug!(%error, ?interest, "an interest could not be withdrawn");
            }
            *said = Said::No;
        }
        let mut entries = self.entries.lock();
        if entries.get(&interest).is_some_and(|entry| entry.holders == 0) {
            entries.remove(&interest);
        }
    }

    /// The broker knows it; `saying` is locked.
    fn settled(&self, interest: &Interest, saying: &Arc<tokio::sync::Mutex<Said>>) {
        if let Some(entry) = self.entries.lock().get_mut(interest)
            && entry.saying.is(saying)
        {
            entry.saying = Saying::Settled;
        }
    }

    /// Has those who come wait from now on, if nobody holds it.
    fn unsettle(&self, interest: &Interest) -> Option<Arc<tokio::sync::Mutex<Said>>> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(interest).filter(|entry| entry.holders == 0)?;
        if let Saying::Shared(saying) = &entry.saying {
            return Some(saying.clone());
        }
        let saying = Arc::new(tokio::sync::Mutex::new(Said::Yes));
        entry.saying = Saying::Shared(saying.clone());
        Some(saying)
    }

    fn is_left(&self, interest: &Interest, saying: &Arc<tokio::sync::Mutex<Said>>) -> bool {
        self.entries.lock().get(interest).is_some_and(|entry| entry.holders == 0 && entry.saying.is(saying))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let left = {
            let mut entries = self.interests.entries.lock();
            let entry = entries.get_mut(&self.interest).expect("an entry stays while it has holders");
            entry.holders -= 1;
            entry.holders == 0
        };
        if left {
            self.interests.left.lock().insert(self.interest.clone());
            self.interests.some_left.notify_one();
        }
    }
}
