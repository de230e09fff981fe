use std::{collections::HashMap, sync::Arc};

use ahash::RandomState;
use naru_ledger::User;
use parking_lot::Mutex;

use crate::codes::Disconnect;

/// Connections of users who are counted nowhere else: those of servers without inboxes.
pub(crate) struct Users {
    /// How many each may have; none: as many as they like.
    most: Option<usize>,
    counts: Mutex<HashMap<User, usize, RandomState>>,
}

/// One of a user's connections, given back when dropped.
pub(crate) struct OfUser {
    all: Arc<Users>,
    user: User,
}

impl Users {
    pub(super) fn new(most: Option<usize>) -> Users {
        Users { most, counts: Mutex::default() }
    }

    /// Takes one of a user's connections, if that is limited.
    pub(crate) fn enter(self: &Arc<Self>, user: &User) -> Result<Option<OfUser>, Disconnect> {
        let Some(most) = self.most else { return Ok(None) };
        let mut counts = self.counts.lock();
        let count = counts.entry(user.clone()).or_default();
        if *count >= most {
            return Err(Disconnect::ConnectionLimit);
        }
        *count += 1;
        Ok(Some(OfUser { all: self.clone(), user: user.clone() }))
    }
}

impl Drop for OfUser {
    fn drop(&mut self) {
        let mut counts = self.all.counts.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}
