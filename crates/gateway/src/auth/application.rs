//! What the application itself says of connections and subscriptions, where a hook asks it: as tokens do, but for what a
//! token has to prove.

use std::collections::BTreeMap;

use naru_ledger::User;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    capability::Capabilities,
    claims::{self, Distinct, Seconds},
    fault::Fault,
    identity::{Granted, Identity, payload},
    revoked::Mark,
};
use crate::publication::Payload;

/// The result of the hook of connect.
#[derive(Deserialize)]
pub(crate) struct OfConnection {
    user: String,
    expire_at: Option<Seconds>,
    info: Option<Box<RawValue>>,
    b64info: Option<String>,
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
    channels: Option<Vec<String>>,
    subs: Option<Distinct<claims::Subscription>>,
    meta: Option<Box<RawValue>>,
    caps: Option<Vec<claims::Capability>>,
}

/// The result of the hook of subscribe.
#[derive(Deserialize)]
pub(crate) struct OfSubscription {
    expire_at: Option<Seconds>,
    info: Option<Box<RawValue>>,
    b64info: Option<String>,
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
    #[serde(rename = "override")]
    overrides: Option<claims::Overrides>,
}

/// The result of the hooks that prolong connections and subscriptions.
#[derive(Deserialize)]
pub(crate) struct OfRefresh {
    #[serde(default)]
    pub(crate) expired: bool,
    expire_at: Option<Seconds>,
    info: Option<Box<RawValue>>,
    b64info: Option<String>,
    pub(crate) meta: Option<Box<RawValue>>,
}

impl OfConnection {
    /// Who connects, and what is sent to it. The expiry may have passed.
    pub(crate) fn read(self) -> Result<(Identity, Option<Payload>), Fault> {
        let user = match self.user.as_str() {
            "" => None,
            name => Some(User::parse(name).map_err(|_| Fault::User)?),
        };
        let mut subs: BTreeMap<String, Granted> =
            self.channels.into_iter().flatten().map(|channel| (channel, Granted::default())).collect();
        for (channel, said) in self.subs.into_iter().flat_map(|subs| subs.0) {
            subs.insert(channel, Granted::read(said)?);
        }
        let identity = Identity {
            user,
            expires_at: end(self.expire_at),
            info: payload(self.info, self.b64info)?,
            meta: self.meta,
            subs,
            capabilities: Capabilities::read(self.caps.unwrap_or_default())?,
            mark: Mark::default(),
            once: None,
        };
        Ok((identity, payload(self.data, self.b64data)?))
    }
}

impl OfSubscription {
    /// What the subscription is like, and when it ends, in seconds since 1970. That may have passed.
    pub(crate) fn read(self) -> Result<(Granted, Option<u64>), Fault> {
        let OfSubscription { expire_at, info, b64info, data, b64data, overrides } = self;
        let granted = Granted::read(claims::Subscription { info, b64info, data, b64data, overrides })?;
        Ok((granted, end(expire_at)))
    }
}

impl OfRefresh {
    /// When it ends from now on, in seconds since 1970.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        end(self.expire_at)
    }

    /// What others are shown from now on, if that changes.
    pub(crate) fn info(&mut self) -> Result<Option<Payload>, Fault> {
        payload(self.info.take(), self.b64info.take())
    }
}

/// 0 means never.
fn end(expire_at: Option<Seconds>) -> Option<u64> {
    expire_at.map(|Seconds(end)| end).filter(|end| *end > 0)
}
