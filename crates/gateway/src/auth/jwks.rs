//! Public keys that another server publishes (JWKS), and changes now and then.
//!
//! The document is read when the gateway starts and at an interval, and once more when a token names a key that it does not
//! have: no more often than [`JWKS_PAUSE`], whatever strangers write into their tokens. While it cannot be had the last
//! keys count, and it is looked for again, less and less often.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::Mutex as Turn, time::Instant};

use super::{
    fault::{BadToken, Fault},
    header::Header,
    jwk::{self, NotJwks},
    key::Key,
    keys::open_with,
};
use crate::{
    limits::JWKS_PAUSE,
    outbound::{Endpoint, NoAnswer, Outbound, Request},
};

/// The keys of one endpoint.
pub(super) struct Jwks {
    endpoint: Endpoint,
    every: Duration,
    outbound: Outbound,
    known: Mutex<Known>,
    /// Held while the document is fetched: one look serves all who wait for it.
    turn: Turn<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Option<Arc<[Key]>>,
    /// When the last look began, whatever came of it.
    looked: Option<Instant>,
    /// Looks since the last one that brought keys.
    failures: u32,
}

/// Why a look brought no keys.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("it answers with status {0}")]
    Status(http::StatusCode),
    #[error(transparent)]
    NotJwks(#[from] NotJwks),
}

impl Jwks {
    pub(super) fn new(endpoint: Endpoint, every: Duration, outbound: Outbound) -> Jwks {
        Jwks { endpoint, every, outbound, known: Mutex::default(), turn: Turn::default() }
    }

    /// The claims of a token that one of the keys has signed. Waits for a look at the endpoint if the token names a key that
    /// is not known yet.
    pub(super) async fn open(
        self: &Arc<Self>,
        header: &Header,
        token: &str,
    ) -> Result<Box<RawValue>, BadToken> {
        let asked = Instant::now();
        let mut known = self.known();
        loop {
            let opened = match &known.keys {
                Some(keys) => open_with(keys, header, token),
                None => Err(Fault::NoKey),
            };
            match opened {
                // No new key will make it good: there is one of its name, or it names none.
                Err(Fault::NoKey) if known.keys.is_none() || header.kid.is_some() => {}
                opened => return Ok(opened?),
            }
            if known.keys.is_some()
                && known.failures == 0
                && known.looked.is_some_and(|looked| looked >= asked)
            {
                return Err(Fault::NoKey.into());
            }
            let had_keys = known.keys.is_some();
            match self.look_after(asked).await {
                Some(newer) => known = newer,
                // The first look had begun already.
                None if !had_keys && self.known().keys.is_some() => known = self.known(),
                // The key may be a new one: the client should come again rather than think its token bad.
                None => return Err(BadToken::Undecided),
            }
        }
    }

    /// Keeps the keys fresh, for ever.
    pub(super) async fn keep(self: &Arc<Self>) {
        loop {
            let now = Instant::now();
            self.look_after(now).await;
            let rest = match self.known().failures {
                0 => self.every,
                failures => JWKS_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(self.every),
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// What a look that begins at `asked` or later has brought; `None` if it brought nothing, or it is too soon for one.
    async fn look_after(self: &Arc<Self>, asked: Instant) -> Option<Known> {
        // In a task of its own: a client that goes away in the middle does not end what counts as a look.
        tokio::spawn(self.clone().look(asked)).await.ok().flatten()
    }

    async fn look(self: Arc<Self>, asked: Instant) -> Option<Known> {
        let _turn = self.turn.lock().await;
        let known = self.known();
        match known.looked {
            Some(looked) if looked >= asked => return (known.failures == 0).then_some(known),
            Some(looked) if looked.elapsed() < JWKS_PAUSE => return None,
            _ => {}
        }
        let looked = Some(Instant::now());
        let fetched = self.fetch().await;
        let mut known = self.known.lock();
        known.looked = looked;
        match fetched {
            Ok(keys) => {
                if known.failures > 0 {
                    tracing::info!(endpoint = %self.endpoint, "the keys of tokens can be had again");
                }
                tracing::debug!(endpoint = %self.endpoint, keys = keys.len(), "the keys of tokens were read");
                known.keys = Some(keys.into());
                known.failures = 0;
                Some(known.clone())
            }
            Err(error) => {
                known.failures = known.failures.saturating_add(1);
                let (endpoint, failures) = (&self.endpoint, known.failures);
                match &known.keys {
                    Some(keys) => tracing::warn!(
                        %endpoint, %error, failures, keys = keys.len(),
                        "the keys of tokens could not be read again; the ones that were read last still count"
                    ),
                    None => tracing::warn!(
                        %endpoint, %error, failures,
                        "the keys of tokens could not be read; whoever comes with such a token is asked to come again"
                    ),
                }
                None
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, NoKeys> {
        let answer = self.outbound.call(&self.endpoint, Request::get()).await?;
        if answer.status != http::StatusCode::OK {
            return Err(NoKeys::Status(answer.status));
        }
        Ok(jwk::keys(&answer.body)?)
    }

    fn known(&self) -> Known {
        self.known.lock().clone()
    }
}

#[cfg(test)]
mod tests;
