//! How the API is set.

use std::{collections::HashSet, net::SocketAddr};

use serde::Deserialize;

use super::keys::{KeySettings, Keys, SecretKey};

/// The table `[http_api]` of the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A key that may do everything.
    pub key: Option<SecretKey>,
    /// More keys, each with a name, and if wanted with bounds.
    pub keys: Vec<KeySettings>,
    /// Where the API is served instead of the clients' port.
    pub address: Option<SocketAddr>,
    /// No key is needed. Only with an address of its own, which strangers must not reach.
    pub insecure: bool,
    /// How a refusal is answered.
    pub error_mode: ErrorMode,
    /// Bytes of one request; 4 MiB unless set.
    pub body_bytes_max: Option<usize>,
    /// Whether `/openapi.json` and `/docs` are served; they are unless this is `false`.
    pub docs: Option<bool>,
}

/// How a refusal is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorMode {
    /// Status 200, and an `error` in the body.
    #[default]
    Body,
    /// A status of HTTP that is like it, and the error alone as body.
    Transport,
}

/// Settings that can be worked with.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) keys: Keys,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) error_mode: ErrorMode,
    pub(crate) body_bytes_max: usize,
    pub(crate) has_docs: bool,
}

/// Settings that cannot.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSettings {
    /// Anybody who reaches the port could do everything.
    #[error(
        "http_api.insecure = true needs http_api.address: without a key the clients' port would let everybody in"
    )]
    Open,
    /// One could not tell them apart.
    #[error("two keys of http_api.keys are named {0:?}")]
    SameName(String),
    /// One of them would count, and one could not tell which.
    #[error("two keys of http_api are the same")]
    SameKey,
    /// A misspelt one would open nothing, and nobody would see why.
    #[error("key {key:?} of http_api.keys may call {method:?}, which is no method")]
    NoMethod {
        /// Its name.
        key: String,
        /// What it names.
        method: String,
    },
    /// Nothing could be asked.
    #[error("http_api.body_bytes_max is 1024 at least")]
    NoBody,
}

/// What a request may have unless it is set.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Less is no request.
const BODY_BYTES_MIN: usize = 1 << 10;

impl Default for Options {
    /// No key: every request is refused.
    fn default() -> Options {
        Options::try_from(Settings::default()).expect("without settings nothing is wrong")
    }
}

impl Options {
    /// Where the API is served, if not on the clients' port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl TryFrom<Settings> for Options {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<Options, BadSettings> {
        let Settings { key, keys, address, insecure, error_mode, body_bytes_max, docs } = settings;
        if insecure && address.is_none() {
            return Err(BadSettings::Open);
        }
        let mut names = HashSet::new();
        for key in &keys {
            if !names.insert(key.name.as_str()) {
                return Err(BadSettings::SameName(key.name.clone()));
            }
            let unknown = key.operations.iter().flatten().find(|method| !super::method::is_known(method));
            if let Some(method) = unknown {
                return Err(BadSettings::NoMethod { key: key.name.clone(), method: method.clone() });
            }
        }
        let keys = Keys::new(key, keys, insecure).ok_or(BadSettings::SameKey)?;
        let body_bytes_max = body_bytes_max.unwrap_or(BODY_BYTES_MAX);
        if body_bytes_max < BODY_BYTES_MIN {
            return Err(BadSettings::NoBody);
        }
        Ok(Options { keys, address, error_mode, body_bytes_max, has_docs: docs.unwrap_or(true) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> Result<Options, BadSettings> {
        serde_json::from_value::<Settings>(settings).unwrap().try_into()
    }

    #[test]
    fn settings_that_would_let_strangers_in_or_mislead_are_refused() {
        let own = "127.0.0.1:0";
        read(json!({"key": "k", "keys": [{"name": "a", "key": "a", "operations": ["publish"]}]})).unwrap();
        read(json!({"insecure": true, "address": own})).unwrap();
        for (settings, fault) in [
            (json!({"insecure": true}), BadSettings::Open),
            (
                json!({"keys": [{"name": "a", "key": "1"}, {"name": "a", "key": "2"}]}),
                BadSettings::SameName("a".into()),
            ),
            (json!({"key": "1", "keys": [{"name": "a", "key": "1"}]}), BadSettings::SameKey),
            (
                json!({"keys": [{"name": "a", "key": "1", "operations": ["publsih"]}]}),
                BadSettings::NoMethod { key: "a".into(), method: "publsih".into() },
            ),
            (json!({"body_bytes_max": 10}), BadSettings::NoBody),
        ] {
            assert_eq!(read(settings).err(), Some(fault));
        }
        for wrong in [json!({"kye": "k"}), json!({"key": ""}), json!({"keys": [{"name": "a"}]})] {
            assert!(serde_json::from_value::<Settings>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
