//! What a Redis or Valkey is like, and whether a ledger can be kept there.

use std::collections::HashMap;
use std::fmt;

use redis::Value;

use crate::ask::ask;
use crate::connection::Connection;
use crate::error::BusError;
use crate::reply;
use crate::target::Place;

/// What was found when a line was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// As `Redis 7.0.15`.
    pub server: String,
    /// What a restart leaves.
    pub persistence: Persistence,
    /// Replicas that are connected.
    pub replicas: u64,
    /// Whether one can wait until what was written is on disk: Redis from 7.2, Valkey.
    pub(crate) has_waitaof: bool,
    /// Whether it is of a cluster, where one step has the keys of one slot.
    pub(crate) is_clustered: bool,
    /// Names the succession that this master's data are of.
    pub(crate) replication_id: String,
}

/// What a Redis or Valkey has on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Every write, before it is answered.
    Always,
    /// Every write, within about a second.
    EverySecond,
    /// Every write; when it is on disk is left to the system.
    Sometime,
    /// Every write; the user may not ask when it is on disk.
    Unknown,
    /// Snapshots at most: a restart loses what came after the last.
    Snapshots,
}

impl Inspection {
    /// Says it in the log.
    pub(crate) fn say(&self, place: &Place) {
        match self.persistence {
            Persistence::Snapshots => tracing::warn!("the ledger is kept on the server {place}, {self}"),
            _ => tracing::info!("the ledger is kept on the server {place}, {self}"),
        }
    }
}

const OLDEST: (u64, u64) = (7, 0);
const WITH_WAITAOF: (u64, u64) = (7, 2);

/// Looks at a server. Refused with the reason if it can keep no ledger.
pub(crate) async fn inspect(connection: &Connection, place: &str) -> Result<Inspection, BusError> {
    let info = ask(connection, redis::cmd("INFO").arg("everything")).await.and_then(reply::text);
    let info = info.map_err(|error| {
        BusError::Unusable(format!(
            "the server {place} does not say what it is like ({error}); let the user of the address run INFO"
        ))
    })?;
    // A hosted one may forbid it.
    let appendfsync = ask(connection, redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await.ok();
    let appendfsync = appendfsync.and_then(|value| match value {
        Value::Map(mut pairs) => reply::text(pairs.pop()?.1).ok(),
        _ => None,
    });
    judge(&fields(&info), appendfsync.as_deref())
        .map_err(|fault| BusError::Unusable(format!("no ledger can be kept on the server {place}: {fault}")))
}

/// The replication id of a master; none if it is none any more.
pub(crate) async fn succession(connection: &Connection) -> Result<Option<String>, BusError> {
    let info = ask(connection, redis::cmd("INFO").arg("replication")).await.and_then(reply::text)?;
    Ok(master_in(&info).map(str::to_owned))
}

/// The replication id in what INFO says of a master.
pub(crate) fn master_in(info: &str) -> Option<&str> {
    let info = fields(info);
    let is_master = info.get("role") == Some(&"master");
    info.get("master_replid").filter(|_| is_master).copied()
}

fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

fn judge(info: &HashMap<&str, &str>, appendfsync: Option<&str>) -> Result<Inspection, String> {
    let field = |name: &str| info.get(name).copied().unwrap_or_default();
    let server = match info.get("valkey_version") {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {}", field("redis_version")),
    };
    let version = version(field("redis_version"));
    if version < OLDEST {
        let (major, minor) = OLDEST;
        return Err(format!("it is {server}; Redis from {major}.{minor} or Valkey is needed"));
    }
    if field("loading") == "1" {
        return Err(format!("{server} still reads what it has on disk"));
    }
    if field("role") != "master" {
        return Err(format!("it is a replica of {}; give its master's address", field("master_host")));
    }
    match info.get("maxmemory_policy") {
        Some(&"noeviction") => {}
        Some(policy) => {
            return Err(format!(
                "with maxmemory-policy {policy} it may throw away messages when its memory is full; set it to noeviction"
            ));
        }
        None => return Err("it does not say its maxmemory-policy, which has to be noeviction".to_owned()),
    }
    let persistence = match (field("aof_enabled"), appendfsync) {
        ("1", Some("always")) => Persistence::Always,
        ("1", Some("everysec")) => Persistence::EverySecond,
        ("1", Some(_)) => Persistence::Sometime,
        ("1", None) => Persistence::Unknown,
        _ => Persistence::Snapshots,
    };
    Ok(Inspection {
        server,
        persistence,
        replicas: field("connected_slaves").parse().unwrap_or(0),
        has_waitaof: version >= WITH_WAITAOF,
        is_clustered: field("cluster_enabled") == "1",
        replication_id: field("master_replid").to_owned(),
    })
}

fn version(text: &str) -> (u64, u64) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let persistence = match self.persistence {
            Persistence::Always => "what is answered is on disk",
            Persistence::EverySecond => "a power cut loses a second or two (appendfsync everysec)",
            Persistence::Sometime => "a power cut loses what the system has not written (appendfsync no)",
            Persistence::Unknown => "what a power cut loses it does not say (CONFIG GET appendfsync)",
            Persistence::Snapshots => "a restart loses what came after the last snapshot (appendonly no)",
        };
        write!(f, "{}: {persistence}; replicas: {}", self.server, self.replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n\
                        # Persistence\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
                        master_replid:8d1f\r\n";

    fn judged(info: &str, appendfsync: Option<&str>) -> Result<Inspection, String> {
        judge(&fields(info), appendfsync)
    }

    #[test]
    fn what_it_is_like_is_said() {
        let found = judged(INFO, Some("everysec")).unwrap();
        let text = "Redis 7.0.15: a power cut loses a second or two (appendfsync everysec); replicas: 2";
        assert_eq!((found.to_string().as_str(), found.has_waitaof), (text, false));
        assert_eq!((found.replication_id.as_str(), found.is_clustered), ("8d1f", false));
        assert!(judged(&format!("{INFO}cluster_enabled:1\r\n"), None).unwrap().is_clustered);
        assert_eq!(judged(INFO, None).unwrap().persistence, Persistence::Unknown);
        let valkey = INFO.replace("redis_version:7.0.15", "redis_version:7.2.4\r\nvalkey_version:9.0.1");
        let found = judged(&valkey.replace("aof_enabled:1", "aof_enabled:0"), Some("always")).unwrap();
        assert_eq!((found.server.as_str(), found.has_waitaof), ("Valkey 9.0.1", true));
        assert_eq!(found.persistence, Persistence::Snapshots);
    }

    #[test]
    fn what_cannot_keep_a_ledger_is_refused_with_the_reason() {
        for (there, instead, reason) in [
            ("redis_version:7.0.15", "redis_version:6.2.14", "it is Redis 6.2.14"),
            ("role:master", "loading:1\r\nrole:master", "Redis 7.0.15 still reads what it has on disk"),
            ("role:master", "role:slave\r\nmaster_host:db1", "a replica of db1; give its master's"),
            ("noeviction", "volatile-lru", "with maxmemory-policy volatile-lru it may throw away messages"),
            ("maxmemory_policy", "other", "does not say its maxmemory-policy"),
        ] {
            let fault = judged(&INFO.replace(there, instead), None).unwrap_err();
            assert!(fault.contains(reason), "{fault}");
        }
    }
}
