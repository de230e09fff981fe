use std::{cell::Cell, collections::HashMap, sync::LazyLock};

use naru_resp::Command;

use super::{
    Context, Outcome, acl, backup, channels, client, cluster, config, connection, describe, info, keys,
    ledger, lists, memory, monitor, pubsub, scripting, slow, stream_groups, stream_info, streams, strings,
    transaction,
};

/// How many arguments a command takes, its name included.
#[derive(Clone, Copy)]
pub(crate) enum Arity {
    Exactly(usize),
    AtLeast(usize),
}

impl Arity {
    pub(crate) fn accepts(self, count: usize) -> bool {
        match self {
            Arity::Exactly(wanted) => count == wanted,
            Arity::AtLeast(least) => count >= least,
        }
    }

    /// As `COMMAND INFO` has it: negative for "at least".
    pub(crate) fn as_integer(self) -> i64 {
        match self {
            Arity::Exactly(wanted) => wanted as i64,
            Arity::AtLeast(least) => -(least as i64),
        }
    }
}

/// One command: what it is called, takes, does.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) arity: Arity,
    /// Redis's flags, as `COMMAND INFO` has them; those of subcommands are in `traits.rs`.
    pub(crate) flags: &'static [&'static str],
    /// First key, last key, step; all 0 without keys.
    pub(crate) keys: (i64, i64, i64),
    /// The number of [`Called`]; its subcommands' follow.
    number: usize,
    /// Full names of its subcommands, such as `client|list`; none if it has none.
    pub(crate) subcommands: &'static [&'static str],
    pub(crate) group: &'static str,
    pub(crate) summary: &'static str,
    /// Allowed to a RESP2 subscriber.
    pub(crate) in_subscribed_mode: bool,
    /// It never takes long, and is timed with others of its kind.
    pub(crate) is_brief: bool,
    pub(crate) run: fn(&Context<'_>, &Command<'_>) -> Outcome,
}

/// Something that can be called: a command, or a subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    /// Its number among all of them.
    pub(crate) number: usize,
    /// The full name.
    pub(crate) name: &'static str,
}

/// How many things can be called.
pub(crate) fn called_count() -> usize {
    TABLE.last().map_or(0, |last| last.number + 1 + last.subcommands.len())
}

/// Everything that can be called, in the order of its number.
pub(crate) fn all_called() -> impl Iterator<Item = Called> {
    TABLE.iter().flat_map(Entry::all_called)
}

/// The longest name, and so the most that is looked at of a stranger's.
const NAME_BYTES_MAX: usize = 32;

/// The command called `name`, in any case.
pub(crate) fn find(name: &[u8]) -> Option<&'static Entry> {
    static BY_NAME: LazyLock<HashMap<&'static [u8], &'static Entry, ahash::RandomState>> =
        LazyLock::new(|| TABLE.iter().map(|entry| (entry.name.as_bytes(), entry)).collect());
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    BY_NAME.get(&*lower).copied()
}

/// The command last found, since the next is most often the same.
#[derive(Default)]
pub(crate) struct LastFound(Cell<Option<&'static Entry>>);

impl LastFound {
    /// As [`find`].
    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static Entry> {
        if let Some(last) = self.0.get()
            && last.name.as_bytes().eq_ignore_ascii_case(name)
        {
            return Some(last);
        }
        let found = find(name)?;
        self.0.set(Some(found));
        Some(found)
    }
}

const fn entry(
    name: &'static str,
    arity: Arity,
    group: &'static str,
    flags: &'static [&'static str],
    run: fn(&Context<'_>, &Command<'_>) -> Outcome,
    summary: &'static str,
) -> Entry {
    Entry {
        name,
        arity,
        flags,
        keys: (0, 0, 0),
        number: 0,
        subcommands: &[],
        group,
        summary,
        in_subscribed_mode: false,
        is_brief: false,
        run,
    }
}

impl Entry {
    /// The command itself, without a subcommand.
    pub(crate) fn itself(&self) -> Called {
        Called { number: self.number, name: self.name }
    }

    /// The command itself and all its subcommands, in the order of their numbers.
    pub(crate) fn all_called(&self) -> impl Iterator<Item = Called> {
        let names = std::iter::once(self.name).chain(self.subcommands.iter().copied());
        (self.number..).zip(names).map(|(number, name)| Called { number, name })
    }

    /// What is called, subcommand included; none if there is no such subcommand.
    pub(crate) fn called(&self, command: &Command<'_>) -> Option<Called> {
        let Some(subcommand) = command.get(1).filter(|_| !self.subcommands.is_empty()) else {
            return Some(self.itself());
        };
        let at = self.subcommand(subcommand)?;
        Some(Called { number: self.number + 1 + at, name: self.subcommands[at] })
    }

    /// The same of a command that was found to be callable; without a subcommand if there is no such.
    pub(crate) fn called_or_itself(&self, command: &Command<'_>) -> Called {
        self.called(command).unwrap_or(self.itself())
    }

    /// The place of the subcommand called so, in any case.
    pub(crate) fn subcommand(&self, name: &[u8]) -> Option<usize> {
        let is_it = |full: &&str| full.as_bytes()[self.name.len() + 1..].eq_ignore_ascii_case(name);
        self.subcommands.iter().position(is_it)
    }

    /// Whether it changes something or is heard by others: what `CLIENT PAUSE … WRITE` holds back.
    pub(crate) fn is_write(&self) -> bool {
        self.flags.contains(&"write") || matches!(self.name, "publish" | "spublish")
    }

    const fn keys(mut self, first: i64, last: i64, step: i64) -> Self {
        self.keys = (first, last, step);
        self
    }

    const fn subcommands(mut self, subcommands: &'static [&'static str]) -> Self {
        self.subcommands = subcommands;
        self
    }

    const fn brief(mut self) -> Self {
        self.is_brief = true;
        self
    }

    const fn in_subscribed_mode(mut self) -> Self {
        self.in_subscribed_mode = true;
        self
    }
}

impl Entry {
    /// Whether it is Naru's own.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.group, "naru" | "naru-channel")
    }

    /// Whether it is about what the keeper has: what Redis says reads or writes the key space, and Naru's own.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_ours()
            || self.group == "generic"
            || self.flags.iter().any(|flag| matches!(*flag, "readonly" | "write"))
    }

    pub(crate) fn publishes(&self) -> bool {
        matches!(self.name, "publish" | "spublish")
    }

    /// Whether it changes what the client is subscribed to.
    pub(crate) fn subscribes(&self) -> bool {
        self.name.ends_with("subscribe")
    }

    /// Whether it is executed at once after MULTI too.
    pub(crate) fn is_never_queued(&self) -> bool {
        matches!(self.name, "multi" | "exec" | "discard" | "watch" | "quit" | "reset")
    }
}

use Arity::{AtLeast, Exactly};

/// Every command there is.
pub(crate) static TABLE: &[Entry] = &numbered([
    // Connection
    entry(
        "ping",
        AtLeast(1),
        "connection",
        &["fast"],
        connection::ping,
        "Returns the server's liveliness response.",
    )
    .in_subscribed_mode(),
    entry(
        "echo",
        Exactly(2),
        "connection",
        &["loading", "stale", "fast"],
        connection::echo,
        "Returns the given string.",
    ),
    entry(
        "hello",
        AtLeast(1),
        "connection",
        &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
        connection::hello,
        "Handshakes with the server.",
    ),
    entry(
        "auth",
        AtLeast(2),
        "connection",
        &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
        connection::auth,
        "Authenticates the connection.",
    ),
    entry(
        "select",
        Exactly(2),
        "connection",
        &["loading", "stale", "fast"],
        connection::select,
        "Changes the selected database.",
    ),
    entry(
        "quit",
        AtLeast(1),
        "connection",
        &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
        connection::quit,
        "Closes the connection.",
    )
    .in_subscribed_mode(),
    entry(
        "reset",
        Exactly(1),
        "connection",
        &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
        connection::reset,
        "Resets the connection.",
    )
    .in_subscribed_mode(),
    entry(
        "client",
        AtLeast(2),
        "connection",
        &[],
        client::client,
        "Describes, names, pauses and closes connections.",
    )
    .subcommands(client::SUBCOMMANDS),
    // Server
    entry("acl", AtLeast(2), "server", &[], acl::acl, "Says and sets who may do what.")
        .subcommands(acl::SUBCOMMANDS),
    entry(
        "command",
        AtLeast(1),
        "server",
        &["loading", "stale"],
        describe::command,
        "Returns detailed information about all commands.",
    )
    .subcommands(describe::SUBCOMMANDS),
    entry("config", AtLeast(2), "server", &[], config::config, "Reads and sets configuration parameters.")
        .subcommands(config::SUBCOMMANDS),
    entry(
        "info",
        AtLeast(1),
        "server",
        &["loading", "stale"],
        info::info,
        "Returns information and statistics about the server.",
    ),
    entry(
        "time",
        Exactly(1),
        "server",
        &["loading", "stale", "fast"],
        info::time,
        "Returns the server time.",
    ),
    entry(
        "monitor",
        Exactly(1),
        "server",
        &["admin", "noscript", "loading", "stale"],
        monitor::monitor,
        "Listens for all commands that are executed.",
    ),
    entry("slowlog", AtLeast(2), "server", &[], slow::slowlog, "Shows commands that took long.")
        .subcommands(slow::SLOWLOG_SUBCOMMANDS),
    entry("latency", AtLeast(2), "server", &[], slow::latency, "Shows when commands took long.")
        .subcommands(slow::LATENCY_SUBCOMMANDS),
    entry("memory", AtLeast(2), "server", &[], memory::memory, "Says what takes how much memory.")
        .subcommands(memory::SUBCOMMANDS),
    entry(
        "role",
        Exactly(1),
        "server",
        &["noscript", "loading", "stale", "fast"],
        cluster::role,
        "Returns the replication role.",
    ),
    entry(
        "wait",
        Exactly(3),
        "server",
        &["noscript"],
        cluster::wait,
        "Says how many replicas have the writes of this connection.",
    ),
    entry(
        "dbsize",
        Exactly(1),
        "server",
        &["readonly", "fast"],
        keys::dbsize,
        "Return the number of keys in the selected database.",
    ),
    entry(
        "flushdb",
        AtLeast(1),
        "server",
        &["write"],
        keys::flush,
        "Remove all keys from the current database.",
    ),
    entry("flushall", AtLeast(1), "server", &["write"], keys::flush, "Remove all keys from all databases."),
    // Cluster
    entry(
        "cluster",
        AtLeast(2),
        "cluster",
        &[],
        cluster::disabled,
        "Answers that this is no node of a cluster.",
    )
    .subcommands(cluster::SUBCOMMANDS),
    entry(
        "readonly",
        Exactly(1),
        "cluster",
        &["loading", "stale", "fast"],
        cluster::disabled,
        "Answers that this is no node of a cluster.",
    ),
    entry(
        "readwrite",
        Exactly(1),
        "cluster",
        &["loading", "stale", "fast"],
        cluster::disabled,
        "Answers that this is no node of a cluster.",
    ),
    entry(
        "asking",
        Exactly(1),
        "cluster",
        &["fast"],
        cluster::disabled,
        "Answers that this is no node of a cluster.",
    ),
    // Scripting
    entry(
        "function",
        AtLeast(2),
        "scripting",
        &[],
        scripting::function,
        "Lists the functions, of which there are none.",
    )
    .subcommands(scripting::FUNCTION_SUBCOMMANDS),
    entry(
        "script",
        AtLeast(2),
        "scripting",
        &[],
        scripting::script,
        "Says which scripts are loaded, of which there are none.",
    )
    .subcommands(scripting::SCRIPT_SUBCOMMANDS),
    // Pub/sub
    entry(
        "subscribe",
        AtLeast(2),
        "pubsub",
        &["pubsub", "noscript", "loading", "stale"],
        pubsub::subscribe,
        "Listens for messages published to channels.",
    )
    .in_subscribed_mode(),
    entry(
        "unsubscribe",
        AtLeast(1),
        "pubsub",
        &["pubsub", "noscript", "loading", "stale"],
        pubsub::unsubscribe,
        "Stops listening to messages posted to channels.",
    )
    .in_subscribed_mode(),
    entry(
        "psubscribe",
        AtLeast(2),
        "pubsub",
        &["pubsub", "noscript", "loading", "stale"],
        pubsub::psubscribe,
        "Listens for messages published to channels that match one or more patterns.",
    )
    .in_subscribed_mode(),
    entry(
        "punsubscribe",
        AtLeast(1),
        "pubsub",
        &["pubsub", "noscript", "loading", "stale"],
        pubsub::punsubscribe,
        "Stops listening to messages published to channels that match one or more patterns.",
    )
    .in_subscribed_mode(),
    entry(
        "ssubscribe",
        AtLeast(2),
        "pubsub",
        &["pubsub", "noscript", "loading", "stale"],
        pubsub::ssubscribe,
        "Listens for messages published to shard channels.",
    )
    .keys(1, -1, 1)
    .in_subscribed_mode(),
    entry(
        "sunsubscribe",
        AtLeast(1),
        "pubsub",
        &["pubsub", "noscript", "loading", "stale"],
        pubsub::sunsubscribe,
        "Stops listening to messages posted to shard channels.",
    )
    .keys(1, -1, 1)
    .in_subscribed_mode(),
    entry(
        "spublish",
        Exactly(3),
        "pubsub",
        &["pubsub", "loading", "stale", "fast"],
        pubsub::spublish,
        "Posts a message to a shard channel.",
    )
    .keys(1, 1, 1)
    .brief(),
    entry(
        "publish",
        Exactly(3),
        "pubsub",
        &["pubsub", "loading", "stale", "fast"],
        pubsub::publish,
        "Posts a message to a channel.",
    )
    .brief(),
    entry("pubsub", AtLeast(2), "pubsub", &[], pubsub::pubsub, "Looks at channels and patterns.")
        .subcommands(pubsub::SUBCOMMANDS),
    // Transactions
    entry(
        "multi",
        Exactly(1),
        "transactions",
        &["noscript", "loading", "stale", "fast", "allow_busy"],
        transaction::multi,
        "Starts a transaction.",
    ),
    entry(
        "exec",
        Exactly(1),
        "transactions",
        &["noscript", "loading", "stale", "skip_slowlog"],
        transaction::exec,
        "Executes all commands in a transaction.",
    ),
    entry(
        "discard",
        Exactly(1),
        "transactions",
        &["noscript", "loading", "stale", "fast", "allow_busy"],
        transaction::discard,
        "Discards a transaction.",
    ),
    entry(
        "watch",
        AtLeast(2),
        "transactions",
        &["noscript", "loading", "stale", "fast", "allow_busy"],
        transaction::watch,
        "Monitors changes to keys to determine the execution of a transaction.",
    )
    .keys(1, -1, 1),
    entry(
        "unwatch",
        Exactly(1),
        "transactions",
        &["noscript", "loading", "stale", "fast", "allow_busy"],
        transaction::unwatch,
        "Forgets about watched keys of a transaction.",
    ),
    // Keys
    entry("del", AtLeast(2), "generic", &["write"], keys::del, "Deletes one or more keys.").keys(1, -1, 1),
    entry(
        "exists",
        AtLeast(2),
        "generic",
        &["readonly", "fast"],
        keys::exists,
        "Determines whether one or more keys exist.",
    )
    .keys(1, -1, 1),
    entry(
        "type",
        Exactly(2),
        "generic",
        &["readonly", "fast"],
        keys::kind,
        "Determines the type of value stored at a key.",
    )
    .keys(1, 1, 1),
    entry(
        "unlink",
        AtLeast(2),
        "generic",
        &["write", "fast"],
        keys::del,
        "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
    )
    .keys(1, -1, 1),
    entry(
        "touch",
        AtLeast(2),
        "generic",
        &["readonly", "fast"],
        keys::exists,
        "Alters the last access time of a key(s). Returns the number of existing keys specified.",
    )
    .keys(1, -1, 1),
    entry(
        "expire",
        AtLeast(3),
        "generic",
        &["write", "fast"],
        keys::expire,
        "Set a key's time to live in seconds.",
    )
    .keys(1, 1, 1),
    entry(
        "pexpire",
        AtLeast(3),
        "generic",
        &["write", "fast"],
        keys::pexpire,
        "Set a key's time to live in milliseconds.",
    )
    .keys(1, 1, 1),
    entry(
        "expireat",
        AtLeast(3),
        "generic",
        &["write", "fast"],
        keys::expireat,
        "Set the expiration for a key as a UNIX timestamp.",
    )
    .keys(1, 1, 1),
    entry(
        "pexpireat",
        AtLeast(3),
        "generic",
        &["write", "fast"],
        keys::pexpireat,
        "Set the expiration for a key as a UNIX timestamp specified in milliseconds.",
    )
    .keys(1, 1, 1),
    entry(
        "ttl",
        Exactly(2),
        "generic",
        &["readonly", "fast"],
        keys::ttl,
        "Get the time to live for a key in seconds.",
    )
    .keys(1, 1, 1),
    entry(
        "pttl",
        Exactly(2),
        "generic",
        &["readonly", "fast"],
        keys::pttl,
        "Get the time to live for a key in milliseconds.",
    )
    .keys(1, 1, 1),
    entry(
        "expiretime",
        Exactly(2),
        "generic",
        &["readonly", "fast"],
        keys::expiretime,
        "Get the expiration Unix timestamp for a key.",
    )
    .keys(1, 1, 1),
    entry(
        "pexpiretime",
        Exactly(2),
        "generic",
        &["readonly", "fast"],
        keys::pexpiretime,
        "Get the expiration Unix timestamp for a key in milliseconds.",
    )
    .keys(1, 1, 1),
    entry(
        "persist",
        Exactly(2),
        "generic",
        &["write", "fast"],
        keys::persist,
        "Remove the expiration from a key.",
    )
    .keys(1, 1, 1),
    entry("rename", Exactly(3), "generic", &["write"], keys::rename, "Rename a key.").keys(1, 2, 1),
    entry(
        "renamenx",
        Exactly(3),
        "generic",
        &["write", "fast"],
        keys::renamenx,
        "Rename a key, only if the new key does not exist.",
    )
    .keys(1, 2, 1),
    entry("copy", AtLeast(3), "generic", &["write", "denyoom"], keys::copy, "Copy a key.").keys(1, 2, 1),
    entry("scan", AtLeast(2), "generic", &["readonly"], keys::scan, "Incrementally iterate the keys space."),
    entry(
        "keys",
        Exactly(2),
        "generic",
        &["readonly"],
        keys::keys,
        "Find all keys matching the given pattern.",
    ),
    entry(
        "randomkey",
        Exactly(1),
        "generic",
        &["readonly"],
        keys::randomkey,
        "Return a random key from the keyspace.",
    ),
    entry(
        "object",
        AtLeast(2),
        "generic",
        &[],
        keys::object,
        "A container for object introspection commands.",
    )
    .subcommands(keys::OBJECT_SUBCOMMANDS),
    // Strings
    entry("get", Exactly(2), "string", &["readonly", "fast"], strings::get, "Get the value of a key.")
        .keys(1, 1, 1),
    entry("set", AtLeast(3), "string", &["write", "denyoom"], strings::set, "Set the string value of a key.")
        .keys(1, 1, 1),
    entry(
        "setnx",
        Exactly(3),
        "string",
        &["write", "denyoom", "fast"],
        strings::setnx,
        "Set the value of a key, only if the key does not exist.",
    )
    .keys(1, 1, 1),
    entry(
        "setex",
        Exactly(4),
        "string",
        &["write", "denyoom"],
        strings::setex,
        "Set the value and expiration of a key.",
    )
    .keys(1, 1, 1),
    entry(
        "psetex",
        Exactly(4),
        "string",
        &["write", "denyoom"],
        strings::psetex,
        "Set the value and expiration in milliseconds of a key.",
    )
    .keys(1, 1, 1),
    entry(
        "getset",
        Exactly(3),
        "string",
        &["write", "denyoom", "fast"],
        strings::getset,
        "Set the string value of a key and return its old value.",
    )
    .keys(1, 1, 1),
    entry(
        "getdel",
        Exactly(2),
        "string",
        &["write", "fast"],
        strings::getdel,
        "Get the value of a key and delete the key.",
    )
    .keys(1, 1, 1),
    entry(
        "getex",
        AtLeast(2),
        "string",
        &["write", "fast"],
        strings::getex,
        "Get the value of a key and optionally set its expiration.",
    )
    .keys(1, 1, 1),
    entry(
        "mget",
        AtLeast(2),
        "string",
        &["readonly", "fast"],
        strings::mget,
        "Get the values of all the given keys.",
    )
    .keys(1, -1, 1),
    entry(
        "mset",
        AtLeast(3),
        "string",
        &["write", "denyoom"],
        strings::mset,
        "Set multiple keys to multiple values.",
    )
    .keys(1, -1, 2),
    entry(
        "msetnx",
        AtLeast(3),
        "string",
        &["write", "denyoom"],
        strings::msetnx,
        "Set multiple keys to multiple values, only if none of the keys exist.",
    )
    .keys(1, -1, 2),
    entry(
        "incr",
        Exactly(2),
        "string",
        &["write", "denyoom", "fast"],
        strings::incr,
        "Increment the integer value of a key by one.",
    )
    .keys(1, 1, 1),
    entry(
        "decr",
        Exactly(2),
        "string",
        &["write", "denyoom", "fast"],
        strings::decr,
        "Decrement the integer value of a key by one.",
    )
    .keys(1, 1, 1),
    entry(
        "incrby",
        Exactly(3),
        "string",
        &["write", "denyoom", "fast"],
        strings::incrby,
        "Increment the integer value of a key by the given amount.",
    )
    .keys(1, 1, 1),
    entry(
        "decrby",
        Exactly(3),
        "string",
        &["write", "denyoom", "fast"],
        strings::decrby,
        "Decrement the integer value of a key by the given number.",
    )
    .keys(1, 1, 1),
    entry(
        "incrbyfloat",
        Exactly(3),
        "string",
        &["write", "denyoom", "fast"],
        strings::incrbyfloat,
        "Increment the float value of a key by the given amount.",
    )
    .keys(1, 1, 1),
    entry(
        "append",
        Exactly(3),
        "string",
        &["write", "denyoom", "fast"],
        strings::append,
        "Append a value to a key.",
    )
    .keys(1, 1, 1),
    entry(
        "strlen",
        Exactly(2),
        "string",
        &["readonly", "fast"],
        strings::strlen,
        "Get the length of the value stored in a key.",
    )
    .keys(1, 1, 1),
    entry(
        "getrange",
        Exactly(4),
        "string",
        &["readonly"],
        strings::getrange,
        "Get a substring of the string stored at a key.",
    )
    .keys(1, 1, 1),
    entry(
        "substr",
        Exactly(4),
        "string",
        &["readonly"],
        strings::getrange,
        "Get a substring of the string stored at a key.",
    )
    .keys(1, 1, 1),
    entry(
        "setrange",
        Exactly(4),
        "string",
        &["write", "denyoom"],
        strings::setrange,
        "Overwrite part of a string at key starting at the specified offset.",
    )
    .keys(1, 1, 1),
    // Lists
    entry(
        "lpush",
        AtLeast(3),
        "list",
        &["write", "denyoom", "fast"],
        lists::lpush,
        "Prepend one or multiple elements to a list.",
    )
    .keys(1, 1, 1),
    entry(
        "rpush",
        AtLeast(3),
        "list",
        &["write", "denyoom", "fast"],
        lists::rpush,
        "Append one or multiple elements to a list.",
    )
    .keys(1, 1, 1),
    entry(
        "lpushx",
        AtLeast(3),
        "list",
        &["write", "denyoom", "fast"],
        lists::lpushx,
        "Prepend an element to a list, only if the list exists.",
    )
    .keys(1, 1, 1),
    entry(
        "rpushx",
        AtLeast(3),
        "list",
        &["write", "denyoom", "fast"],
        lists::rpushx,
        "Append an element to a list, only if the list exists.",
    )
    .keys(1, 1, 1),
    entry(
        "lpop",
        AtLeast(2),
        "list",
        &["write", "fast"],
        lists::lpop,
        "Remove and get the first elements in a list.",
    )
    .keys(1, 1, 1),
    entry(
        "rpop",
        AtLeast(2),
        "list",
        &["write", "fast"],
        lists::rpop,
        "Remove and get the last elements in a list.",
    )
    .keys(1, 1, 1),
    entry("lmpop", AtLeast(4), "list", &["write", "movablekeys"], lists::lmpop, "Pop elements from a list."),
    entry(
        "blpop",
        AtLeast(3),
        "list",
        &["write", "noscript", "blocking"],
        lists::blpop,
        "Remove and get the first element in a list, or block until one is available.",
    )
    .keys(1, -2, 1),
    entry(
        "brpop",
        AtLeast(3),
        "list",
        &["write", "noscript", "blocking"],
        lists::brpop,
        "Remove and get the last element in a list, or block until one is available.",
    )
    .keys(1, -2, 1),
    entry(
        "blmpop",
        AtLeast(5),
        "list",
        &["write", "blocking", "movablekeys"],
        lists::blmpop,
        "Pop elements from a list, or block until one is available.",
    ),
    entry(
        "lmove",
        Exactly(5),
        "list",
        &["write", "denyoom"],
        lists::lmove,
        "Pop an element from a list, push it to another list and return it.",
    )
    .keys(1, 2, 1),
    entry(
        "blmove",
        Exactly(6),
        "list",
        &["write", "denyoom", "noscript", "blocking"],
        lists::blmove,
        "Pop an element from a list, push it to another list and return it; or block until one is available.",
    )
    .keys(1, 2, 1),
    entry(
        "rpoplpush",
        Exactly(3),
        "list",
        &["write", "denyoom"],
        lists::rpoplpush,
        "Remove the last element in a list, prepend it to another list and return it.",
    )
    .keys(1, 2, 1),
    entry(
        "brpoplpush",
        Exactly(4),
        "list",
        &["write", "denyoom", "noscript", "blocking"],
        lists::brpoplpush,
        "Pop an element from a list, push it to another list and return it; or block until one is available.",
    )
    .keys(1, 2, 1),
    entry("llen", Exactly(2), "list", &["readonly", "fast"], lists::llen, "Get the length of a list.")
        .keys(1, 1, 1),
    entry("lrange", Exactly(4), "list", &["readonly"], lists::lrange, "Get a range of elements from a list.")
        .keys(1, 1, 1),
    entry(
        "lindex",
        Exactly(3),
        "list",
        &["readonly"],
        lists::lindex,
        "Get an element from a list by its index.",
    )
    .keys(1, 1, 1),
    entry(
        "lpos",
        AtLeast(3),
        "list",
        &["readonly"],
        lists::lpos,
        "Return the index of matching elements on a list.",
    )
    .keys(1, 1, 1),
    entry("lrem", Exactly(4), "list", &["write"], lists::lrem, "Remove elements from a list.").keys(1, 1, 1),
    entry("ltrim", Exactly(4), "list", &["write"], lists::ltrim, "Trim a list to the specified range.")
        .keys(1, 1, 1),
    entry(
        "linsert",
        Exactly(5),
        "list",
        &["write", "denyoom"],
        lists::linsert,
        "Insert an element before or after another element in a list.",
    )
    .keys(1, 1, 1),
    entry(
        "lset",
        Exactly(4),
        "list",
        &["write", "denyoom"],
        lists::lset,
        "Set the value of an element in a list by its index.",
    )
    .keys(1, 1, 1),
    // Streams
    entry(
        "xadd",
        AtLeast(5),
        "stream",
        &["write", "denyoom", "fast"],
        streams::xadd,
        "Appends a new message to a stream. Creates the key if it doesn't exist.",
    )
    .keys(1, 1, 1),
    entry(
        "xlen",
        Exactly(2),
        "stream",
        &["readonly", "fast"],
        streams::xlen,
        "Returns the number of messages in a stream.",
    )
    .keys(1, 1, 1),
    entry(
        "xrange",
        AtLeast(4),
        "stream",
        &["readonly"],
        streams::xrange,
        "Returns the messages from a stream within a range of IDs.",
    )
    .keys(1, 1, 1),
    entry(
        "xrevrange",
        AtLeast(4),
        "stream",
        &["readonly"],
        streams::xrevrange,
        "Returns the messages from a stream within a range of IDs in reverse order.",
    )
    .keys(1, 1, 1),
    entry(
        "xread",
        AtLeast(4),
        "stream",
        &["readonly", "blocking", "movablekeys"],
        streams::xread,
        "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is available otherwise.",
    ),
    entry(
        "xtrim",
        AtLeast(4),
        "stream",
        &["write"],
        streams::xtrim,
        "Deletes messages from the beginning of a stream.",
    )
    .keys(1, 1, 1),
    entry(
        "xdel",
        AtLeast(3),
        "stream",
        &["write", "fast"],
        streams::xdel,
        "Returns the number of messages after removing them from a stream.",
    )
    .keys(1, 1, 1),
    entry(
        "xsetid",
        AtLeast(3),
        "stream",
        &["write", "denyoom", "fast"],
        streams::xsetid,
        "An internal command for replicating stream values.",
    )
    .keys(1, 1, 1),
    entry(
        "xreadgroup",
        AtLeast(7),
        "stream",
        &["write", "blocking", "movablekeys"],
        streams::xreadgroup,
        "Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is available otherwise.",
    ),
    entry(
        "xack",
        AtLeast(4),
        "stream",
        &["write", "fast"],
        stream_groups::xack,
        "Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.",
    )
    .keys(1, 1, 1),
    entry(
        "xpending",
        AtLeast(3),
        "stream",
        &["readonly"],
        stream_groups::xpending,
        "Returns the information and entries from a stream consumer group's pending entries list.",
    )
    .keys(1, 1, 1),
    entry(
        "xclaim",
        AtLeast(6),
        "stream",
        &["write", "fast"],
        stream_groups::xclaim,
        "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer group member.",
    )
    .keys(1, 1, 1),
    entry(
        "xautoclaim",
        AtLeast(6),
        "stream",
        &["write", "fast"],
        stream_groups::xautoclaim,
        "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as consumer group member.",
    )
    .keys(1, 1, 1),
    entry(
        "xgroup",
        AtLeast(2),
        "stream",
        &["write"],
        stream_groups::xgroup,
        "Makes, moves and destroys consumer groups.",
    )
    .subcommands(stream_groups::SUBCOMMANDS),
    entry(
        "xinfo",
        AtLeast(2),
        "stream",
        &["readonly"],
        stream_info::xinfo,
        "Describes streams, their groups and consumers.",
    )
    .subcommands(stream_info::SUBCOMMANDS),
    // Ledger
    entry("naru.append", AtLeast(5), "naru", &["write"], ledger::append, "Stores what is said in a conversation, once, and leaves it open until it is delivered."),
    entry("naru.edit", AtLeast(6), "naru", &["write"], ledger::edit, "Has a message read differently from now on."),
    entry("naru.delete", AtLeast(5), "naru", &["write"], ledger::delete, "Removes what an entry said."),
    entry("naru.deliver", AtLeast(7), "naru", &["write"], ledger::deliver, "Sees to it that an entry has come into inboxes."),
    entry("naru.done", Exactly(3), "naru", &["write"], ledger::done, "Says that an entry has come into all inboxes it is for."),
    entry("naru.send", AtLeast(5), "naru", &["write"], ledger::send, "Appends, delivers to all who take part, and is done, in one step."),
    entry("naru.sweep", Exactly(5), "naru", &["write"], ledger::sweep, "Finds conversations with open entries, and leaves them to a server for a while."),
    entry("naru.resume", Exactly(6), "naru", &["write"], ledger::resume, "Says where a device that comes back stands, and what it has missed."),
    entry("naru.changed", Exactly(5), "naru", &["readonly"], ledger::changed, "Lists the conversations of a user that changed after a number, the first to change first."),
    entry("naru.conversations", Exactly(4), "naru", &["readonly"], ledger::conversations, "Lists the conversations of a user, the last to change first."),
    entry("naru.ack", AtLeast(4), "naru", &["write"], ledger::ack, "Moves a device's cursor forward."),
    entry("naru.read", Exactly(5), "naru", &["write"], ledger::read, "Says how far a user has read in a conversation."),
    entry("naru.mark", Exactly(4), "naru", &["write"], ledger::mark, "Keeps for the others how far a user has read."),
    entry("naru.history", AtLeast(6), "naru", &["readonly"], ledger::history, "Reads a page of a conversation's log."),
    entry("naru.make", Exactly(3), "naru", &["write"], ledger::make, "Makes a room, whose owner the user is."),
    entry("naru.join", Exactly(4), "naru", &["write"], ledger::join, "Makes a user a member of a room."),
    entry("naru.leave", Exactly(3), "naru", &["write"], ledger::leave, "Ends a user's membership of a room."),
    entry("naru.role", Exactly(4), "naru", &["write"], ledger::role, "Gives a member of a room another role."),
    entry("naru.members", Exactly(4), "naru", &["readonly"], ledger::members, "Lists who takes part in a conversation."),
    entry("naru.server", Exactly(4), "naru", &["noscript"], ledger::server, "Says that a chat server runs, and for how long that may be believed."),
    entry("naru.route", AtLeast(4), "naru", &["fast"], ledger::route, "Says of which users a chat server holds connections."),
    entry("naru.unroute", AtLeast(4), "naru", &["fast"], ledger::unroute, "Says of which users a chat server holds no connections any more."),
    entry("naru.presence", AtLeast(2), "naru", &["readonly", "fast"], ledger::presence, "Says which of these users are connected."),
    entry("naru.trace", AtLeast(3), "naru", &["readonly"], ledger::trace, "Says where an entry stands in its conversation."),
    entry("naru.standing", Exactly(3), "naru", &["readonly"], ledger::standing, "Says where a user and their devices stand in a conversation."),
    entry("naru.generation", Exactly(1), "naru", &["write", "admin", "noscript"], ledger::generation, "Has all numbers jump ahead, after a backup was put to use."),
    // Channels
    entry("naru.channel.publish", AtLeast(9), "naru-channel", &["write"], channels::publish, "Posts a message to a channel, which keeps it."),
    entry("naru.channel.history", AtLeast(4), "naru-channel", &["write"], channels::history, "Reads what a channel keeps, and says where it stands."),
    entry("naru.channel.remove", Exactly(2), "naru-channel", &["write"], channels::remove, "Forgets what a channel keeps; it stands where it stood."),
    entry("naru.channel.enter", Exactly(7), "naru-channel", &["fast"], channels::enter, "Says that a client of a chat server is present in a channel."),
    entry("naru.channel.leave", Exactly(5), "naru-channel", &["fast"], channels::leave, "Says that it is not present any more."),
    entry("naru.channel.presence", AtLeast(2), "naru-channel", &["readonly"], channels::presence, "Lists who is present in a channel."),
    entry("naru.channel.stats", Exactly(2), "naru-channel", &["readonly"], channels::stats, "Counts who is present in a channel."),
    entry(
        "naru.backup",
        Exactly(2),
        "naru",
        &["admin", "noscript"],
        backup::backup,
        "Makes a copy of all that is stored, while work goes on.",
    ),
]);

/// Gives every command and subcommand its number.
const fn numbered<const COUNT: usize>(mut entries: [Entry; COUNT]) -> [Entry; COUNT] {
    let (mut at, mut number) = (0, 0);
    while at < COUNT {
        entries[at].number = number;
        number += 1 + entries[at].subcommands.len();
        at += 1;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_short_lower_case_and_unique() {
        for entry in TABLE {
            assert!(entry.name.len() <= NAME_BYTES_MAX);
            assert_eq!(entry.name, entry.name.to_lowercase());
            assert_eq!(TABLE.iter().filter(|other| other.name == entry.name).count(), 1, "{}", entry.name);
            for full in entry.subcommands {
                assert_eq!(full.split('|').next(), Some(entry.name));
                assert_eq!(*full, full.to_lowercase());
            }
        }
    }

    #[test]
    fn whatever_can_be_called_has_a_number_of_its_own() {
        assert_eq!(all_called().count(), called_count());
        for entry in TABLE {
            assert_eq!(all_called().nth(entry.number), Some(entry.itself()));
        }
    }

    #[test]
    fn what_is_kept_is_what_is_stored_and_nothing_else() {
        for entry in TABLE {
            let stored = entry.is_ours()
                || matches!(entry.group, "generic" | "list" | "stream" | "string")
                || matches!(entry.name, "dbsize" | "flushall" | "flushdb");
            assert_eq!(entry.is_kept(), stored, "{}", entry.name);
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert!(find(b"PuBlIsH").is_some());
        assert!(find(b"publishe").is_none());
        assert!(find(&[b'x'; 1000]).is_none());
    }
}
