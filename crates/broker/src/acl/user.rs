use naru_fanout::Topic;
use naru_resp::Command;

use super::{
    password_hash::PasswordHash,
    rule::BadRule,
    selector::{Denied, Selector},
};
use crate::command::{Called, Entry};

/// The user of connections that have not signed in as another.
pub(crate) const DEFAULT: &[u8] = b"default";

/// Tells a user from one of the same name that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserId(pub(super) u64);

/// Somebody with passwords and rules.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(super) id: UserId,
    pub(super) name: Box<[u8]>,
    is_on: bool,
    /// Any password will do.
    needs_no_password: bool,
    /// As was said (`sanitize-payload`, `skip-sanitize-payload`); there is nothing here that it would change.
    sanitizes: Option<bool>,
    passwords: Vec<PasswordHash>,
    /// What the rules outside of parentheses say.
    root: Selector,
    selectors: Vec<Selector>,
}

impl User {
    /// A user that may do nothing, and not sign in.
    pub(super) fn new(id: UserId, name: &[u8], all_channels: bool) -> Self {
        User {
            id,
            name: name.into(),
            is_on: false,
            needs_no_password: false,
            sanitizes: None,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// The default user as it is before anybody says otherwise: it may do everything.
    pub(super) fn open(id: UserId) -> Self {
        User { is_on: true, needs_no_password: true, root: Selector::all(), ..User::new(id, DEFAULT, true) }
    }

    /// Gives it this password and no other (`requirepass`); none lets everybody in.
    pub(super) fn set_only_password(&mut self, password: Option<PasswordHash>) {
        self.needs_no_password = password.is_none();
        self.passwords = password.into_iter().collect();
    }

    /// Takes one rule. If it is refused, nothing has changed.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), BadRule> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"nopass" => self.set_only_password(None),
            b"resetpass" => {
                self.needs_no_password = false;
                self.passwords.clear();
            }
            b"sanitize-payload" => self.sanitizes = Some(true),
            b"skip-sanitize-payload" => self.sanitizes = Some(false),
            b"clearselectors" => self.selectors.clear(),
            b"reset" => {
                *self = User { sanitizes: Some(true), ..User::new(self.id, &self.name, all_channels) };
            }
            [b'>', ..] => self.add_password(PasswordHash::of(&rule[1..])),
            [b'#', ..] => self.add_password(PasswordHash::parse(&rule[1..])?),
            [b'<', ..] => self.remove_password(&PasswordHash::of(&rule[1..]))?,
            [b'!', ..] => self.remove_password(&PasswordHash::parse(&rule[1..])?)?,
            [b'(', .., b')'] => {
                self.selectors.push(Selector::parse(&rule[1..rule.len() - 1], all_channels)?);
            }
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    fn add_password(&mut self, password: PasswordHash) {
        self.needs_no_password = false;
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
    }

    fn remove_password(&mut self, password: &PasswordHash) -> Result<(), BadRule> {
        let at = self.passwords.iter().position(|known| known == password);
        self.passwords.remove(at.ok_or(BadRule::NoSuchPassword)?);
        Ok(())
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The name for people to read.
    pub(crate) fn shown_name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(crate) fn needs_no_password(&self) -> bool {
        self.needs_no_password
    }

    /// Whether who comes is it without signing in, if it is the default user.
    pub(crate) fn is_open(&self) -> bool {
        self.is_on && self.needs_no_password
    }

    /// Whether one can sign in with that. Every password is compared, whichever it is.
    pub(super) fn accepts(&self, password: &PasswordHash) -> bool {
        let fits = self.passwords.iter().fold(false, |fits, known| known.is(password) | fits);
        self.is_on && (self.needs_no_password || fits)
    }

    /// Whether there is nothing that it may not do, so that nothing need be asked.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.root.allows_everything()
    }

    /// Whether it may run a command, whose arity is right.
    pub(crate) fn check(&self, entry: &Entry, called: Called, command: &Command<'_>) -> Result<(), Denied> {
        let mut worst = Denied::Command;
        for selector in self.every_selector() {
            match selector.check(entry, called, command) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether it may be subscribed to that.
    pub(crate) fn may_hear(&self, topic: &Topic) -> bool {
        let is_pattern = matches!(topic, Topic::Pattern(_));
        self.every_selector().any(|selector| selector.allows_channel(topic.name(), is_pattern))
    }

    fn every_selector(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Its flags, in Redis's order.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        flags.extend(self.needs_no_password.then_some("nopass"));
        flags.extend(match self.sanitizes {
            Some(true) => Some("sanitize-payload"),
            Some(false) => Some("skip-sanitize-payload"),
            None => None,
        });
        flags
    }

    /// Its passwords' hashes, in hexadecimal.
    pub(crate) fn passwords(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(PasswordHash::hexadecimal)
    }

    /// Commands, keys and channels of the rules outside of parentheses, then of each selector.
    pub(crate) fn descriptions(&self) -> Vec<Description> {
        let describe = |selector: &Selector| Description {
            commands: selector.describe_commands(),
            keys: selector.describe_keys(),
            channels: selector.describe_channels(),
        };
        self.every_selector().map(describe).collect()
    }

    /// A line of an ACL file: the rules that make this user from nothing.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut words = vec![b"user".to_vec(), self.name.to_vec()];
        words.extend(self.flags().into_iter().map(Vec::from));
        words.extend(self.passwords().map(|hash| format!("#{hash}").into_bytes()));
        words.push(self.root.describe());
        words.extend(self.selectors.iter().map(|selector| [b"(", &*selector.describe(), b")"].concat()));
        words.join(&b' ')
    }
}

/// What a set of rules allows, each as rules.
pub(crate) struct Description {
    pub(crate) commands: String,
    pub(crate) keys: Vec<u8>,
    pub(crate) channels: Vec<u8>,
}
