//! Who may do what: users, their passwords and their rules, as Redis has them (`ACL`).
//!
//! A [`User`] does not change; a changed one takes its place, and then a generation is counted up. A client keeps a
//! reference to its user ([`Access`]) and compares the generation once each time it has read something, so a rule that
//! was changed before a command was sent holds for it, on whichever core; beside that every core is sent word, for
//! clients that only listen. So a command of a user who may do everything costs one look at a flag of the client's own,
//! and one of a restricted user a bit, and globs for its keys and channels. Only who signs in, or has found a new
//! generation, takes the lock.
//!
//! The rules are those of Redis 7.0's `ACL SETUSER`; how they are remembered is told in [`commands`].

mod access;
mod commands;
mod file;
mod foreseen;
mod log;
mod password_hash;
mod rule;
mod selector;
#[cfg(test)]
mod tests;
mod user;

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

pub(crate) use access::Access;
pub(crate) use foreseen::Foreseen;
pub(crate) use log::{AclLog, LogEntry, Reason};
pub(crate) use rule::has_spaces;
pub(crate) use selector::Denied;
pub(crate) use user::{DEFAULT, User};

use crate::password::Password;
use file::FileUser;
use password_hash::PasswordHash;
use rule::{BadRule, Unclosed, joined, shown};
use user::UserId;

/// What a broker is told about users when it starts.
#[derive(Clone, Debug, Default)]
pub struct AclOptions {
    /// The users beside the default one.
    pub users: UserSource,
    /// New users may use all channels (`acl-pubsub-default allchannels`).
    pub all_channels: bool,
    /// Entries of `ACL LOG` at most; none is Redis's 128.
    pub log_len_max: Option<u64>,
}

/// Where users come from.
#[derive(Clone, Debug, Default)]
pub enum UserSource {
    /// From nowhere: they are made while the broker runs, and gone with it.
    #[default]
    Nowhere,
    /// From a file, which `ACL LOAD` reads again and `ACL SAVE` writes.
    File(PathBuf),
    /// From a configuration.
    Lines(Vec<UserLine>),
}

/// A user of a configuration.
#[derive(Clone)]
pub struct UserLine {
    /// Where it stands, for errors.
    pub place: String,
    /// The name, and the rules as `ACL SETUSER` takes them.
    pub words: Vec<String>,
}

impl std::fmt::Debug for UserLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The rules may hold passwords.
        write!(f, "UserLine({})", self.place)
    }
}

/// Why users were not taken in; the text says where and what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AclError(String);

/// Why `ACL SETUSER` changed nothing; the texts are Redis's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NotSet {
    #[error("Unmatched parenthesis in acl selector starting at '{0}'.")]
    Unclosed(String),
    #[error("Error in ACL SETUSER modifier '{0}': {1}")]
    Refused(String, BadRule),
}

/// The users, and who was refused what.
pub(crate) struct Acl {
    users: Mutex<Users>,
    /// Counted up after each change of the users.
    generation: AtomicU64,
    /// 1 if new users may use all channels (`acl-pubsub-default`).
    pub(crate) all_channels: AtomicI64,
    pub(crate) log: AclLog,
    file: Option<PathBuf>,
    /// Held while the file is read or written.
    file_use: Mutex<()>,
}

#[derive(Clone)]
struct Users {
    by_name: BTreeMap<Box<[u8]>, Arc<User>>,
    next: u64,
    /// What `requirepass` says, for a default user that nothing else says anything of.
    password: Option<Arc<Password>>,
}

impl Users {
    fn new_id(&mut self) -> UserId {
        self.next += 1;
        UserId(self.next)
    }

    fn put(&mut self, user: User) {
        self.by_name.insert(user.name().into(), Arc::new(user));
    }

    fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user of that name, if the password is one of its.
    fn authenticate(&self, name: &[u8], password: &PasswordHash) -> Option<&Arc<User>> {
        self.get(name).filter(|user| user.accepts(password))
    }

    /// Makes or changes a user by all of these rules, or by none.
    fn set(&mut self, name: &[u8], rules: &[&[u8]], all_channels: bool) -> Result<(), NotSet> {
        let rules = joined(rules).map_err(|Unclosed(at)| NotSet::Unclosed(shown(rules[at])))?;
        let mut user = match self.get(name) {
            Some(user) => User::clone(user),
            None => User::new(self.new_id(), name, all_channels),
        };
        for rule in rules {
            user.apply(&rule, all_channels).map_err(|bad| NotSet::Refused(shown(&rule), bad))?;
        }
        self.put(user);
        Ok(())
    }

    /// Deletes users; how many there were. Not for the default user.
    fn delete<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) -> usize {
        names.filter(|name| self.by_name.remove(*name).is_some()).count()
    }

    /// A default user that nobody has said anything of but `requirepass`. Redis forgets that password when an ACL file
    /// does not name the default user, and so lets everybody in.
    fn untouched_default(&mut self) -> User {
        let mut user = User::open(self.new_id());
        user.set_only_password(
            self.password.as_deref().map(|password| PasswordHash::of(password.as_bytes())),
        );
        user
    }
}

impl Acl {
    /// The users as they are told, and the default one.
    pub(crate) fn new(options: &AclOptions, password: Option<Password>) -> Result<Acl, AclError> {
        let mut users = Users { by_name: BTreeMap::new(), next: 0, password: password.map(Arc::new) };
        let default = users.untouched_default();
        users.put(default);
        let file = match &options.users {
            UserSource::File(file) => Some(file.clone()),
            UserSource::Nowhere | UserSource::Lines(_) => None,
        };
        if let UserSource::Lines(lines) = &options.users {
            add_lines(&mut users, lines, options.all_channels)?;
        }
        let acl = Acl {
            users: Mutex::new(users),
            generation: AtomicU64::new(0),
            all_channels: AtomicI64::new(options.all_channels.into()),
            log: AclLog::default(),
            file,
            file_use: Mutex::default(),
        };
        if acl.file.is_some() {
            acl.load().map_err(AclError)?;
        }
        Ok(acl)
    }

    /// Changes with every change of the users.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The user called so.
    pub(crate) fn user(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.lock().get(name).cloned()
    }

    /// The user of who has not signed in.
    pub(crate) fn default_user(&self) -> Arc<User> {
        self.user(DEFAULT).expect("the default user is there from the start and cannot be deleted")
    }

    /// All users, by name.
    pub(crate) fn users(&self) -> Vec<Arc<User>> {
        self.users.lock().by_name.values().cloned().collect()
    }

    /// The user of that name, if the password is one of its.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let password = PasswordHash::of(password);
        self.users.lock().authenticate(name, &password).cloned()
    }

    /// Makes or changes a user by all of these rules, or by none.
    pub(crate) fn set(&self, name: &[u8], rules: &[&[u8]]) -> Result<(), NotSet> {
        self.users.lock().set(name, rules, self.gives_all_channels())?;
        self.changed();
        Ok(())
    }

    /// Deletes users; how many there were. Not for the default user.
    pub(crate) fn delete<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> usize {
        let deleted = self.users.lock().delete(names);
        self.changed();
        deleted
    }

    /// Whether new users may use all channels.
    pub(crate) fn gives_all_channels(&self) -> bool {
        self.all_channels.load(Ordering::Relaxed) != 0
    }

    /// What was last given as `requirepass`.
    pub(crate) fn default_password(&self) -> Option<Arc<Password>> {
        self.users.lock().password.clone()
    }

    /// Gives the default user this password and no other (`requirepass`); none lets everybody in.
    pub(crate) fn set_default_password(&self, password: Option<Password>) {
        let mut users = self.users.lock();
        users.password = password.map(Arc::new);
        let password = users.password.as_deref().map(|password| PasswordHash::of(password.as_bytes()));
        if let Some(user) = users.by_name.get_mut(DEFAULT) {
            let mut changed = User::clone(user);
            changed.set_only_password(password);
            *user = Arc::new(changed);
        }
        drop(users);
        self.changed();
    }

    /// The ACL file, if there is one.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Takes the users of the file in place of those there are, all or none. Who stays under its name stays the same
    /// user.
    pub(crate) fn load(&self) -> Result<(), String> {
        let Some(path) = &self.file else { return Ok(()) };
        let all_channels = self.gives_all_channels();
        let _in_use = self.file_use.lock();
        let read = file::read(path, |user| tried(user, all_channels))?;
        let mut users = self.users.lock();
        let mut before = std::mem::take(&mut users.by_name);
        for FileUser { name, rules } in read {
            let id = before.remove(&*name).map_or_else(|| users.new_id(), |user| user.id);
            let mut user = User::new(id, &name, all_channels);
            for rule in rules {
                user.apply(&rule, all_channels).expect("the same rules were tried out above on such a user");
            }
            users.put(user);
        }
        if let Some(user) = before.remove(DEFAULT) {
            let mut default = users.untouched_default();
            default.id = user.id;
            users.put(default);
        }
        drop(users);
        self.changed();
        Ok(())
    }

    /// Writes the users into the file, and has them on disk.
    pub(crate) fn save(&self) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let _in_use = self.file_use.lock();
        file::write(path, self.users().iter().map(|user| user.line()))
    }
}

/// What is wrong with a user's rules. As in Redis, of the faults that are not about a command's name only the first is
/// told, since it may be why there are others.
fn tried(FileUser { name, rules }: &FileUser, all_channels: bool) -> Vec<String> {
    let mut user = User::new(UserId(0), name, all_channels);
    let (mut faults, mut has_fault) = (Vec::new(), false);
    for rule in rules {
        match user.apply(rule, all_channels) {
            Ok(()) => {}
            Err(unknown @ BadRule::Unknown) => {
                faults.push(format!("Error in applying operation '{}': {unknown}", shown(rule)));
            }
            Err(bad) => {
                if !std::mem::replace(&mut has_fault, true) {
                    faults.push(bad.to_string());
                }
            }
        }
    }
    faults
}

/// Takes in the `user` lines of a configuration.
fn add_lines(users: &mut Users, lines: &[UserLine], all_channels: bool) -> Result<(), AclError> {
    let mut named = std::collections::BTreeSet::new();
    for UserLine { place, words } in lines {
        let wrong = |why: String| AclError(format!("{place}: user: {why}"));
        let Some((name, rules)) = words.split_first() else {
            return Err(wrong("it takes a name, and rules".into()));
        };
        if has_spaces(name.as_bytes()) {
            return Err(wrong("a user's name has no spaces".into()));
        }
        if !named.insert(name) {
            return Err(wrong(format!("{name} is in the configuration already")));
        }
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        let rules = joined(&rules).map_err(|_| wrong("a parenthesis is not closed".into()))?;
        let id = users.by_name.get(name.as_bytes()).map(|user| user.id);
        let id = id.unwrap_or_else(|| users.new_id());
        let mut user = User::new(id, name.as_bytes(), all_channels);
        for rule in rules {
            user.apply(&rule, all_channels).map_err(|bad| wrong(format!("'{}': {bad}", shown(&rule))))?;
        }
        if !user.is_on() {
            tracing::warn!(user = name, "this user of the configuration is off: the word \"on\" is missing");
        }
        users.put(user);
    }
    Ok(())
}
