//! Rates of many at once: of users, of addresses, of who publishes where.
//!
//! An entry is there only while something is counted: a user or address that asks nothing costs nothing.

use std::{collections::HashMap, hash::Hash, net::Ipv6Addr, time::Duration};

use ahash::RandomState;
use parking_lot::Mutex;

use super::{Bucket, Rate, Spent};

/// Whose rate it is, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose<'a> {
    /// Connections that come from there.
    Connections(Ipv6Addr),
    /// Bad tokens that came from there.
    Refusals(Ipv6Addr),
    /// Commands of all connections from there.
    CommandsFrom(Ipv6Addr),
    /// Commands of all connections of a user.
    CommandsOf(&'a str),
    /// What a user, or a connection without one, does in a namespace.
    In { namespace: &'a str, doing: Doing, who: &'a str },
    /// What all clients publish in a namespace.
    Publishing(&'a str),
}

/// What somebody does in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Doing {
    Publishing,
    Subscribing,
}

/// Parts of the table, each with a lock of its own: cores seldom meet at one.
const SHARDS: usize = 16;

/// Entries of a part before it is looked through for those that are full again, at first.
const SWEEP_AT: usize = 64;

/// A bucket for each.
pub(crate) struct Buckets {
    keys: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

struct Shard {
    /// By the hash of whose they are, keyed at random: nobody finds another whose is the same.
    buckets: HashMap<u64, Bucket, RandomState>,
    sweep_at: usize,
}

impl Default for Buckets {
    fn default() -> Buckets {
        let shard = |_| Mutex::new(Shard { buckets: HashMap::default(), sweep_at: SWEEP_AT });
        Buckets { keys: RandomState::new(), shards: std::array::from_fn(shard) }
    }
}

impl Buckets {
    /// See [`Bucket::spend`].
    pub(crate) fn spend(&self, whose: Whose<'_>, rate: Rate, now: Duration) -> Spent {
        self.with(whose, now, |bucket| bucket.spend(rate, now))
    }

    /// See [`Bucket::take`].
    pub(crate) fn take(&self, whose: Whose<'_>, rate: Rate, now: Duration) -> bool {
        self.with(whose, now, |bucket| bucket.take(rate, now))
    }

    /// See [`Bucket::has`].
    pub(crate) fn has(&self, whose: Whose<'_>, rate: Rate, now: Duration) -> bool {
        let hash = self.keys.hash_one(whose);
        self.shard(hash).lock().buckets.get(&hash).is_none_or(|bucket| bucket.has(rate, now))
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[hash as usize % SHARDS]
    }

    fn with<T>(&self, whose: Whose<'_>, now: Duration, what: impl FnOnce(&Bucket) -> T) -> T {
        let hash = self.keys.hash_one(whose);
        let mut shard = self.shard(hash).lock();
        if shard.buckets.len() >= shard.sweep_at {
            shard.buckets.retain(|_, bucket| !bucket.is_full(now));
            // So the look costs each entry a little, whatever there are.
            shard.sweep_at = (2 * shard.buckets.len()).max(SWEEP_AT);
            let room = shard.sweep_at;
            shard.buckets.shrink_to(room);
        }
        what(shard.buckets.entry(hash).or_default())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_has_a_rate_of_its_own() {
        let (buckets, rate) = (Buckets::default(), Rate::new(1, SECOND, 2));
        let address = Ipv6Addr::LOCALHOST;
        let who = |doing, who| Whose::In { namespace: "chat", doing, who };
        for whose in [
            Whose::Connections(address),
            Whose::Refusals(address),
            Whose::CommandsFrom(address),
            Whose::CommandsOf("chat"),
            Whose::Publishing("chat"),
            who(Doing::Publishing, "a"),
            who(Doing::Subscribing, "a"),
            who(Doing::Publishing, "b"),
            Whose::In { namespace: "chata", doing: Doing::Publishing, who: "" },
        ] {
            assert!(buckets.has(whose, rate, SECOND), "{whose:?}");
            assert_eq!(
                [1, 2, 3].map(|_| buckets.take(whose, rate, SECOND)),
                [true, true, false],
                "{whose:?}"
            );
            assert!(!buckets.has(whose, rate, SECOND), "{whose:?}");
            assert_eq!(buckets.spend(whose, rate, SECOND * 9), Spent::Enough, "{whose:?}");
        }
    }

    #[test]
    fn whoever_asks_nothing_more_is_forgotten() {
        let (buckets, rate) = (Buckets::default(), Rate::new(10, SECOND, 10));
        for number in 0..100_000_u32 {
            // A thousand different ones in a second, whose buckets are full again after a tenth of it.
            let (user, now) = (number.to_string(), SECOND + SECOND * number / 1000);
            assert!(buckets.take(Whose::CommandsOf(&user), rate, now));
        }
        assert!(buckets.len() <= 2 * SHARDS * SWEEP_AT, "{}", buckets.len());
    }
}
