//! What good tokens say.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use naru_ledger::User;
use serde_json::value::RawValue;

use super::{
    capability::Capabilities,
    claims::{self, Registered, Seconds},
    fault::{BadToken, Fault},
    once::Once,
    revoked::Mark,
};
use crate::{namespaces::Overrides, publication::Payload};

/// Who has come with a connection token.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Nobody in particular, if there is none.
    pub(crate) user: Option<User>,
    /// When the connection ends unless it is refreshed, in seconds since 1970. It may be over by the leeway.
    pub(crate) expires_at: Option<u64>,
    /// What others are shown beside the name: JSON, or anything if it came as `b64info`.
    pub(crate) info: Option<Payload>,
    /// What the application wants kept beside the connection, never shown to clients.
    pub(crate) meta: Option<Box<RawValue>>,
    /// Channels that the server subscribes the client to.
    pub(crate) subs: BTreeMap<String, Granted>,
    pub(crate) capabilities: Capabilities,
    /// By which the token is known if it is called back.
    pub(crate) mark: Mark,
    /// There if the token opens one connection only: it is yet to be seen whether it has.
    pub(crate) once: Option<Once>,
}

/// What a token says of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    /// What others in the channel are shown beside the connection's own: JSON, or anything if it came as `b64info`.
    pub(crate) info: Option<Payload>,
    /// What the client gets with the subscription, likewise.
    pub(crate) data: Option<Payload>,
    /// What is different from the channel's namespace.
    pub(crate) overrides: Overrides,
}

/// What a subscription token opens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(super) user: String,
    pub(super) channel: String,
    pub(super) client: Option<String>,
    pub(crate) granted: Granted,
    /// When the subscription ends unless it is refreshed, in seconds since 1970.
    pub(crate) expires_at: Option<u64>,
}

impl Identity {
    /// Who may connect without any token.
    pub(crate) fn nobody() -> Identity {
        Identity {
            user: None,
            expires_at: None,
            info: None,
            meta: None,
            subs: BTreeMap::new(),
            capabilities: Capabilities::default(),
            mark: Mark::default(),
            once: None,
        }
    }

    pub(super) fn read(
        claims: claims::Connection,
        registered: &Registered,
        now: u64,
    ) -> Result<Identity, BadToken> {
        if claims.channel.is_some() {
            return Err(Fault::ForSubscription.into());
        }
        let user = match claims.sub.as_str() {
            "" => None,
            name => Some(User::parse(name).map_err(|_| Fault::User)?),
        };
        let mut subs: BTreeMap<String, Granted> =
            claims.channels.into_iter().flatten().map(|channel| (channel, Granted::default())).collect();
        for (channel, claimed) in claims.subs.into_iter().flat_map(|subs| subs.0) {
            subs.insert(channel, Granted::read(claimed)?);
        }
        Ok(Identity {
            user,
            info: payload(claims.info, claims.b64info)?,
            meta: claims.meta,
            subs,
            capabilities: Capabilities::read(claims.caps.unwrap_or_default())?,
            expires_at: expiry(claims.expire_at, registered, now)?,
            mark: Mark::default(),
            once: None,
        })
    }

    /// As it is written in messages: empty for nobody in particular.
    pub(crate) fn user_name(&self) -> &str {
        self.user.as_ref().map_or("", User::as_str)
    }
}

impl Granted {
    pub(super) fn read(claimed: claims::Subscription) -> Result<Granted, Fault> {
        let claims::Subscription { info, b64info, data, b64data, overrides } = claimed;
        Ok(Granted {
            info: payload(info, b64info)?,
            data: payload(data, b64data)?,
            overrides: overrides.map(Overrides::from).unwrap_or_default(),
        })
    }
}

impl Pass {
    pub(super) fn read(
        claims: claims::ForChannel,
        registered: &Registered,
        now: u64,
    ) -> Result<Pass, BadToken> {
        let claims::ForChannel { sub, channel, client, expire_at, info, b64info, data, b64data, overrides } =
            claims;
        let channel = channel.filter(|channel| !channel.is_empty()).ok_or(Fault::ForConnection)?;
        Ok(Pass {
            user: sub,
            channel,
            client,
            granted: Granted::read(claims::Subscription { info, b64info, data, b64data, overrides })?,
            expires_at: expiry(expire_at, registered, now)?,
        })
    }
}

impl From<claims::Overrides> for Overrides {
    fn from(claimed: claims::Overrides) -> Overrides {
        let value = |switch: Option<claims::Switch>| switch.map(|switch| switch.value);
        Overrides {
            presence: value(claimed.presence),
            join_leave: value(claimed.join_leave),
            force_push_join_leave: value(claimed.force_push_join_leave),
            force_recovery: value(claimed.force_recovery),
            force_positioning: value(claimed.force_positioning),
        }
    }
}

/// When what the token opens is over: its `expire_at`, of which 0 means never, or else its own end.
fn expiry(expire_at: Option<Seconds>, registered: &Registered, now: u64) -> Result<Option<u64>, BadToken> {
    match expire_at {
        Some(Seconds(0)) => Ok(None),
        Some(Seconds(end)) if end <= now => Err(BadToken::Over),
        Some(Seconds(end)) => Ok(Some(end)),
        None => Ok(registered.exp.map(|exp| exp.0)),
    }
}

/// JSON as it is, or bytes from base64, which count if both are there.
pub(crate) fn payload(json: Option<Box<RawValue>>, base64: Option<String>) -> Result<Option<Payload>, Fault> {
    match base64 {
        Some(text) if !text.is_empty() => {
            let bytes = STANDARD.decode(text).map_err(|_| Fault::NotBase64)?;
            Ok(Some(Payload::of(bytes.into())))
        }
        _ => Ok(json.map(Payload::from)),
    }
}
