//! What clients may take, as the configuration file says it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::time::Instant;

use super::{CHANNELS_MAX, CONNECT_PATIENCE, MESSAGE_BYTES_MAX, Network, Rate};
use crate::duration;

/// The table `[limits]`. 0 means without a limit, as it is for those of which Centrifugo has none of its own either.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Settings {
    /// Bytes of one message from a client [default: 131072].
    pub message_size_limit: usize,
    /// Channels of one connection [default: 128].
    pub channel_limit: usize,
    /// Time for the connect command [default: 10s].
    #[serde(deserialize_with = "duration::deserialize")]
    pub stale_close_delay: Duration,
    /// Commands of one connection in a second.
    pub command_rate_limit: u32,
    /// How many of those at once [default: twice as many].
    pub command_rate_burst: u32,
    /// Errors that one connection may be answered in a minute.
    pub error_limit: u32,
    /// Connections of one user at this server.
    pub user_connection_limit: usize,
    /// Connections at this server.
    pub connection_limit: usize,
    /// New connections at this server in a second.
    pub connection_rate_limit: u32,
    /// Connections from one address, or from one /64 of IPv6. Those from this machine are not counted.
    pub address_connection_limit: u32,
    /// Who is believed about whom it passes on: addresses or networks of the proxies in front.
    pub trusted_proxies: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            message_size_limit: MESSAGE_BYTES_MAX,
            channel_limit: CHANNELS_MAX,
            stale_close_delay: CONNECT_PATIENCE,
            command_rate_limit: 0,
            command_rate_burst: 0,
            error_limit: 0,
            user_connection_limit: 0,
            connection_limit: 0,
            connection_rate_limit: 0,
            address_connection_limit: 0,
            trusted_proxies: Vec::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Settings, D::Error> {
        // Not itself: with `remote`, serde's own is an associated function of the same name.
        let settings = Settings::deserialize(deserializer)?;
        Limits::try_from(settings.clone()).map_err(D::Error::custom)?;
        Ok(settings)
    }
}

/// Why limits cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Too small to connect with, or too large to be kept for everybody.
    #[error("message_size_limit is from 1024 to 16777216 bytes")]
    MessageSize,
    /// Nobody could do anything, or a client could fill the server.
    #[error("channel_limit is from 1 to 100000")]
    Channels,
    /// Nobody could connect in that time, or it is no limit.
    #[error("stale_close_delay is from 1s to 10m")]
    Stale,
    /// A burst of nothing.
    #[error("command_rate_burst is without command_rate_limit")]
    Burst,
    /// No address.
    #[error("trusted_proxies has what is no address and no network: write \"10.0.0.7\" or \"10.0.0.0/8\"")]
    Proxies,
}

/// Limits that can be used.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(crate) message_bytes_max: usize,
    pub(crate) channels_max: usize,
    pub(crate) connect_patience: Duration,
    pub(crate) command_rate: Option<Rate>,
    pub(crate) error_rate: Option<Rate>,
    pub(crate) user_connections_max: Option<usize>,
    pub(crate) connections_max: Option<usize>,
    pub(crate) connection_rate: Option<Rate>,
    pub(crate) address_connections_max: Option<u32>,
    pub(crate) trusted_proxies: Vec<Network>,
    /// From when on time is counted for rates.
    began: Instant,
}

impl Limits {
    /// The time, as buckets want it.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Settings::default().try_into().expect("what is set by default can be used")
    }
}

impl TryFrom<Settings> for Limits {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<Limits, BadSettings> {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        if !(1024..=16 << 20).contains(&settings.message_size_limit) {
            return Err(BadSettings::MessageSize);
        }
        if !(1..=100_000).contains(&settings.channel_limit) {
            return Err(BadSettings::Channels);
        }
        if !(SECOND..=MINUTE * 10).contains(&settings.stale_close_delay) {
            return Err(BadSettings::Stale);
        }
        let (commands, burst) = (settings.command_rate_limit, settings.command_rate_burst);
        if commands == 0 && burst != 0 {
            return Err(BadSettings::Burst);
        }
        let burst = if burst == 0 { commands.saturating_mul(2) } else { burst };
        let some = |count: u32| (count > 0).then_some(count);
        let proxies = settings.trusted_proxies.iter().map(|text| text.parse());
        Ok(Limits {
            message_bytes_max: settings.message_size_limit,
            channels_max: settings.channel_limit,
            connect_patience: settings.stale_close_delay,
            command_rate: some(commands).map(|count| Rate::new(count, SECOND, burst)),
            error_rate: some(settings.error_limit).map(|count| Rate::new(count, MINUTE, count)),
            user_connections_max: Some(settings.user_connection_limit).filter(|&max| max > 0),
            connections_max: Some(settings.connection_limit).filter(|&max| max > 0),
            connection_rate: some(settings.connection_rate_limit)
                .map(|count| Rate::new(count, SECOND, count)),
            address_connections_max: some(settings.address_connection_limit),
            trusted_proxies: proxies.collect::<Result<_, ()>>().map_err(|()| BadSettings::Proxies)?,
            began: Instant::now(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Settings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_off_unless_set_where_they_would_surprise() {
        let limits = Limits::default();
        assert_eq!(limits.message_bytes_max, MESSAGE_BYTES_MAX);
        assert_eq!(limits.channels_max, 128);
        assert_eq!(limits.connect_patience, CONNECT_PATIENCE);
        assert_eq!((limits.command_rate, limits.error_rate, limits.connection_rate), (None, None, None));
        assert_eq!((limits.user_connections_max, limits.connections_max), (None, None));
        assert_eq!(limits.address_connections_max, None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (wrong, told) in [
            (json!({"message_size_limit": 1023}), "message_size_limit is from"),
            (json!({"message_size_limit": 16_777_217}), "message_size_limit is from"),
            (json!({"channel_limit": 0}), "channel_limit is from"),
            (json!({"stale_close_delay": "0s"}), "stale_close_delay is from"),
            (json!({"command_rate_burst": 5}), "command_rate_burst is without"),
            (json!({"trusted_proxies": ["a.example"]}), "trusted_proxies has"),
            (json!({"command_rate": 5}), "unknown field"),
            (json!({"command_rate_limit": -1}), "invalid value"),
        ] {
            let error = read(wrong.clone()).unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
        let limits: Limits = read(json!({"command_rate_limit": 5})).unwrap().try_into().unwrap();
        assert_eq!(limits.command_rate, Some(Rate::new(5, Duration::from_secs(1), 10)));
    }
}
