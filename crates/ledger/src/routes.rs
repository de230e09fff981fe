//! Which servers hold a connection of whom. Volatile: servers say it again after a restart.

use std::collections::{HashMap, HashSet};

use crate::names::{Server, User};

/// A set of (user, server), read from either side. Both maps hold the same pairs, and no empty sets.
#[derive(Debug, Default, Clone)]
pub(crate) struct Routes {
    /// Few servers hold the same user, so a list finds them faster than a set.
    servers: HashMap<User, Vec<Server>>,
    users: HashMap<Server, HashSet<User>>,
}

impl Routes {
    pub(crate) fn servers(&self, user: &User) -> &[Server] {
        self.servers.get(user).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn insert(&mut self, user: &User, server: &Server) {
        if self.users.entry(server.clone()).or_default().insert(user.clone()) {
            self.servers.entry(user.clone()).or_default().push(server.clone());
        }
    }

    pub(crate) fn remove(&mut self, user: &User, server: &Server) {
        if let Some(users) = self.users.get_mut(server)
            && users.remove(user)
        {
            if users.is_empty() {
                self.users.remove(server);
            }
            self.forget(user, server);
        }
    }

    pub(crate) fn remove_server(&mut self, server: &Server) {
        for user in self.users.remove(server).unwrap_or_default() {
            self.forget(&user, server);
        }
    }

    fn forget(&mut self, user: &User, server: &Server) {
        if let Some(servers) = self.servers.get_mut(user) {
            servers.retain(|other| other != server);
            if servers.is_empty() {
                self.servers.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_gone_holds_nobody_and_leaves_nothing_behind() {
        let [alice, bob] = ["alice", "bob"].map(|name| User::parse(name).unwrap());
        let [one, two] = ["one", "two"].map(|name| Server::parse(name).unwrap());
        let mut routes = Routes::default();
        routes.insert(&alice, &one);
        routes.insert(&alice, &one);
        routes.insert(&alice, &two);
        routes.insert(&bob, &one);
        assert_eq!(routes.servers(&alice), [one.clone(), two.clone()]);

        routes.remove_server(&one);
        assert_eq!(routes.servers(&alice), std::slice::from_ref(&two));
        assert!(routes.servers(&bob).is_empty());

        routes.remove(&bob, &one);
        routes.remove(&alice, &two);
        assert!(routes.servers.is_empty() && routes.users.is_empty());
    }
}
