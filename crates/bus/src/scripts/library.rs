//! The texts of the scripts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use naru_ledger::Limits;
use naru_ledger::json::ENTRY_BYTES_MAX;
use sha1::{Digest, Sha1};

/// A script, and the name under which a server that has seen it knows it.
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) sha: String,
}

/// Every script, by its command's name.
pub(crate) struct Library(BTreeMap<&'static str, Script>);

macro_rules! lua {
    ($($file:literal),+) => { concat!($(include_str!(concat!($file, ".lua"))),+) };
}

/// What a change of an index hardly ever needs, made when it is asked for: forgetting a conversation, and telling servers, of which
/// most users have none.
macro_rules! seldom {
    () => {
        concat!(
            "local function forgetting()\n",
            lua!("order", "forget"),
            "return forget_conversation\nend\n",
            "local function telling()\n",
            lua!("json", "tell"),
            "return tell, told\nend\n",
        )
    };
}

/// What only writing in a room of many needs.
macro_rules! speaking {
    () => {
        concat!("local function speaking()\n", lua!("json", "read_log", "speak"), "return speak\nend\n")
    };
}

/// A change of who is in a room.
macro_rules! member {
    () => {
        concat!(lua!("begin", "now", "log", "write"), speaking!(), lua!("member"))
    };
}

/// Each begins with what `begin.lua` says; what several have in common stands in front of them, if they ask for it: every function
/// that stands in a script is made anew each time it is run. What is hardly ever needed is therefore made by a function.
const TEXTS: &[(&str, &str)] = &[
    ("NARU.APPEND", concat!(lua!("begin", "now", "log", "write", "say"), speaking!(), lua!("append"))),
    ("NARU.EDIT", concat!(lua!("begin", "now", "log", "write", "say"), speaking!(), lua!("edit"))),
    ("NARU.DELETE", concat!(lua!("begin", "now", "log", "write", "say"), speaking!(), lua!("delete"))),
    ("NARU.DELIVER", concat!(lua!("begin", "less", "inbox"), seldom!(), lua!("change", "routes", "deliver"))),
    ("NARU.DONE", lua!("begin", "log", "write", "done")),
    ("NARU.SWEEP", lua!("begin", "now", "page", "log", "sweep")),
    ("NARU.RESUME", lua!("begin", "now", "page", "epoch", "less", "inbox", "stand", "note", "resume")),
    ("NARU.CHANGED", lua!("begin", "page", "inbox", "stand", "order", "changed")),
    ("NARU.CONVERSATIONS", lua!("begin", "page", "inbox", "stand", "order", "conversations")),
    ("NARU.ACK", lua!("begin", "now", "less", "inbox", "stand", "note", "ack")),
    ("NARU.READ", concat!(lua!("begin", "less", "inbox"), seldom!(), lua!("change", "routes", "read"))),
    ("NARU.MARK", lua!("begin", "log", "mark")),
    ("NARU.HISTORY", lua!("begin", "page", "json", "log", "read_log", "history")),
    ("NARU.MAKE", concat!("local CHANGE = 'make'\n", member!())),
    ("NARU.JOIN", concat!("local CHANGE = 'join'\n", member!())),
    ("NARU.LEAVE", concat!("local CHANGE = 'leave'\n", member!())),
    ("NARU.ROLE", concat!("local CHANGE = 'role'\n", member!())),
    ("NARU.MEMBERS", lua!("begin", "page", "less", "log", "members")),
    ("NARU.SERVER", lua!("begin", "now", "server")),
    ("NARU.ROUTE", lua!("begin", "now", "less", "routes", "route")),
    ("NARU.UNROUTE", lua!("begin", "unroute")),
    ("NARU.PRESENCE", lua!("begin", "presence")),
    ("NARU.TRACE", lua!("begin", "now", "json", "log", "read_log", "trace")),
    ("NARU.STANDING", lua!("begin", "epoch", "less", "inbox", "stand", "routes", "standing")),
    ("NARU.CHANNEL.PUBLISH", lua!("begin", "less", "channel", "channel_publish")),
    ("NARU.CHANNEL.HISTORY", lua!("begin", "channel", "channel_history")),
    ("NARU.CHANNEL.REMOVE", lua!("begin", "channel_remove")),
    ("NARU.CHANNEL.ENTER", lua!("begin", "channel_enter")),
    ("NARU.CHANNEL.LEAVE", lua!("begin", "channel_leave")),
    ("NARU.CHANNEL.PRESENCE", lua!("begin", "channel_presence")),
    ("NARU.CHANNEL.STATS", lua!("begin", "channel_stats")),
    (CHANNEL_RUNS, lua!("begin", "channel_runs")),
    (PART, lua!("begin", "log", "part")),
    (TURNS, lua!("begin", "log", "turns")),
    (ALIVE, lua!("begin", "now", "alive")),
    (GENERATION, lua!("generation")),
];

/// Which of some users take part in a conversation. No operation: in Naru's broker a send looks for itself.
pub(crate) const PART: &str = "PART";

/// Who has come or gone, and not yet into all inboxes. No operation: in Naru's broker a delivery looks for itself.
pub(crate) const TURNS: &str = "TURNS";

/// Which runs of servers say that somebody is present in a channel; or forgets what some of them said. No operation: Naru's broker
/// knows which it believes.
pub(crate) const CHANNEL_RUNS: &str = "CHANNEL_RUNS";

/// Whether a server may be believed to run. No operation: in Naru's broker whoever asks for users is told.
pub(crate) const ALIVE: &str = "ALIVE";

/// The generation of a master. No operation: Naru's broker knows its own.
pub(crate) const GENERATION: &str = "GENERATION";

impl Library {
    /// The scripts of a ledger with these limits. They are part of the text, since they hardly ever change: a server that runs
    /// with others has other scripts.
    pub(crate) fn new(limits: &Limits) -> Library {
        let script = |(name, text): &(&'static str, &str)| {
            let text = format!("{}{text}", limits_table(limits, text));
            let sha = Sha1::digest(&text).iter().fold(String::new(), |mut sha, byte| {
                let _ = write!(sha, "{byte:02x}");
                sha
            });
            (*name, Script { text, sha })
        };
        Library(TEXTS.iter().map(script).collect())
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Script> {
        self.0.values()
    }

    /// The script of a command; none where the bus takes several steps, or there is no such command.
    pub(crate) fn script(&self, name: &str) -> Option<&Script> {
        self.0.get(name)
    }
}

/// Those a text asks for: a script makes what stands in it anew each time it is run.
fn limits_table(limits: &Limits, text: &str) -> String {
    let Limits {
        body_bytes_max,
        mentions_max,
        log_entries_max,
        log_bytes_max,
        log_age_max,
        dedupe_window,
        ring_max,
        conversations_max,
        mentions_kept_max,
        devices_max,
        device_ttl,
        seen_every,
        members_max,
        page_entries_max,
        page_bytes_max,
    } = limits;
    let fields = [
        ("body_bytes", *body_bytes_max as u128),
        ("mentions", *mentions_max as u128),
        ("log_entries", *log_entries_max as u128),
        ("log_bytes", u128::from(*log_bytes_max)),
        ("log_age", log_age_max.as_millis()),
        ("dedupe_window", dedupe_window.as_millis().max(1)),
        ("ring", *ring_max as u128),
        ("conversations", *conversations_max as u128),
        ("mentions_kept", *mentions_kept_max as u128),
        ("devices", *devices_max as u128),
        ("device_ttl", device_ttl.as_millis()),
        ("seen_every", seen_every.as_millis()),
        ("members", *members_max as u128),
        ("page_entries", *page_entries_max as u128),
        ("page_bytes", *page_bytes_max as u128),
        ("entry_told_bytes", ENTRY_BYTES_MAX as u128),
    ];
    let asked = fields.iter().filter(|(name, _)| text.contains(&format!("LIMITS.{name}")));
    let fields: Vec<String> = asked.map(|(name, limit)| format!("{name} = {limit}")).collect();
    format!("local LIMITS = {{ {} }}\n", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_the_sha_of_its_whole_text() {
        let library = Library::new(&Limits::default());
        let done = library.script("NARU.DONE").unwrap();
        assert!(done.text.starts_with("local LIMITS = { log_entries = 10000, log_bytes = "));
        assert_eq!(done.sha.len(), 40);
        let limits = Limits { ring_max: 5, ..Limits::default() };
        let other = Library::new(&limits);
        let sha = |library: &Library, name| library.script(name).unwrap().sha.clone();
        assert_ne!(sha(&other, "NARU.DELIVER"), sha(&library, "NARU.DELIVER"));
        assert_eq!(sha(&other, "NARU.DONE"), done.sha, "it asks for no such limit");
        assert!(library.script("NARU.SEND").is_none(), "the bus takes its three steps");
    }

    #[test]
    fn scripts_use_nothing_that_came_after_redis_7_0() {
        // Everything they call, to be looked at when one is added: each is older than 7.0, options included.
        let known = [
            "DEL",
            "EXISTS",
            "GET",
            "HDEL",
            "HGET",
            "HGETALL",
            "HKEYS",
            "HLEN",
            "HMGET",
            "HSET",
            "HSETNX",
            "HVALS",
            "LLEN",
            "LPOP",
            "LRANGE",
            "LTRIM",
            "PEXPIRE",
            "PTTL",
            "PUBLISH",
            "RENAME",
            "RPUSH",
            "SET",
            "TIME",
            "XADD",
            "XDEL",
            "XRANGE",
            "XREVRANGE",
            "ZADD",
            "ZCOUNT",
            "ZRANGE",
            "ZREM",
            "ZREMRANGEBYRANK",
            "ZREMRANGEBYSCORE",
        ];
        for (name, text) in TEXTS {
            for call in text.split("redis.call('").skip(1) {
                let command = call.split('\'').next().unwrap();
                assert!(known.contains(&command), "{name} calls {command}");
            }
        }
    }
}
