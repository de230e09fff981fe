//! What client libraries and monitors are told of commands beside what is in the table: flags of subcommands, tips, and
//! where keys are. All of it is what Redis 7.0 says, or would say.

use super::{
    getkeys::access,
    table::{Called, Entry},
};

impl Entry {
    /// The flags of what is called, in Redis's words and order.
    pub(super) fn flags_of(&self, called: Called) -> &'static [&'static str] {
        match called.name {
            // By themselves they do nothing; what the table says of them is what some of their subcommands do.
            "xgroup" | "xinfo" | "object" => &[],
            _ if called == self.itself() => self.flags,
            _ => of_subcommand(self.name, self.last_word(called)),
        }
    }

    /// First key, last key, step of what is called; all 0 without keys.
    pub(super) fn keys_of(&self, called: Called) -> (i64, i64, i64) {
        match called.name {
            _ if called == self.itself() => self.keys,
            "memory|usage" => (2, 2, 1),
            "xgroup|help" | "xinfo|help" => (0, 0, 0),
            "object|help" => (0, 0, 0),
            _ if matches!(self.name, "xgroup" | "xinfo" | "object") => (2, 2, 1),
            _ => (0, 0, 0),
        }
    }

    /// Its own name, or that of a subcommand without the command's.
    pub(super) fn last_word(&self, called: Called) -> &'static str {
        if called == self.itself() { called.name } else { &called.name[self.name.len() + 1..] }
    }
}

fn of_subcommand(command: &str, subcommand: &str) -> &'static [&'static str] {
    match (command, subcommand) {
        (_, "help") | ("command", _) => &["loading", "stale"],
        ("client", "kill" | "list" | "no-evict" | "pause" | "unblock" | "unpause") => {
            &["admin", "noscript", "loading", "stale"]
        }
        ("client", _) | ("acl", "cat" | "genpass" | "whoami") => &["noscript", "loading", "stale"],
        ("acl" | "config" | "latency", _) => &["admin", "noscript", "loading", "stale"],
        ("slowlog", _) => &["admin", "loading", "stale"],
        ("pubsub", _) => &["pubsub", "loading", "stale"],
        ("cluster", "replicas") => &["admin", "stale"],
        ("cluster", _) => &["stale"],
        ("function", "flush") => &["write", "noscript"],
        ("function" | "script", _) => &["noscript"],
        ("memory", "usage") => &["readonly"],
        ("xgroup", "create" | "createconsumer") => &["write", "denyoom"],
        ("xgroup", _) => &["write"],
        ("xinfo" | "object", _) => &["readonly"],
        _ => &[],
    }
}

/// What a client of a cluster does best with what is called.
pub(super) fn tips(called: Called) -> &'static [&'static str] {
    match called.name {
        "ping" | "function|flush" | "flushall" | "flushdb" => {
            &["request_policy:all_shards", "response_policy:all_succeeded"]
        }
        "client|info"
        | "client|list"
        | "time"
        | "cluster|getkeysinslot"
        | "cluster|info"
        | "cluster|links"
        | "cluster|nodes"
        | "cluster|replicas"
        | "cluster|shards"
        | "cluster|slots"
        | "object|encoding"
        | "object|freq"
        | "object|idletime"
        | "object|refcount"
        | "pttl"
        | "ttl"
        | "xadd"
        | "xautoclaim"
        | "xclaim"
        | "xinfo|consumers"
        | "xpending"
        | "xtrim" => &["nondeterministic_output"],
        "command" | "command|docs" | "command|info" | "command|list" | "function|list" => {
            &["nondeterministic_output_order"]
        }
        "config|set" | "slowlog|reset" | "latency|reset" | "script|flush" => {
            &["request_policy:all_nodes", "response_policy:all_succeeded"]
        }
        "info" => &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        "memory|doctor" | "memory|malloc-stats" | "memory|stats" => {
            &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]
        }
        "memory|purge" => &["request_policy:all_shards", "response_policy:all_succeeded"],
        "slowlog|get" => &["request_policy:all_nodes", "nondeterministic_output"],
        "slowlog|len" => &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        "latency|doctor" | "latency|graph" | "latency|histogram" | "latency|history" | "latency|latest" => {
            &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]
        }
        "wait" => &["request_policy:all_shards", "response_policy:agg_min"],
        "script|exists" => &["request_policy:all_shards", "response_policy:agg_logical_and"],
        "del" | "exists" | "touch" | "unlink" => &["request_policy:multi_shard", "response_policy:agg_sum"],
        "mget" => &["request_policy:multi_shard"],
        "mset" => &["request_policy:multi_shard", "response_policy:all_succeeded"],
        "msetnx" => &["request_policy:multi_shard", "response_policy:agg_min"],
        "dbsize" => &["request_policy:all_shards", "response_policy:agg_sum"],
        "keys" => &["request_policy:all_shards", "nondeterministic_output_order"],
        "randomkey" => &["request_policy:all_shards", "nondeterministic_output"],
        "scan" => &["nondeterministic_output", "request_policy:special"],
        _ => &[],
    }
}

/// Where keys of a command are: Redis's key specification.
pub(super) struct KeySpecification {
    pub(super) notes: Option<&'static str>,
    pub(super) flags: Vec<&'static str>,
    pub(super) begins: Begin,
    pub(super) finds: Find,
}

pub(super) enum Begin {
    /// With this word.
    Index(i64),
    /// Behind this word, which stands behind the one of that number.
    Keyword(&'static str, i64),
}

pub(super) enum Find {
    Range {
        /// The last key, counted from the first; from the end if it is negative.
        last: i64,
        step: i64,
        /// The keys are so many parts of the words there are; 0 for all.
        limit: i64,
    },
    /// The first word says how many; they follow.
    Counted,
}

/// The key specifications of what is called: one for keys that the same is done to.
pub(super) fn keys(entry: &Entry, called: Called) -> Vec<KeySpecification> {
    let (first, last, step) = entry.keys_of(called);
    let flags = |key| match entry.group {
        "pubsub" => vec!["not_key"],
        _ => {
            let flags = access(entry, called, None, key).iter().copied();
            flags.chain((entry.name == "set").then_some("variable_flags")).collect()
        }
    };
    let notes = match entry.name {
        "xadd" => Some("UPDATE instead of INSERT because of the optional trimming feature"),
        "getex" => Some("RW and UPDATE because it changes the TTL"),
        "set" => Some("RW and ACCESS due to the optional `GET` argument"),
        _ => None,
    };
    let range = |last, limit| Find::Range { last, step: step.max(1), limit };
    let one = |begins, finds| vec![KeySpecification { notes, flags: flags(0), begins, finds }];
    match entry.name {
        "xread" => one(Begin::Keyword("STREAMS", 1), range(-1, 2)),
        "xreadgroup" => one(Begin::Keyword("STREAMS", 4), range(-1, 2)),
        "lmpop" => one(Begin::Index(1), Find::Counted),
        "blmpop" => one(Begin::Index(2), Find::Counted),
        _ if first == 0 => Vec::new(),
        _ if last < 0 => one(Begin::Index(first), range(last, 0)),
        _ if last == 2 && flags(0) != flags(1) => [0, 1]
            .map(|key| KeySpecification {
                notes,
                flags: flags(key),
                begins: Begin::Index(first + key as i64),
                finds: range(0, 0),
            })
            .into(),
        _ => one(Begin::Index(first), range(last - first, 0)),
    }
}
