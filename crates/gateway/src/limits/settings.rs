//! What clients may take, as the configuration file says it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::time::Instant;

use super::{
    ADDRESS_CONNECTIONS, ADDRESS_CONNECTIONS_MAX, ADDRESS_REFUSALS, CHANNELS_MAX, CONNECT_PATIENCE,
    MESSAGE_BYTES_MAX, NEWCOMER_PATIENCE, NEWCOMERS_MAX, Network, OTHER_FILES_MAX, OTHER_FILES_MIN,
    OTHER_FILES_SHARE, Rate, STRANGERS_MIN, STRANGERS_SHARE, WAITING_BYTES_MIN, WAITING_SHARE, WRITE_TIMEOUT,
    files, memory,
};
use crate::duration;

/// The table `[limits]`. 0 means without a limit, as it is where nothing else is said.
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
    /// Time in which a client takes something of what waits for it [default: 10s].
    #[serde(deserialize_with = "duration::deserialize")]
    pub write_timeout: Duration,
    /// Commands of one connection in a second.
    pub command_rate_limit: u32,
    /// How many of those at once [default: twice as many].
    pub command_rate_burst: u32,
    /// Commands of all connections of one user at this server in a second.
    pub user_command_rate_limit: u32,
    /// How many of those at once [default: twice as many].
    pub user_command_rate_burst: u32,
    /// Commands of all connections from one address, or one /64 of IPv6, in a second. Of no address of this machine.
    pub address_command_rate_limit: u32,
    /// How many of those at once [default: twice as many].
    pub address_command_rate_burst: u32,
    /// Errors that one connection may be answered in a minute.
    pub error_limit: u32,
    /// Connections of one user at this server.
    pub user_connection_limit: usize,
    /// Connections at this server [default: what the process may have open, less a quarter of it, 256 at least and 2048 at most].
    pub connection_limit: Option<usize>,
    /// Of those, the ones that have not signed in [default: a tenth of them, 16 at least].
    pub stranger_limit: usize,
    /// New connections at this server in a second.
    pub connection_rate_limit: u32,
    /// Connections from one address, or from one /64 of IPv6 [default: 100]. Those from this machine are not counted.
    pub address_connection_limit: u32,
    /// New ones from there in a second [default: 200].
    pub address_connection_rate_limit: u32,
    /// Bad tokens from there in a minute [default: 5].
    pub address_refusal_limit: u32,
    /// Bytes that may wait for all clients together; those for whom most waits are cut off [default: a quarter of the memory that
    /// the process may use].
    pub waiting_size_limit: Option<usize>,
    /// Who is believed about whom it passes on: addresses or networks of the proxies in front.
    pub trusted_proxies: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            message_size_limit: MESSAGE_BYTES_MAX,
            channel_limit: CHANNELS_MAX,
            stale_close_delay: CONNECT_PATIENCE,
            write_timeout: WRITE_TIMEOUT,
            command_rate_limit: 0,
            command_rate_burst: 0,
            user_command_rate_limit: 0,
            user_command_rate_burst: 0,
            address_command_rate_limit: 0,
            address_command_rate_burst: 0,
            error_limit: 0,
            user_connection_limit: 0,
            connection_limit: None,
            stranger_limit: 0,
            connection_rate_limit: 0,
            address_connection_limit: ADDRESS_CONNECTIONS_MAX,
            address_connection_rate_limit: ADDRESS_CONNECTIONS,
            address_refusal_limit: ADDRESS_REFUSALS,
            waiting_size_limit: None,
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
    /// A client could not be away for a moment, or it is no limit.
    #[error("write_timeout is from 1s to 10m")]
    Write,
    /// A burst of nothing.
    #[error("{0}_burst is without {0}_limit: set both")]
    Burst(&'static str),
    /// Of no number there is no share.
    #[error("stranger_limit is without connection_limit, or larger: set connection_limit to more")]
    Strangers,
    /// Less than what one client may have waiting: the quick would be cut off with the slow.
    #[error("waiting_size_limit is 4 MiB (4194304) at least: what waits for a few clients fits into that")]
    Waiting,
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
    pub(crate) write_timeout: Duration,
    pub(crate) command_rate: Option<Rate>,
    pub(crate) user_command_rate: Option<Rate>,
    pub(crate) address_command_rate: Option<Rate>,
    pub(crate) error_rate: Option<Rate>,
    pub(crate) user_connections_max: Option<usize>,
    pub(crate) connections_max: Option<usize>,
    /// Connections of any kind, whatever is set: the process has more to open.
    pub(crate) sockets_max: Option<usize>,
    /// There if there is a limit of connections.
    pub(crate) strangers_max: Option<usize>,
    pub(crate) connection_rate: Option<Rate>,
    pub(crate) address_connections_max: Option<u32>,
    pub(crate) address_connection_rate: Option<Rate>,
    pub(crate) address_refusal_rate: Option<Rate>,
    pub(crate) waiting_bytes_max: Option<usize>,
    pub(crate) trusted_proxies: Vec<Network>,
    /// [`NEWCOMERS_MAX`], and no setting: less in tests, which fill it.
    pub newcomers_max: usize,
    /// [`NEWCOMER_PATIENCE`], likewise.
    pub newcomer_patience: Duration,
    /// From when on time is counted for rates and clocks.
    began: Instant,
}

impl Limits {
    /// The time, as buckets and clocks want it.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// How many bytes may wait for all clients together, if there is a bound.
    pub fn waiting_bytes_max(&self) -> Option<usize> {
        self.waiting_bytes_max
    }

    /// When that time is, or was.
    pub(crate) fn instant(&self, now: Duration) -> Instant {
        self.began + now
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Settings::default().try_into().expect("what is set by default can be used")
    }
}

/// How much of this memory may wait for clients that do not read.
fn waiting_share(memory_bytes: u64) -> usize {
    usize::try_from(memory_bytes / WAITING_SHARE).unwrap_or(usize::MAX).max(WAITING_BYTES_MIN)
}

/// How many of so many files are left to others than sessions.
fn other_files(files: usize) -> usize {
    (files / OTHER_FILES_SHARE).clamp(OTHER_FILES_MIN, OTHER_FILES_MAX).min(files / 2)
}

/// How many sessions there may be, where the process may have so many files open.
fn sessions(files: usize) -> usize {
    (files - other_files(files)).max(1)
}

/// And how many connections, with those that are none.
fn sockets(files: usize) -> usize {
    (files - other_files(files) / 2).max(1)
}

impl TryFrom<Settings> for Limits {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<Limits, BadSettings> {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        if !(1024..=16 << 20).contains(&settings.message_size_limit) {
            return Err(BadSettings::MessageSize);
        }
        let waiting = match settings.waiting_size_limit {
            Some(1..WAITING_BYTES_MIN) => return Err(BadSettings::Waiting),
            Some(bytes) => Some(bytes).filter(|&bytes| bytes > 0),
            None => memory::usable().map(waiting_share),
        };
        if !(1..=100_000).contains(&settings.channel_limit) {
            return Err(BadSettings::Channels);
        }
        if !(SECOND..=MINUTE * 10).contains(&settings.stale_close_delay) {
            return Err(BadSettings::Stale);
        }
        if !(SECOND..=MINUTE * 10).contains(&settings.write_timeout) {
            return Err(BadSettings::Write);
        }
        let rate = |name, limit, burst| Rate::a_second(limit, burst).map_err(|_| BadSettings::Burst(name));
        let strangers = settings.stranger_limit;
        if settings.connection_limit.is_some_and(|all| strangers > all) {
            return Err(BadSettings::Strangers);
        }
        let files = files::usable();
        let all = settings.connection_limit.or(files.map(sessions)).filter(|&max| max > 0);
        let share =
            |all: usize| if strangers == 0 { (all / STRANGERS_SHARE).max(STRANGERS_MIN) } else { strangers };
        let some = |count: u32| (count > 0).then_some(count);
        let proxies = settings.trusted_proxies.iter().map(|text| text.parse());
        Ok(Limits {
            message_bytes_max: settings.message_size_limit,
            channels_max: settings.channel_limit,
            connect_patience: settings.stale_close_delay,
            write_timeout: settings.write_timeout,
            command_rate: rate("command_rate", settings.command_rate_limit, settings.command_rate_burst)?,
            user_command_rate: rate(
                "user_command_rate",
                settings.user_command_rate_limit,
                settings.user_command_rate_burst,
            )?,
            address_command_rate: rate(
                "address_command_rate",
                settings.address_command_rate_limit,
                settings.address_command_rate_burst,
            )?,
            error_rate: some(settings.error_limit).map(|count| Rate::new(count, MINUTE, count)),
            user_connections_max: Some(settings.user_connection_limit).filter(|&max| max > 0),
            connections_max: all,
            sockets_max: files.map(sockets),
            strangers_max: all.map(|all| share(all).min(all)),
            connection_rate: some(settings.connection_rate_limit)
                .map(|count| Rate::new(count, SECOND, count)),
            address_connections_max: some(settings.address_connection_limit),
            address_connection_rate: some(settings.address_connection_rate_limit)
                .map(|count| Rate::new(count, SECOND, count)),
            address_refusal_rate: some(settings.address_refusal_limit)
                .map(|count| Rate::new(count, MINUTE, count)),
            waiting_bytes_max: waiting,
            trusted_proxies: proxies.collect::<Result<_, ()>>().map_err(|()| BadSettings::Proxies)?,
            newcomers_max: NEWCOMERS_MAX,
            newcomer_patience: NEWCOMER_PATIENCE,
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
        assert_eq!(limits.write_timeout, Duration::from_secs(10));
        assert_eq!((limits.command_rate, limits.error_rate, limits.connection_rate), (None, None, None));
        assert_eq!((limits.user_command_rate, limits.address_command_rate), (None, None));
        assert_eq!(limits.user_connections_max, None);
    }

    #[test]
    fn a_quarter_of_the_memory_may_wait_unless_it_is_said_otherwise() {
        let waiting = |value| Limits::try_from(read(value).unwrap()).unwrap().waiting_bytes_max;
        assert_eq!(waiting(json!({})), memory::usable().map(waiting_share));
        assert_eq!(waiting(json!({"waiting_size_limit": 0})), None);
        assert_eq!(waiting(json!({"waiting_size_limit": 5_000_000})), Some(5_000_000));
        assert_eq!(waiting_share(1 << 30), 256 << 20);
        assert_eq!(waiting_share(1 << 20), WAITING_BYTES_MIN);
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_unless_it_is_said_otherwise() {
        let limits = Limits::default();
        assert_eq!(limits.address_connections_max, Some(100));
        assert_eq!(limits.address_connection_rate, Some(Rate::new(200, Duration::from_secs(1), 200)));
        assert_eq!(limits.address_refusal_rate, Some(Rate::new(5, Duration::from_secs(60), 5)));
        let off = json!({"address_connection_limit": 0, "address_connection_rate_limit": 0, "address_refusal_limit": 0});
        let limits: Limits = read(off).unwrap().try_into().unwrap();
        assert_eq!(limits.address_connections_max, None);
        assert_eq!((limits.address_connection_rate, limits.address_refusal_rate), (None, None));
    }

    #[test]
    fn there_are_as_many_as_the_process_may_have_open_unless_it_is_said_otherwise() {
        let limits = |value| Limits::try_from(read(value).unwrap()).unwrap();
        assert_eq!(limits(json!({})).connections_max, files::usable().map(sessions));
        assert_eq!(limits(json!({})).sockets_max, files::usable().map(sockets));
        assert_eq!(limits(json!({"connection_limit": 7})).connections_max, Some(7));
        let none = limits(json!({"connection_limit": 0}));
        assert_eq!((none.connections_max, none.strangers_max), (None, None));
        assert_eq!((sessions(1_024), sockets(1_024)), (512, 768));
        assert_eq!((sessions(20_000), sockets(20_000)), (17_952, 18_976));
        assert_eq!((sessions(512), sockets(512)), (256, 384));
        assert_eq!((sessions(100), sockets(100)), (50, 75));
        assert_eq!((sessions(0), sockets(0)), (1, 1));
    }

    #[test]
    fn strangers_have_a_tenth() {
        let strangers = |value| Limits::try_from(read(value).unwrap()).unwrap().strangers_max;
        let share = |files| (sessions(files) / STRANGERS_SHARE).max(STRANGERS_MIN);
        assert_eq!(strangers(json!({})), files::usable().map(share));
        assert_eq!(strangers(json!({"stranger_limit": 3})), files::usable().map(|_| 3));
        assert_eq!(strangers(json!({"connection_limit": 10_000})), Some(1_000));
        assert_eq!(strangers(json!({"connection_limit": 50})), Some(16));
        assert_eq!(strangers(json!({"connection_limit": 5})), Some(5));
        assert_eq!(strangers(json!({"connection_limit": 50, "stranger_limit": 3})), Some(3));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (wrong, told) in [
            (json!({"message_size_limit": 1023}), "message_size_limit is from"),
            (json!({"message_size_limit": 16_777_217}), "message_size_limit is from"),
            (json!({"channel_limit": 0}), "channel_limit is from"),
            (json!({"stale_close_delay": "0s"}), "stale_close_delay is from"),
            (json!({"write_timeout": "999ms"}), "write_timeout is from"),
            (json!({"write_timeout": "11m"}), "write_timeout is from"),
            (json!({"command_rate_burst": 5}), "command_rate_burst is without command_rate_limit"),
            (json!({"user_command_rate_burst": 5}), "user_command_rate_burst is without"),
            (json!({"address_command_rate_burst": 5}), "address_command_rate_burst is without"),
            (json!({"stranger_limit": 5, "connection_limit": 0}), "stranger_limit is without"),
            (json!({"stranger_limit": 5, "connection_limit": 4}), "stranger_limit is without"),
            (json!({"waiting_size_limit": 4_194_303}), "waiting_size_limit is 4 MiB"),
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
