//! Where metrics are shown, as the configuration file says it.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::secret::Secret;

/// The table `[metrics]`. Unless it says something, metrics are shown nowhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Settings {
    /// Where they are served apart from clients.
    pub address: Option<SocketAddr>,
    /// Whether they are served on the clients' port as well.
    pub on_clients_port: bool,
    /// What has to be shown for them: `Authorization: Bearer …`.
    pub token: Option<Secret>,
}

/// Where metrics are shown.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) on_clients_port: bool,
    pub(crate) token: Option<Secret>,
}

/// Why they cannot be shown so.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Everybody could read them.
    #[error(
        "on the clients' port, and on an address that is not loopback, metrics need a token: set one of 32 random characters or more"
    )]
    Open,
    /// It lets everybody in.
    #[error("token is empty: give 32 random characters or more")]
    EmptyToken,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Settings, D::Error> {
        // Not itself: with `remote`, serde's own is an associated function of the same name.
        let settings = Settings::deserialize(deserializer)?;
        Options::try_from(settings.clone()).map_err(D::Error::custom)?;
        Ok(settings)
    }
}

impl TryFrom<Settings> for Options {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<Options, BadSettings> {
        let Settings { address, on_clients_port, token } = settings;
        if token.as_ref().is_some_and(|token| token.expose().is_empty()) {
            return Err(BadSettings::EmptyToken);
        }
        let is_open = on_clients_port || address.is_some_and(|address| !address.ip().is_loopback());
        if is_open && token.is_none() {
            return Err(BadSettings::Open);
        }
        Ok(Options { address, on_clients_port, token })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strangers_need_a_token() {
        let read = |value: serde_json::Value| serde_json::from_value::<Settings>(value).is_ok();
        assert!(read(json!({})));
        assert!(read(json!({"address": "127.0.0.1:9100"})) && read(json!({"address": "[::1]:9100"})));
        assert!(!read(json!({"address": "0.0.0.0:9100"})));
        assert!(read(json!({"address": "0.0.0.0:9100", "token": "x"})));
        assert!(!read(json!({"on_clients_port": true})));
        assert!(read(json!({"on_clients_port": true, "token": "x"})));
        assert!(!read(json!({"token": ""})) && !read(json!({"port": 1})));
    }
}
