use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use naru_fanout::Topic;
use naru_resp::Command;

use super::{Acl, Denied, User};
use crate::command::{Called, Entry};

/// What a connection may do: its user, as it was when somebody last looked.
pub(crate) struct Access {
    user: RefCell<Arc<User>>,
    /// Of the users, when somebody last looked.
    generation: Cell<u64>,
    /// The user may do everything.
    is_unrestricted: Cell<bool>,
    is_signed_in: Cell<bool>,
}

impl Access {
    /// Of a connection that begins.
    pub(crate) fn new(acl: &Acl) -> Self {
        let generation = acl.generation();
        let user = acl.default_user();
        Access {
            generation: Cell::new(generation),
            is_unrestricted: Cell::new(user.is_unrestricted()),
            is_signed_in: Cell::new(user.is_open()),
            user: RefCell::new(user),
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.is_signed_in.get()
    }

    /// From here on it is that user's.
    pub(crate) fn sign_in(&self, user: Arc<User>) {
        self.is_signed_in.set(true);
        self.take(user);
    }

    /// Back to how it begins.
    pub(crate) fn sign_out(&self, acl: &Acl) {
        let user = acl.default_user();
        self.is_signed_in.set(user.is_open());
        self.take(user);
    }

    fn take(&self, user: Arc<User>) {
        self.is_unrestricted.set(user.is_unrestricted());
        self.user.replace(user);
    }

    pub(crate) fn user(&self) -> Arc<User> {
        self.user.borrow().clone()
    }

    /// Whether it may run a command, whose arity is right.
    pub(crate) fn check(&self, entry: &Entry, called: Called, command: &Command<'_>) -> Result<(), Denied> {
        if self.is_unrestricted.get() { Ok(()) } else { self.user.borrow().check(entry, called, command) }
    }

    /// Takes up what has become of the user. False if the connection has to end: the user is gone, or may no longer
    /// hear one of `topics`.
    pub(crate) fn follow(&self, acl: &Acl, topics: impl FnOnce() -> Vec<Topic>) -> bool {
        // Read before the user: what changes in between is found again.
        let generation = acl.generation();
        if self.generation.replace(generation) == generation {
            return true;
        }
        let before = self.user();
        let Some(user) = acl.user(before.name()).filter(|user| user.id == before.id) else { return false };
        if Arc::ptr_eq(&before, &user) {
            return true;
        }
        // Who waits to sign in need not, once the default user has no password.
        self.is_signed_in.set(self.is_signed_in.get() || user.is_open());
        let may_stay = user.is_unrestricted() || topics().iter().all(|topic| user.may_hear(topic));
        self.take(user);
        may_stay
    }
}
