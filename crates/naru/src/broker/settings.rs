//! What a broker can be told, by the command line or by a configuration file.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use anyhow::anyhow;
use clap::Args;
use naru_broker::{Parameters, Storage};

use super::acl;
use crate::{listen, tls};

/// The folder for what must last, below the working folder or Redis's `dir`.
pub(super) const DATA: &str = "naru-data";

/// What one source says; what it leaves open is for the next one, and then for the default.
#[derive(Args, Clone, Default)]
#[group(skip)]
pub(crate) struct Settings {
    /// Address to listen on, as Redis takes it: * for all of IPv4, ::* for all of IPv6, with - in front it may be
    /// missing from this machine; to be given several times [default: 127.0.0.1].
    #[arg(long, value_name = "IP")]
    pub(super) bind: Vec<Bind>,
    /// Port for Redis clients; 0 takes a free one, or none if there is another way in (--tls-port, --unixsocket)
    /// [default: 6379].
    #[arg(short, long)]
    pub(super) port: Option<u16>,
    /// A Unix socket to listen on as well.
    #[arg(long, value_name = "PATH")]
    pub(super) unixsocket: Option<PathBuf>,
    /// The socket file's permissions, in octal, such as 700 [default: what the umask leaves].
    #[arg(long, value_name = "MODE", value_parser = listen::parse_mode)]
    pub(super) unixsocketperm: Option<u32>,
    #[command(flatten)]
    pub(super) tls: tls::Options,
    /// Folder for what must last [default: naru-data].
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub(super) data: Option<PathBuf>,
    /// Keep everything in memory: fast, and gone with the process.
    #[arg(long)]
    pub(super) memory: bool,
    /// When what is stored is acknowledged: once it is on disk (always), once the system has it and at most a second before
    /// it is on disk (everysec), or whenever the system writes it (no) [default: always].
    #[arg(long, value_name = "LEVEL", value_parser = ["always", "everysec", "no"])]
    pub(super) fsync: Option<String>,
    /// Password that clients sign in with; without one, only this machine is let in.
    #[arg(long, env = "NARU_REQUIREPASS", hide_env_values = true, value_name = "PASSWORD")]
    pub(super) requirepass: Option<String>,
    #[command(flatten)]
    pub(super) acl: acl::Options,
    /// Threads that serve connections [default: half the processors].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) cores: Option<u16>,
    /// A parameter of CONFIG SET, such as maxclients=20000; to be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_set)]
    pub(super) set: Vec<(String, String)>,
    /// What to log; the command line has an option for all subcommands instead.
    #[arg(skip)]
    pub(super) log: Option<&'static str>,
}

impl Settings {
    /// These, and what they leave open as `other` has it.
    pub(super) fn or(self, other: Settings) -> Settings {
        let says_where_to_store = self.memory || self.data.is_some();
        let (data, memory) =
            if says_where_to_store { (self.data, self.memory) } else { (other.data, other.memory) };
        Settings {
            bind: if self.bind.is_empty() { other.bind } else { self.bind },
            port: self.port.or(other.port),
            unixsocket: self.unixsocket.or(other.unixsocket),
            unixsocketperm: self.unixsocketperm.or(other.unixsocketperm),
            tls: self.tls.or(other.tls),
            data,
            memory,
            fsync: self.fsync.or(other.fsync),
            requirepass: self.requirepass.or(other.requirepass),
            acl: self.acl.or(other.acl),
            cores: self.cores.or(other.cores),
            // The later holds.
            set: [other.set, self.set].concat(),
            log: self.log.or(other.log),
        }
    }

    /// What is set beyond what has an option of its own.
    pub(super) fn parameters(&self) -> anyhow::Result<Parameters> {
        let mut parameters = Parameters::default();
        let fsync = self.fsync.iter().map(|level| ("appendfsync", level));
        for (name, value) in self.set.iter().map(|(name, value)| (&**name, value)).chain(fsync) {
            parameters.set(name, value).map_err(|error| anyhow!("{name}: {error}"))?;
        }
        Ok(parameters)
    }

    pub(super) fn storage(&self) -> Storage {
        if self.memory {
            Storage::Memory
        } else {
            Storage::Folder(self.data.clone().unwrap_or_else(|| DATA.into()))
        }
    }
}

/// Reads `NAME=VALUE` of a parameter that can be set.
pub(crate) fn parse_set(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it takes a name, = and a value")?;
    if !Parameters::has(name) {
        return Err(format!("{name} is no parameter that CONFIG SET could change"));
    }
    // They belong to the users, who are there before anything is set.
    if ["requirepass", "acl-pubsub-default"].contains(&&*name.to_ascii_lowercase()) {
        return Err(format!("{name} has an option or a line of the configuration file of its own"));
    }
    Parameters::default().set(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(super) ip: IpAddr,
    /// This machine need not have it.
    pub(super) may_be_missing: bool,
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, may_be_missing) = match text.strip_prefix('-') {
            Some(address) => (address, true),
            None => (text, false),
        };
        let ip = match address {
            "*" => "0.0.0.0",
            "::*" => "::",
            address => address,
        };
        let ip = ip.parse().map_err(|_| {
            format!("{text:?} is no address: give one such as 127.0.0.1, ::1, 0.0.0.0 or * for all")
        })?;
        Ok(Bind { ip, may_be_missing })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_redis_takes_them() {
        for (text, ip, may_be_missing) in [
            ("127.0.0.1", "127.0.0.1", false),
            ("-::1", "::1", true),
            ("*", "0.0.0.0", false),
            ("-::*", "::", true),
        ] {
            assert_eq!(text.parse(), Ok(Bind { ip: ip.parse().unwrap(), may_be_missing }), "{text}");
        }
        for wrong in ["", "-", "nowhere", "127.0.0.1:6379"] {
            assert!(wrong.parse::<Bind>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn where_to_store_is_taken_from_one_source_as_a_whole() {
        let memory = || Settings { memory: true, ..Settings::default() };
        let folder = || Settings { data: Some("x".into()), ..Settings::default() };
        assert!(matches!(folder().or(memory()).storage(), Storage::Folder(_)));
        assert!(matches!(memory().or(folder()).storage(), Storage::Memory));
        assert!(matches!(Settings::default().or(memory()).storage(), Storage::Memory));
    }
}
