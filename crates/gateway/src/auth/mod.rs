//! Who a client is and what it may do: connection tokens and subscription tokens.
//!
//! A token is a JWT. It is opened in three steps, and each has a file: `keys.rs` finds the configured key that has signed it,
//! `claims.rs` reads what it says with strict types, `identity.rs` makes of that what a session works with. Keys that
//! another server publishes are `jwks.rs`.
//!
//! # Invariants
//!
//! - What a token's header says never widens what a key is used for: a key has its algorithms, shared secrets and public keys
//!   are apart, and no key comes from a token.
//! - No claim is read before a configured key has verified the signature.
//! - Whoever has no token, or one without a name, gets in only if the configuration says so.
//! - No token and no secret reaches a log or an error.

mod algorithm;
mod application;
mod capability;
mod claims;
mod fault;
mod header;
mod identity;
mod jwk;
mod jwks;
mod key;
mod keys;
mod once;
mod revoked;
mod settings;
mod signer;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

pub use algorithm::Algorithm;
pub(crate) use application::{OfConnection, OfRefresh, OfSubscription};
pub(crate) use capability::Capabilities;
pub(crate) use fault::{BadToken, Fault};
pub(crate) use identity::{Granted, Identity, Pass, payload};
pub use key::BadKey;
pub(crate) use once::Once;
pub(crate) use revoked::{Mark, Revocation, Revoke, Revoked, TooMany, hex_digest};
pub use settings::{BadSettings, KeySettings, Settings};
pub use signer::{EmptySecret, TokenKey};

use self::{
    claims::Registered,
    jwks::Jwks,
    keys::Keys,
    settings::{Checked, Expected},
};
use crate::{
    codes::{Code, Disconnect, Failure, Refused},
    outbound::Outbound,
};

/// Which tokens are accepted: valid settings.
pub struct Tokens {
    connection: Checked,
    subscription: Option<Checked>,
    admits_nameless: bool,
    admits_tokenless: bool,
    connects_once: bool,
}

/// Opens tokens.
pub(crate) struct Auth {
    connection: Verifier,
    subscription: Option<Verifier>,
    jwks: Vec<Arc<Jwks>>,
    revoked: Arc<Revoked>,
    admits_nameless: bool,
    admits_tokenless: bool,
    connects_once: bool,
    /// Whether the log has said what to do about tokens without an end.
    has_warned: AtomicBool,
}

struct Verifier {
    keys: Keys,
    audience: Expected,
    issuer: Expected,
    leeway: u64,
    require_exp: bool,
    lifetime_max: Option<u64>,
}

/// The connection that asks for a subscription.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    /// Empty for nobody in particular.
    pub(crate) user: &'a str,
    pub(crate) client: &'a str,
}

impl Tokens {
    /// Checks the settings. `subscription` is there if subscription tokens are of other keys than connection tokens.
    pub fn new(connection: Settings, subscription: Option<Settings>) -> Result<Tokens, BadSettings> {
        let admits_nameless = connection.allow_anonymous_connection_tokens;
        let admits_tokenless = connection.allow_anonymous_connect_without_token;
        let connects_once = connection.connect_once;
        if !connection.has_keys() && !admits_tokenless {
            return Err(BadSettings::NoKey);
        }
        if let Some(subscription) = &subscription {
            for (name, is_set) in [
                ("allow_anonymous_connection_tokens", subscription.allow_anonymous_connection_tokens),
                ("allow_anonymous_connect_without_token", subscription.allow_anonymous_connect_without_token),
                ("connect_once", subscription.connect_once),
            ] {
                if is_set {
                    return Err(BadSettings::NotHere(name));
                }
            }
            if !subscription.has_keys() {
                return Err(BadSettings::NoKey);
            }
        }
        Ok(Tokens {
            connection: connection.try_into()?,
            subscription: subscription.map(Checked::try_from).transpose()?,
            admits_nameless,
            admits_tokenless,
            connects_once,
        })
    }

    /// Whether keys are fetched by TLS, so that the gateway needs to know whom to believe.
    pub fn want_tls(&self) -> bool {
        let checked = std::iter::once(&self.connection).chain(&self.subscription);
        checked.filter_map(|checked| checked.jwks.as_ref()).any(|(endpoint, _)| endpoint.is_encrypted())
    }
}

impl Auth {
    pub(crate) fn new(tokens: Tokens, outbound: &Outbound) -> Auth {
        let mut jwks = Vec::new();
        let mut verifier = |checked: Checked| {
            let published =
                checked.jwks.map(|(endpoint, every)| Arc::new(Jwks::new(endpoint, every, outbound.clone())));
            jwks.extend(published.clone());
            Verifier {
                keys: Keys::new(checked.keys, published),
                audience: checked.audience,
                issuer: checked.issuer,
                leeway: checked.leeway.as_secs(),
                require_exp: checked.require_exp,
                lifetime_max: checked.lifetime_max.map(|lifetime| lifetime.as_secs()),
            }
        };
        Auth {
            connection: verifier(tokens.connection),
            subscription: tokens.subscription.map(verifier),
            jwks,
            revoked: Arc::default(),
            admits_nameless: tokens.admits_nameless,
            admits_tokenless: tokens.admits_tokenless,
            connects_once: tokens.connects_once,
            has_warned: AtomicBool::new(false),
        }
    }

    /// The tokens that were called back.
    pub(crate) fn revoked(&self) -> &Arc<Revoked> {
        &self.revoked
    }

    /// Keeps published keys fresh, for ever.
    pub(crate) async fn keep_keys(&self) {
        futures_util::future::join_all(self.jwks.iter().map(|jwks| jwks.keep())).await;
        std::future::pending().await
    }

    /// Who connects with this token, or without any.
    pub(crate) async fn connect(&self, token: &str) -> Result<Identity, Failure> {
        if token.is_empty() {
            let admitted = self.admits_tokenless.then(Identity::nobody);
            return admitted.ok_or_else(|| Disconnect::BadRequest.into());
        }
        self.connection(token, unix_seconds()).await.map_err(|bad| match self.said(bad, "connect") {
            BadToken::Invalid(_) => Disconnect::InvalidToken.into(),
            BadToken::Expired | BadToken::Revoked => Code::TokenExpired.into(),
            BadToken::Over => Code::Expired.into(),
            BadToken::Undecided => Refused::later().into(),
        })
    }

    /// Who a connection of `user`, which is empty for nobody in particular, is from now on. Whether the token names other
    /// channels than the one before is the session's to see.
    pub(crate) async fn refresh(&self, token: &str, user: &str) -> Result<Identity, Failure> {
        if token.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let opened = self.connection(token, unix_seconds()).await.and_then(|identity| {
            if identity.user_name() == user { Ok(identity) } else { Err(Fault::NotTheirs.into()) }
        });
        opened.map_err(|bad| match self.said(bad, "refresh") {
            BadToken::Invalid(_) => Disconnect::InvalidToken.into(),
            // The client comes back and asks for a new token.
            BadToken::Expired | BadToken::Revoked | BadToken::Over => Disconnect::Expired.into(),
            BadToken::Undecided => Refused::later().into(),
        })
    }

    /// What a subscription token opens in this channel for the connection that shows it.
    pub(crate) async fn subscribe(
        &self,
        token: &str,
        channel: &str,
        holder: Holder<'_>,
    ) -> Result<Pass, Failure> {
        self.pass(token, channel, holder).await.map_err(|bad| match self.said(bad, "subscribe") {
            BadToken::Invalid(Fault::NotTheirs) => Disconnect::InvalidToken.into(),
            BadToken::Invalid(_) => Code::PermissionDenied.into(),
            BadToken::Expired | BadToken::Revoked => Code::TokenExpired.into(),
            BadToken::Over => Code::Expired.into(),
            BadToken::Undecided => Refused::later().into(),
        })
    }

    /// The same for a subscription that there is.
    pub(crate) async fn sub_refresh(
        &self,
        token: &str,
        channel: &str,
        holder: Holder<'_>,
    ) -> Result<Pass, Failure> {
        if token.is_empty() {
            return Err(Code::BadRequest.into());
        }
        self.pass(token, channel, holder).await.map_err(|bad| match self.said(bad, "sub_refresh") {
            BadToken::Invalid(_) => Disconnect::InvalidToken.into(),
            BadToken::Expired | BadToken::Revoked => Code::TokenExpired.into(),
            BadToken::Over => Code::Expired.into(),
            BadToken::Undecided => Refused::later().into(),
        })
    }

    async fn connection(&self, token: &str, now: u64) -> Result<Identity, BadToken> {
        let (registered, claims) = self.connection.open(token, now).await?;
        let identity = Identity::read(claims, &registered, now)?;
        if identity.user.is_none() && !self.admits_nameless {
            return Err(Fault::Nameless.into());
        }
        let mark = self.revoked.mark(&registered);
        if self.revoked.has(identity.user_name(), mark, now) {
            return Err(BadToken::Revoked);
        }
        let once = self.connects_once.then(|| Once::read(&registered, self.connection.leeway, now));
        Ok(Identity { mark, once: once.transpose()?, ..identity })
    }

    async fn pass(&self, token: &str, channel: &str, holder: Holder<'_>) -> Result<Pass, BadToken> {
        self.pass_at(token, channel, holder, unix_seconds()).await
    }

    async fn pass_at(
        &self,
        token: &str,
        channel: &str,
        holder: Holder<'_>,
        now: u64,
    ) -> Result<Pass, BadToken> {
        let verifier = self.subscription.as_ref().unwrap_or(&self.connection);
        let (registered, claims) = verifier.open(token, now).await?;
        let pass = Pass::read(claims, &registered, now)?;
        let is_theirs = pass.channel == channel
            && pass.user == holder.user
            && pass.client.as_deref().is_none_or(|client| client.is_empty() || client == holder.client);
        if !is_theirs {
            return Err(Fault::NotTheirs.into());
        }
        let is_revoked = self.revoked.has(&pass.user, self.revoked.mark(&registered), now);
        if is_revoked { Err(BadToken::Revoked) } else { Ok(pass) }
    }

    /// Tells whoever looks for the reason; the client is not told.
    fn said(&self, bad: BadToken, command: &'static str) -> BadToken {
        match bad {
            // It was signed with our key, so it is the configuration or the application that is to change.
            BadToken::Invalid(fault @ Fault::Endless) if !self.has_warned.swap(true, Relaxed) => {
                tracing::warn!(command, %fault, "a token is not valid; that of others like it is said on debug");
            }
            BadToken::Invalid(fault) => tracing::debug!(command, %fault, "a token is not valid"),
            BadToken::Expired => tracing::debug!(command, "a token is not valid any more, or not yet"),
            BadToken::Revoked => tracing::debug!(command, "a token was called back"),
            BadToken::Over => tracing::debug!(command, "what a token grants is over"),
            BadToken::Undecided => {
                tracing::debug!(command, "a token names a key that cannot be looked for right now");
            }
        }
        bad
    }
}

impl Verifier {
    /// The claims of a token that counts at `now`, in seconds since 1970.
    async fn open<C: serde::de::DeserializeOwned>(
        &self,
        token: &str,
        now: u64,
    ) -> Result<(Registered, C), BadToken> {
        let raw = self.keys.open(token).await?;
        // Of a list the library would take one claim after the other.
        if !raw.get().starts_with('{') {
            return Err(Fault::Claims.into());
        }
        let registered: Registered = serde_json::from_str(raw.get()).map_err(|_| Fault::Claims)?;
        let claims: C = serde_json::from_str(raw.get()).map_err(|_| Fault::Claims)?;
        self.check(&registered, now)?;
        Ok((registered, claims))
    }

    fn check(&self, registered: &Registered, now: u64) -> Result<(), BadToken> {
        let names = registered.aud.as_ref().map_or(&[][..], claims::Audience::names);
        if !matches!(self.audience, Expected::Anything) && !names.iter().any(|name| self.audience.has(name)) {
            return Err(Fault::Audience.into());
        }
        let issuer = registered.iss.as_deref();
        if !matches!(self.issuer, Expected::Anything) && !issuer.is_some_and(|issuer| self.issuer.has(issuer))
        {
            return Err(Fault::Issuer.into());
        }
        if registered.exp.is_none() && (self.require_exp || self.lifetime_max.is_some()) {
            return Err(Fault::Endless.into());
        }
        let latest = self.lifetime_max.map(|lifetime| now.saturating_add(lifetime + self.leeway));
        if latest.is_some_and(|latest| registered.exp.is_some_and(|exp| exp.0 > latest)) {
            return Err(Fault::Lasting.into());
        }
        let is_over = registered.exp.is_some_and(|exp| exp.0.saturating_add(self.leeway) <= now);
        let is_early = registered.nbf.is_some_and(|nbf| nbf.0 > now.saturating_add(self.leeway));
        if is_over || is_early { Err(BadToken::Expired) } else { Ok(()) }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}
