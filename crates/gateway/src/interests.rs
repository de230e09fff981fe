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

/// Locked while the broker is being told, so that telling and withdrawing come one after the other.
type Saying = Arc<tokio::sync::Mutex<Said>>;

/// How many hold each interest. There are as many as users, so each kind has a map of its own, whose keys are small.
#[derive(Default)]
struct Holders {
    channels: HashMap<Arc<str>, usize, RandomState>,
    users: HashMap<User, usize, RandomState>,
    rooms: HashMap<Conversation, usize, RandomState>,
}

impl Holders {
    fn of(&self, interest: &Interest) -> Option<usize> {
        match interest {
            Interest::Channel(channel) => self.channels.get(channel),
            Interest::User(user) => self.users.get(user),
            Interest::Room(room) => self.rooms.get(room),
        }
        .copied()
    }

    fn count(&mut self, interest: &Interest) -> &mut usize {
        match interest {
            Interest::Channel(channel) => self.channels.entry(channel.clone()).or_default(),
            Interest::User(user) => self.users.entry(user.clone()).or_default(),
            Interest::Room(room) => self.rooms.entry(room.clone()).or_default(),
        }
    }

    fn forget(&mut self, interest: &Interest) {
        match interest {
            Interest::Channel(channel) => self.channels.remove(channel),
            Interest::User(user) => self.users.remove(user),
            Interest::Room(room) => self.rooms.remove(room),
        };
    }
}

/// What somebody holds, or nobody any more and [`Interests::settle`] has not withdrawn it yet.
#[derive(Default)]
struct Known {
    holders: Holders,
    /// Of what the broker is to be told something about. It knows all else that has holders.
    saying: HashMap<Interest, Saying, RandomState>,
}

impl Known {
    fn is_left(&self, interest: &Interest) -> bool {
        self.holders.of(interest) == Some(0)
    }

    fn is_saying(&self, interest: &Interest, saying: &Saying) -> bool {
        self.saying.get(interest).is_some_and(|there| Arc::ptr_eq(there, saying))
    }
}

/// The interests of one gateway.
pub(crate) struct Interests {
    bus: Bus,
    known: Mutex<Known>,
    /// Those without holders, to be withdrawn; at most as many as there are known.
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
        Arc::new(Interests { bus, known: Mutex::default(), left: Mutex::default(), some_left: Notify::new() })
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
        let saying = {
            let mut known = self.known.lock();
            let holders = known.holders.of(&interest);
            if most.is_some_and(|most| holders.unwrap_or(0) >= most) {
                return Ok(None);
            }
            *known.holders.count(&interest) += 1;
            match holders {
                None => Some(known.saying.entry(interest.clone()).or_default().clone()),
                Some(_) => known.saying.get(&interest).cloned(),
            }
        };
        // From here on an error or the end of this future gives the share back.
        let hold = Hold { interests: self.clone(), interest };
        let Some(saying) = saying else { return Ok(Some(hold)) };
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

    /// How many users have connections. It looks at all there are.
    pub(crate) fn users(&self) -> usize {
        self.known.lock().holders.users.values().filter(|&&holders| holders > 0).count()
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
        let is_still_left = |known: &Known| known.is_left(&interest) && known.is_saying(&interest, &saying);
        if !is_still_left(&self.known.lock()) {
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
        let mut known = self.known.lock();
        if known.is_left(&interest) {
            known.holders.forget(&interest);
            known.saying.remove(&interest);
        }
    }

    /// The broker knows it; `saying` is locked.
    fn settled(&self, interest: &Interest, saying: &Saying) {
        let mut known = self.known.lock();
        if known.is_saying(interest, saying) {
            known.saying.remove(interest);
        }
    }

    /// Has those who come wait from now on, if nobody holds it.
    fn unsettle(&self, interest: &Interest) -> Option<Saying> {
        let mut known = self.known.lock();
        let settled = || Arc::new(tokio::sync::Mutex::new(Said::Yes));
        known.is_left(interest).then(|| known.saying.entry(interest.clone()).or_insert_with(settled).clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let left = {
            let mut known = self.interests.known.lock();
            let holders = known.holders.count(&self.interest);
            *holders -= 1;
            *holders == 0
        };
        if left {
            self.interests.left.lock().insert(self.interest.clone());
            self.interests.some_left.notify_one();
        }
    }
}
