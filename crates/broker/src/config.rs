//! The parameters of a running broker, under Redis's names: those that take effect here, and facts that clients ask
//! for. Read from any core at the cost of an atomic load.

use std::{
    fs, io, iter,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use naru_fanout::OutboxLimit;
use naru_ledger::{Limits, limits::PAGE_BYTES_MAX};
use naru_resp::parse_integer;
use naru_store::Level;
use parking_lot::{Mutex, RwLock};

use crate::{
    acl::{Acl, AclOptions, User},
    addresses::AddressLimits,
    channels::{Bounds, ChannelBounds},
    class::Class,
    escaped::escaped,
    ledger_limits::LedgerLimits,
    limits::STREAM_NODE_ENTRIES_MAX,
    memory_size::{in_units, memory_size},
    output_limits::OutputLimits,
    password::Password,
    replace_file::replace_file,
    rewrite::{Line, Said, rewritten},
};

/// What was decided when the broker was started.
pub(crate) struct Facts {
    /// The RESP port without TLS.
    pub(crate) port: Option<u16>,
    /// The RESP port with TLS.
    pub(crate) tls_port: Option<u16>,
    /// The addresses it listens on.
    pub(crate) bind: String,
    /// What is stored is on disk before it is answered.
    pub(crate) durable: bool,
    /// The file that users are in.
    pub(crate) acl_file: Option<String>,
    /// The file that parameters were read from.
    pub(crate) config_file: Option<PathBuf>,
}

/// The parameters and their values.
pub(crate) struct Config {
    facts: Facts,
    clients_max: AtomicI64,
    /// 0 for no limit, as in the two below.
    clients_an_address_max: AtomicI64,
    clients_an_address_and_second_max: AtomicI64,
    clients_bytes_max: AtomicI64,
    auth_timeout_seconds: AtomicI64,
    timeout_seconds: AtomicI64,
    keepalive_seconds: AtomicI64,
    bulk_bytes_max: AtomicI64,
    query_bytes_max: AtomicI64,
    protected_mode: AtomicI64,
    /// Negative for never.
    slow_log_microseconds: AtomicI64,
    slow_log_len_max: AtomicI64,
    latency_milliseconds: AtomicI64,
    acl_log_len_max: AtomicI64,
    /// 0 for as many as we allow.
    stream_node_entries_max: AtomicI64,
    /// Of [`SYNC_LEVELS`].
    sync_level: AtomicI64,
    output_limits: RwLock<OutputLimits>,
    ledger: LedgerLimits,
    channels: ChannelBounds,
    /// What the parameters about users belong to.
    acl: Arc<Acl>,
    /// Held while the file is written.
    file_use: Mutex<()>,
}

impl Config {
    pub(crate) fn new(facts: Facts, acl: Arc<Acl>, acl_log_len_max: Option<u64>) -> Self {
        let acl_log_len_max = i64::try_from(acl_log_len_max.unwrap_or(128)).unwrap_or(i64::MAX);
        let sync_level = if facts.durable { 0 } else { 2 };
        Config {
            facts,
            clients_max: AtomicI64::new(10_000),
            clients_an_address_max: AtomicI64::new(0),
            clients_an_address_and_second_max: AtomicI64::new(0),
            clients_bytes_max: AtomicI64::new(0),
            auth_timeout_seconds: AtomicI64::new(10),
            timeout_seconds: AtomicI64::new(0),
            keepalive_seconds: AtomicI64::new(300),
            bulk_bytes_max: AtomicI64::new(512 << 20),
            query_bytes_max: AtomicI64::new(1 << 30),
            protected_mode: AtomicI64::new(1),
            slow_log_microseconds: AtomicI64::new(10_000),
            slow_log_len_max: AtomicI64::new(128),
            latency_milliseconds: AtomicI64::new(0),
            acl_log_len_max: AtomicI64::new(acl_log_len_max),
            stream_node_entries_max: AtomicI64::new(100),
            sync_level: AtomicI64::new(sync_level),
            output_limits: RwLock::default(),
            ledger: LedgerLimits::default(),
            channels: ChannelBounds::default(),
            acl,
            file_use: Mutex::default(),
        }
    }

    /// A broker's that was told nothing.
    pub(crate) fn by_default() -> Config {
        let users = Acl::new(&AclOptions::default(), None).expect("without a user none can be wrong");
        let facts = Facts {
            port: None,
            tls_port: None,
            bind: String::new(),
            durable: false,
            acl_file: None,
            config_file: None,
        };
        Config::new(facts, Arc::new(users), None)
    }

    /// The file that parameters were read from.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.facts.config_file.as_deref()
    }

    /// Makes the file say what holds now.
    pub(crate) fn rewrite(&self, file: &Path) -> io::Result<()> {
        let _in_use = self.file_use.lock();
        let is_text = |bytes: &[u8]| str::from_utf8(bytes).is_ok();
        let is_password_text =
            self.acl.default_password().is_none_or(|password| is_text(password.as_bytes()));
        if !is_password_text || !self.acl.users().iter().all(|user| is_text(&user.line())) {
            // A broker would not start with it.
            let why = "a password, or a rule of a user, is no UTF-8 text";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        replace_file(file, &rewritten(&fs::read(file)?, &self.said()))
    }

    /// What a file has to say of each parameter, and of the users.
    fn said(&self) -> Vec<Said> {
        let default = Config::by_default();
        let said = |parameter: &Parameter| {
            let lines = self
                .values(parameter)
                .into_iter()
                .zip(default.values(parameter).into_iter().map(Some).chain(iter::repeat(None)));
            let line = |(value, default): (String, Option<String>)| Line {
                is_needed: default.as_ref() != Some(&value),
                text: format!("{} {value}", parameter.name).into(),
            };
            Said { name: parameter.name, lines: lines.map(line).collect() }
        };
        let users = if self.acl.file().is_some() { Vec::new() } else { self.acl.users() };
        let user = |user: &Arc<User>| Line { text: in_quotes_where_needed(&user.line()), is_needed: true };
        let users = Said { name: "user", lines: users.iter().map(user).collect() };
        PARAMETERS.iter().filter(|parameter| !parameter.is_fact()).map(said).chain([users]).collect()
    }

    /// The lines that say the value of a parameter in a file, without its name.
    fn values(&self, parameter: &Parameter) -> Vec<String> {
        match parameter.kind {
            Kind::Memory { cell, .. } => vec![in_units(size(cell(self)) as u64)],
            Kind::OutputLimits => self.output_limits.read().parts().into(),
            Kind::Password => {
                self.acl.default_password().iter().map(|password| escaped(password.as_bytes())).collect()
            }
            Kind::Number { .. } | Kind::Choice { .. } | Kind::Fact(_) => {
                vec![String::from_utf8_lossy(&self.value(parameter)).into_owned()]
            }
        }
    }

    /// The RESP port without TLS.
    pub(crate) fn port(&self) -> Option<u16> {
        self.facts.port
    }

    /// The RESP port with TLS.
    pub(crate) fn tls_port(&self) -> Option<u16> {
        self.facts.tls_port
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.facts.durable
    }

    /// Connections at most.
    pub(crate) fn clients_max(&self) -> usize {
        size(&self.clients_max)
    }

    /// What one address may have of them.
    pub(crate) fn address_limits(&self) -> AddressLimits {
        AddressLimits {
            open_max: limit(&self.clients_an_address_max),
            rate_max: limit(&self.clients_an_address_and_second_max),
        }
    }

    /// Bytes that all clients together may take; as in Redis not less than some.
    pub(crate) fn clients_bytes_max(&self) -> Option<usize> {
        limit(&self.clients_bytes_max).map(|bytes| bytes.max(128 << 10))
    }

    /// How long a client may take to sign in; none for ever.
    pub(crate) fn auth_timeout(&self) -> Option<Duration> {
        seconds(&self.auth_timeout_seconds)
    }

    /// How long a client may be silent; none for ever.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        seconds(&self.timeout_seconds)
    }

    /// After how long a silence TCP asks whether the peer is still there; none for never.
    pub(crate) fn keepalive(&self) -> Option<Duration> {
        seconds(&self.keepalive_seconds)
    }

    /// Bytes of one argument.
    pub(crate) fn bulk_bytes_max(&self) -> usize {
        size(&self.bulk_bytes_max)
    }

    /// Bytes of a command that is not complete.
    pub(crate) fn query_bytes_max(&self) -> usize {
        size(&self.query_bytes_max)
    }

    /// Without a password, only this machine is let in.
    pub(crate) fn is_protected(&self) -> bool {
        self.protected_mode.load(Ordering::Relaxed) != 0
    }

    /// Whether a command that took so long goes into the slow log; if so, how many that holds at most.
    pub(crate) fn slow_log_holds(&self, took: Duration) -> Option<usize> {
        let threshold = u128::try_from(self.slow_log_microseconds.load(Ordering::Relaxed)).ok()?;
        (took.as_micros() >= threshold).then(|| size(&self.slow_log_len_max)).filter(|most| *most > 0)
    }

    /// From how many milliseconds on a command's time is noted; none for never.
    pub(crate) fn latency_threshold(&self) -> Option<u64> {
        u64::try_from(self.latency_milliseconds.load(Ordering::Relaxed))
            .ok()
            .filter(|threshold| *threshold > 0)
    }

    /// Whether even a brief command may be one whose time is asked for.
    pub(crate) fn wants_each_time(&self) -> bool {
        (0..1000).contains(&self.slow_log_microseconds.load(Ordering::Relaxed))
            || self.latency_threshold().is_some()
    }

    /// Entries of `ACL LOG` at most.
    pub(crate) fn acl_log_len_max(&self) -> usize {
        size(&self.acl_log_len_max)
    }

    /// When what is stored is acknowledged.
    pub(crate) fn sync_level(&self) -> Level {
        match self.sync_level.load(Ordering::Relaxed) {
            0 => Level::Always,
            1 => Level::EverySecond,
            _ => Level::No,
        }
    }

    /// Entries of a node of a stream at most: the step in which `~` trims.
    pub(crate) fn stream_node_entries_max(&self) -> usize {
        limit(&self.stream_node_entries_max)
            .map_or(STREAM_NODE_ENTRIES_MAX, |it| it.min(STREAM_NODE_ENTRIES_MAX))
    }

    /// The bounds of conversations and inboxes.
    pub(crate) fn ledger_limits(&self) -> Limits {
        self.ledger.limits()
    }

    /// The bounds of channels that keep something.
    pub(crate) fn channel_bounds(&self) -> Bounds {
        self.channels.bounds()
    }

    /// Parameters that begin so, and their values.
    pub(crate) fn parameters_of(
        &self,
        prefix: &'static str,
    ) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let of_prefix = PARAMETERS.iter().filter(move |parameter| parameter.name.starts_with(prefix));
        of_prefix.map(|parameter| (parameter.name, self.value(parameter)))
    }

    /// What may wait for a client of that class.
    pub(crate) fn output_limit(&self, class: Class) -> OutboxLimit {
        self.output_limits.read().of(class).into()
    }

    /// Sets all of `wanted`, names and values, or nothing.
    pub(crate) fn set(&self, wanted: &[(&[u8], &[u8])]) -> Result<(), NotSet> {
        let mut parameters: Vec<&Parameter> = Vec::new();
        for (name, value) in wanted {
            let parameter = find(name).ok_or_else(|| NotSet::Unknown(shown(name)))?;
            let refused = |why: &str| NotSet::Refused(shown(name), why.into());
            if let Kind::Fact(fact) = parameter.kind
                && fact(&self.facts).as_bytes() != *value
            {
                return Err(refused("can't set immutable config"));
            }
            if parameters.iter().any(|other| other.name == parameter.name) {
                return Err(refused("duplicate parameter"));
            }
            parameters.push(parameter);
        }
        let parse = |(parameter, (name, value)): (&&Parameter, &(&[u8], &[u8]))| {
            let change = parameter.kind.parse(value, self);
            change.map(|change| (parameter.kind, change)).map_err(|why| NotSet::Refused(shown(name), why))
        };
        let changes = parameters.iter().zip(wanted).map(parse).collect::<Result<Vec<_>, _>>()?;
        for (kind, change) in changes {
            self.apply(kind, change);
        }
        Ok(())
    }

    fn apply(&self, kind: Kind, change: Change) {
        match (kind, change) {
            (
                Kind::Number { cell, .. } | Kind::Memory { cell, .. } | Kind::Choice { cell, .. },
                Change::Number(number),
            ) => {
                cell(self).store(number, Ordering::Relaxed);
            }
            (_, Change::OutputLimits(limits)) => *self.output_limits.write() = limits,
            (_, Change::Password(password)) => self.acl.set_default_password(password),
            (_, Change::Number(_) | Change::Nothing) => {}
        }
    }

    /// The value of a parameter as Redis writes it.
    pub(crate) fn value(&self, parameter: &Parameter) -> Vec<u8> {
        match parameter.kind {
            Kind::Number { cell, .. } | Kind::Memory { cell, .. } => {
                cell(self).load(Ordering::Relaxed).to_string().into()
            }
            Kind::Choice { cell, words } => words.get(size(cell(self))).copied().unwrap_or_default().into(),
            Kind::OutputLimits => self.output_limits.read().to_string().into(),
            Kind::Password => {
                self.acl.default_password().map_or_else(Vec::new, |password| password.as_bytes().to_vec())
            }
            Kind::Fact(fact) => fact(&self.facts).into(),
        }
    }
}

fn size(cell: &AtomicI64) -> usize {
    usize::try_from(cell.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
}

/// A number of which 0 stands for none.
fn limit(cell: &AtomicI64) -> Option<usize> {
    Some(size(cell)).filter(|limit| *limit > 0)
}

fn seconds(cell: &AtomicI64) -> Option<Duration> {
    let seconds = u64::try_from(cell.load(Ordering::Relaxed)).unwrap_or(0);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// A line whose words hold what would be read otherwise, or would be no text.
fn in_quotes_where_needed(line: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
    let word = |word: &[u8]| if word.iter().all(is_plain) { word.to_vec() } else { escaped(word).into() };
    line.split(|byte| *byte == b' ').map(word).collect::<Vec<_>>().join(&b' ')
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Why nothing was set; the texts are Redis's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NotSet {
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    #[error("ERR CONFIG SET failed (possibly related to argument '{0}') - {1}")]
    Refused(String, String),
}

/// One parameter.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    kind: Kind,
}

impl Parameter {
    /// It is as it is and can be set to nothing else.
    pub(crate) fn is_fact(&self) -> bool {
        matches!(self.kind, Kind::Fact(_))
    }
}

type Cell = fn(&Config) -> &AtomicI64;

#[derive(Clone, Copy)]
enum Kind {
    Number {
        cell: Cell,
        min: i64,
        max: i64,
    },
    /// Bytes, which may be given with a unit.
    Memory {
        cell: Cell,
        min: i64,
        max: i64,
    },
    /// The number of one of these words.
    Choice {
        cell: Cell,
        words: &'static [&'static str],
    },
    OutputLimits,
    Password,
    /// Is as it is, and may be set to that only.
    Fact(fn(&Facts) -> String),
}

/// A value that was read and fits.
enum Change {
    Nothing,
    Number(i64),
    OutputLimits(OutputLimits),
    Password(Option<Password>),
}

impl Kind {
    fn parse(self, value: &[u8], config: &Config) -> Result<Change, String> {
        let within = |number: i64, min: i64, max: i64| {
            if (min..=max).contains(&number) {
                return Ok(Change::Number(number));
            }
            Err(format!("argument must be between {min} and {max} inclusive"))
        };
        match self {
            Kind::Number { min, max, .. } => {
                let number = parse_integer(value).ok_or("argument couldn't be parsed into an integer")?;
                within(number, min, max)
            }
            Kind::Memory { min, max, .. } => {
                let bytes = memory_size(value).ok_or("argument must be a memory value")?;
                within(i64::try_from(bytes).unwrap_or(i64::MAX), min, max)
            }
            Kind::Choice { words, .. } => {
                match words.iter().position(|word| value.eq_ignore_ascii_case(word.as_bytes())) {
                    Some(number) => Ok(Change::Number(number as i64)),
                    None if words == NO_YES => Err("argument must be 'yes' or 'no'".into()),
                    None => {
                        let words: Vec<_> = words.iter().rev().copied().collect();
                        Err(format!("argument(s) must be one of the following: {}", words.join(", ")))
                    }
                }
            }
            Kind::OutputLimits => config.output_limits.read().with(value).map(Change::OutputLimits),
            Kind::Password => Ok(Change::Password(Password::of(value))),
            Kind::Fact(_) => Ok(Change::Nothing),
        }
    }
}

const fn number(name: &'static str, cell: Cell, min: i64, max: i64) -> Parameter {
    Parameter { name, kind: Kind::Number { cell, min, max } }
}

const fn memory(name: &'static str, cell: Cell, min: i64, max: i64) -> Parameter {
    Parameter { name, kind: Kind::Memory { cell, min, max } }
}

const fn fact(name: &'static str, fact: fn(&Facts) -> String) -> Parameter {
    Parameter { name, kind: Kind::Fact(fact) }
}

const NO_YES: &[&str] = &["no", "yes"];

/// The levels of the log, from the strongest, in Redis's words.
const SYNC_LEVELS: &[&str] = &["always", "everysec", "no"];

/// Every parameter there is, by name.
pub(crate) static PARAMETERS: &[Parameter] = &[
    number("accept-rate-per-address", |config| &config.clients_an_address_and_second_max, 0, u32::MAX as i64),
    Parameter {
        name: "acl-pubsub-default",
        kind: Kind::Choice {
            cell: |config| &config.acl.all_channels,
            words: &["resetchannels", "allchannels"],
        },
    },
    fact("aclfile", |facts| facts.acl_file.clone().unwrap_or_default()),
    number("acllog-max-len", |config| &config.acl_log_len_max, 0, i64::MAX),
    Parameter {
        name: "appendfsync",
        kind: Kind::Choice { cell: |config| &config.sync_level, words: SYNC_LEVELS },
    },
    fact("appendonly", |facts| if facts.durable { "yes" } else { "no" }.into()),
    number("auth-timeout", |config| &config.auth_timeout_seconds, 0, i32::MAX as i64),
    fact("bind", |facts| facts.bind.clone()),
    memory("channel-bytes-max", |config| &config.channels.bytes_max, 1, 1 << 30),
    number("channel-count-max", |config| &config.channels.channels_max, 0, i32::MAX as i64),
    number("channel-once-max", |config| &config.channels.once_max, 0, 10_000_000),
    number("channel-present-max", |config| &config.channels.present_max, 0, i32::MAX as i64),
    Parameter { name: "client-output-buffer-limit", kind: Kind::OutputLimits },
    memory("client-query-buffer-limit", |config| &config.query_bytes_max, 1 << 20, i64::MAX),
    fact("databases", |_| "1".into()),
    number("latency-monitor-threshold", |config| &config.latency_milliseconds, 0, i64::MAX),
    // What an inbox has is looked through and written anew with each message to it: so ten times as much as is usual at most.
    memory("ledger-body-bytes-max", |config| &config.ledger.body_bytes_max, 1, PAGE_BYTES_MAX as i64),
    number("ledger-conversations-max", |config| &config.ledger.conversations_max, 1, 20_000),
    // Shorter, and a client that comes back the next day repeats itself.
    number("ledger-dedupe-window", |config| &config.ledger.dedupe_window, 24 * 60 * 60, u32::MAX as i64),
    number("ledger-device-ttl", |config| &config.ledger.device_ttl, 1, u32::MAX as i64),
    number("ledger-devices-max", |config| &config.ledger.devices_max, 1, 160),
    number("ledger-log-age-max", |config| &config.ledger.log_age_max, 1, u32::MAX as i64),
    memory("ledger-log-bytes-max", |config| &config.ledger.log_bytes_max, 1, i64::MAX),
    number("ledger-log-entries-max", |config| &config.ledger.log_entries_max, 1, u32::MAX as i64),
    // A message to so many is one step of the broker's.
    number("ledger-members-max", |config| &config.ledger.members_max, 1, 5_000),
    number("ledger-mentions-kept-max", |config| &config.ledger.mentions_kept_max, 1, 1_000),
    number("ledger-mentions-max", |config| &config.ledger.mentions_max, 0, 500),
    number("ledger-ring-max", |config| &config.ledger.ring_max, 1, 1_280),
    number("maxclients", |config| &config.clients_max, 1, u32::MAX as i64),
    number("maxclients-per-address", |config| &config.clients_an_address_max, 0, u32::MAX as i64),
    fact("maxmemory", |_| "0".into()),
    memory("maxmemory-clients", |config| &config.clients_bytes_max, 0, i64::MAX),
    fact("maxmemory-policy", |_| "noeviction".into()),
    fact("notify-keyspace-events", |_| String::new()),
    fact("port", |facts| facts.port.unwrap_or(0).to_string()),
    Parameter {
        name: "protected-mode",
        kind: Kind::Choice { cell: |config| &config.protected_mode, words: NO_YES },
    },
    memory("proto-max-bulk-len", |config| &config.bulk_bytes_max, 1 << 20, i64::MAX),
    Parameter { name: "requirepass", kind: Kind::Password },
    fact("save", |_| String::new()),
    number("slowlog-log-slower-than", |config| &config.slow_log_microseconds, -1, i64::MAX),
    number("slowlog-max-len", |config| &config.slow_log_len_max, 0, i64::MAX),
    number("stream-node-max-entries", |config| &config.stream_node_entries_max, 0, i64::MAX),
    number("tcp-keepalive", |config| &config.keepalive_seconds, 0, i32::MAX as i64),
    number("timeout", |config| &config.timeout_seconds, 0, i32::MAX as i64),
    fact("tls-port", |facts| facts.tls_port.unwrap_or(0).to_string()),
];

/// The parameter called `name`, in any case.
pub(crate) fn find(name: &[u8]) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let config = Config::by_default();
        Config { facts: Facts { durable: true, ..config.facts }, ..config }
    }

    #[test]
    fn parameters_are_in_order_and_every_value_can_be_set_to_what_it_is() {
        assert!(PARAMETERS.is_sorted_by_key(|parameter| parameter.name));
        let config = config();
        for parameter in PARAMETERS {
            let value = config.value(parameter);
            assert_eq!(config.set(&[(parameter.name.as_bytes(), &value)]), Ok(()), "{}", parameter.name);
            assert_eq!(config.value(parameter), value);
        }
    }

    #[test]
    fn of_several_none_is_set_if_one_is_refused() {
        let config = config();
        assert!(config.set(&[(b"timeout", b"5"), (b"maxclients", b"0")]).is_err());
        assert_eq!(config.timeout(), None);
        assert!(config.set(&[(b"timeout", b"5"), (b"maxclients", b"7")]).is_ok());
        assert_eq!(config.timeout(), Some(Duration::from_secs(5)));
        assert_eq!(config.clients_max(), 7);
    }

    #[test]
    fn facts_cannot_be_changed() {
        assert!(config().set(&[(b"appendonly", b"no")]).is_err());
        assert!(config().set(&[(b"appendonly", b"yes")]).is_ok());
    }
}
