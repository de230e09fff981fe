use std::sync::Arc;

use naru_resp::Command;

use super::{Access, Acl, DEFAULT, Denied, User, Users, password_hash::PasswordHash};
use crate::command::{Called, Entry};

/// Who a client will be, and what it may do, behind commands of a transaction that are not executed yet.
pub(crate) struct Foreseen {
    users: Users,
    user: Arc<User>,
    all_channels: bool,
}

impl Foreseen {
    /// Before the first of them.
    pub(crate) fn new(acl: &Acl, access: &Access) -> Self {
        let all_channels = acl.gives_all_channels();
        Foreseen { users: acl.users.lock().clone(), user: access.user(), all_channels }
    }

    /// Whether the client may run a command then, whose arity is right.
    pub(crate) fn check(&self, entry: &Entry, called: Called, command: &Command<'_>) -> Result<(), Denied> {
        if self.user.is_unrestricted() { Ok(()) } else { self.user.check(entry, called, command) }
    }

    /// `AUTH password`
    pub(crate) fn sign_in_as_default(&mut self, password: &[u8]) {
        if self.users.get(DEFAULT).is_some_and(|user| !user.needs_no_password()) {
            self.sign_in(DEFAULT, password);
        }
    }

    /// `AUTH user password`
    pub(crate) fn sign_in(&mut self, name: &[u8], password: &[u8]) {
        if let Some(user) = self.users.authenticate(name, &PasswordHash::of(password)) {
            self.user = user.clone();
        }
    }

    /// `ACL SETUSER`
    pub(crate) fn set(&mut self, name: &[u8], rules: &[&[u8]]) {
        // One that is refused changes nothing, then as now.
        let _ = self.users.set(name, rules, self.all_channels);
        self.follow();
    }

    /// `ACL DELUSER`
    pub(crate) fn delete<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) {
        self.users.delete(names.filter(|name| *name != DEFAULT));
        self.follow();
    }

    /// What has become of the user; who has none any more is who has not signed in.
    fn follow(&mut self) {
        let same = self.users.get(&self.user.name).filter(|user| user.id == self.user.id);
        if let Some(user) = same.or_else(|| self.users.get(DEFAULT)) {
            self.user = user.clone();
        }
    }
}
