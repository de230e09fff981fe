//! Namespaces: what a channel is like, and who may do what in it.
//!
//! A channel's namespace is what stands before its first `:`. The options have Centrifugo's names ([`Settings`],
//! [`Namespace`]). A name that came from outside is parsed once (`name.rs`) into a [`Channel`], which holds its namespace;
//! everything that is decided about it is a function of the two and of who asks (`rights.rs`, `grant.rs`).
//!
//! # Invariants
//!
//! - Nobody may do anything that no option, subscription token or capability lets them.
//! - A [`Channel`] is never one of ours: `inbox:`, `room:`, `dm:` and `naru:` cannot be reached by a name.
//! - [`Namespaces`] do not change. A reload makes new ones; a [`Channel`] keeps the one it was found in.

use std::{collections::HashMap, sync::Arc};

use ahash::RandomState;

mod counted;
mod data;
mod grant;
mod name;
mod rights;
mod settings;

#[cfg(test)]
mod tests;

pub(crate) use counted::Counted;
pub use data::DataFormat;
pub(crate) use grant::{Asked, Granted, Overrides};

pub(crate) use rights::{By, Caps, Who};
pub(crate) use settings::History;
pub use settings::{DeltaType, Namespace, PersonalChannel, RecoveryMode, Settings};

use crate::codes::{Code, Refused};
pub(crate) use name::is_namespace;
use name::{Name, personal};

/// All namespaces of a chat server.
#[derive(Debug)]
pub struct Namespaces {
    /// Of channels without a `:`.
    nameless: Arc<Namespace>,
    named: HashMap<Box<str>, Arc<Namespace>, RandomState>,
    max_length: usize,
    personal: PersonalChannel,
}

/// A channel somebody has named: none of ours, and made of characters that harm nobody.
#[derive(Clone, Debug)]
pub(crate) struct Channel<'a> {
    name: Name<'a>,
    namespace: Arc<Namespace>,
}

impl Default for Namespaces {
    /// What there is without a configuration: see [`Settings::default`].
    fn default() -> Namespaces {
        Namespaces::from(Settings::default())
    }
}

impl From<Settings> for Namespaces {
    fn from(settings: Settings) -> Namespaces {
        let named = settings.namespaces.into_iter().map(|it| (it.name.as_str().into(), Arc::new(it)));
        Namespaces {
            nameless: Arc::new(settings.without_namespace),
            named: named.collect(),
            max_length: settings.max_length,
            personal: settings.subscribe_to_user_personal_channel,
        }
    }
}

impl Namespaces {
    /// What there was in each, by its name: empty for channels without one.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&str, &Counted)> {
        let mut named: Vec<_> = self.named.iter().map(|(name, it)| (&**name, &it.counted)).collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        [("", &self.nameless.counted)].into_iter().chain(named)
    }

    /// Counts on from where others have come that these are there instead of.
    pub(crate) fn count_on(&self, others: &Namespaces) {
        for (name, other) in others.counted() {
            if let Some((_, ours)) = self.counted().find(|(ours, _)| *ours == name) {
                ours.count_on(other);
            }
        }
    }

    /// A channel that a back end names, also by a token: of any namespace there is.
    pub(crate) fn find<'a>(&self, name: &'a str) -> Result<Channel<'a>, Refused> {
        let name = Name::parse(name, self.max_length)?;
        let namespace = match name.namespace() {
            None => &self.nameless,
            Some(namespace) => self.named.get(namespace).ok_or(Code::UnknownChannel)?,
        };
        Ok(Channel { name, namespace: namespace.clone() })
    }

    /// A channel that a client names: it must also look as its namespace wants.
    pub(crate) fn find_for_client<'a>(&self, name: &'a str) -> Result<Channel<'a>, Refused> {
        let channel = self.find(name)?;
        channel.namespace.check_name(&channel.name)?;
        Ok(channel)
    }

    /// The channel that every connection of a user is subscribed to by the server, if there is to be one. `None` also for a
    /// user whose name would make it somebody else's as well.
    pub(crate) fn personal_channel(&self, user: &str) -> Option<String> {
        if !self.personal.enabled {
            return None;
        }
        let name = personal(&self.personal.personal_channel_namespace, user)?;
        (name.len() <= self.max_length).then_some(name)
    }
}

impl Channel<'_> {
    /// Its name, as it was given.
    pub(crate) fn name(&self) -> &str {
        self.name.whole()
    }

    /// What it is like.
    pub(crate) fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }
}
