//! Who may do what in a channel: pure functions of the channel, its namespace and who asks.
//!
//! "Any client" means any where anybody may be. In a channel that is private or for listed users, the switches for clients
//! let only those who are in it, or on the list: else publishing and reading would not be as closed as subscribing.

use super::Channel;
use crate::codes::{Code, Refused};

/// Who asks, in view of one channel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Who<'a> {
    /// Empty for the anonymous.
    pub(crate) user: &'a str,
    /// Whether this connection is subscribed to the channel.
    pub(crate) is_subscribed: bool,
    /// What its token lets it do in this channel.
    pub(crate) caps: Caps,
}

/// The capabilities of a connection token, as far as they speak of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caps {
    pub(crate) subscribe: bool,
    pub(crate) publish: bool,
    pub(crate) presence: bool,
    pub(crate) history: bool,
}

/// By what something is allowed, as far as its allower has more to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By<'c> {
    /// A subscription token, which may carry options.
    Token,
    /// A rule here. Nothing more to ask.
    Rule,
    /// The back end decides: the proxy of this name is to be asked.
    Hook(&'c str),
}

/// One row of a namespace's switches.
struct Switches {
    client: bool,
    subscriber: bool,
    anonymous: bool,
}

impl Channel<'_> {
    /// Whether somebody may subscribe. `has_token` if they came with a good subscription token for this channel and user;
    /// a bad one is refused before.
    pub(crate) fn may_subscribe(&self, who: &Who<'_>, has_token: bool) -> Result<By<'_>, Refused> {
        if has_token {
            return Ok(By::Token);
        }
        let options = &*self.namespace;
        if who.caps.subscribe {
            return Ok(By::Rule);
        }
        if self.name.is_private() {
            return Err(Code::PermissionDenied.into());
        }
        if let Some(users) = self.name.users().filter(|_| options.allow_user_limited_channels) {
            // The list alone counts: a hook is not asked about a channel that names its users.
            return if users.have(who.user) { Ok(By::Rule) } else { Err(Code::PermissionDenied.into()) };
        }
        if options.subscribe_proxy_enabled {
            return Ok(By::Hook(&options.subscribe_proxy_name));
        }
        let switches = Switches {
            client: options.allow_subscribe_for_client,
            subscriber: false,
            anonymous: options.allow_subscribe_for_anonymous,
        };
        // Who is in may not come in for that.
        let who = &Who { is_subscribed: false, ..*who };
        self.lets(&switches, who).then_some(By::Rule).ok_or(Code::PermissionDenied.into())
    }

    /// Whether somebody may publish.
    pub(crate) fn may_publish(&self, who: &Who<'_>) -> Result<By<'_>, Refused> {
        let options = &*self.namespace;
        if who.caps.publish {
            return Ok(By::Rule);
        }
        if options.publish_proxy_enabled {
            return Ok(By::Hook(&options.publish_proxy_name));
        }
        let switches = Switches {
            client: options.allow_publish_for_client,
            subscriber: options.allow_publish_for_subscriber,
            anonymous: options.allow_publish_for_anonymous,
        };
        self.lets(&switches, who).then_some(By::Rule).ok_or(Code::PermissionDenied.into())
    }

    /// Whether somebody may read what was published.
    pub(crate) fn may_read_history(&self, who: &Who<'_>) -> Result<(), Refused> {
        if self.namespace.history().is_none() {
            return Err(Code::NotAvailable.into());
        }
        if self.has_history_access(who) { Ok(()) } else { Err(Code::PermissionDenied.into()) }
    }

    /// Whether somebody may see who is there, or how many.
    pub(crate) fn may_see_presence(&self, who: &Who<'_>) -> Result<(), Refused> {
        if !self.namespace.presence {
            return Err(Code::NotAvailable.into());
        }
        if self.has_presence_access(who) { Ok(()) } else { Err(Code::PermissionDenied.into()) }
    }

    pub(super) fn has_history_access(&self, who: &Who<'_>) -> bool {
        let options = &*self.namespace;
        let switches = Switches {
            client: options.allow_history_for_client,
            subscriber: options.allow_history_for_subscriber,
            anonymous: options.allow_history_for_anonymous,
        };
        who.caps.history || self.lets(&switches, who)
    }

    pub(super) fn has_presence_access(&self, who: &Who<'_>) -> bool {
        let options = &*self.namespace;
        let switches = Switches {
            client: options.allow_presence_for_client,
            subscriber: options.allow_presence_for_subscriber,
            anonymous: options.allow_presence_for_anonymous,
        };
        who.caps.presence || self.lets(&switches, who)
    }

    fn lets(&self, switches: &Switches, who: &Who<'_>) -> bool {
        let is_let = (switches.client && (who.is_subscribed || self.is_open_to(who)))
            || (switches.subscriber && who.is_subscribed);
        is_let && (!who.user.is_empty() || switches.anonymous)
    }

    /// Whether nothing in the name keeps them out.
    fn is_open_to(&self, who: &Who<'_>) -> bool {
        let is_listed = match self.name.users() {
            None => true,
            // Where there are no such channels, a list lets nobody in.
            Some(users) => self.namespace.allow_user_limited_channels && users.have(who.user),
        };
        is_listed && !self.name.is_private()
    }
}
