//! The categories of commands, as ACL rules name them (`+@pubsub`): Redis's, and `naru` for Naru's own commands.
//!
//! As in Redis they follow from a command's flags and group. Naru's own are in `naru` and `dangerous` only: they act on
//! everybody's inbox and name no key, so `+@write ~app:*` or `+@fast` must not let anybody at them.

use std::{iter, sync::LazyLock};

use super::table::{Called, Entry, TABLE};

/// A category; the order is Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Keyspace,
    Read,
    Write,
    Set,
    SortedSet,
    List,
    Hash,
    String,
    Bitmap,
    HyperLogLog,
    Geo,
    Stream,
    Pubsub,
    Admin,
    Fast,
    Slow,
    Blocking,
    Dangerous,
    Connection,
    Transaction,
    Scripting,
    Naru,
}

use Category::*;

const NAMES: &[(Category, &str)] = &[
    (Keyspace, "keyspace"),
    (Read, "read"),
    (Write, "write"),
    (Set, "set"),
    (SortedSet, "sortedset"),
    (List, "list"),
    (Hash, "hash"),
    (String, "string"),
    (Bitmap, "bitmap"),
    (HyperLogLog, "hyperloglog"),
    (Geo, "geo"),
    (Stream, "stream"),
    (Pubsub, "pubsub"),
    (Admin, "admin"),
    (Fast, "fast"),
    (Slow, "slow"),
    (Blocking, "blocking"),
    (Dangerous, "dangerous"),
    (Connection, "connection"),
    (Transaction, "transaction"),
    (Scripting, "scripting"),
    (Naru, "naru"),
];

/// What categories something that can be called is in, by its number.
static OF_CALLED: LazyLock<Vec<Vec<Category>>> = LazyLock::new(|| {
    let with_subcommands = |entry: &'static Entry| {
        iter::once(of_command(entry))
            .chain(entry.subcommands.iter().map(move |full| of_subcommand(entry, full)))
    };
    TABLE.iter().flat_map(with_subcommands).collect()
});

impl Category {
    /// All of them, with their names.
    pub(crate) fn all() -> impl Iterator<Item = (Category, &'static str)> {
        NAMES.iter().copied()
    }

    /// The category called so, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Category> {
        let (category, _) = NAMES.iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some(*category)
    }

    /// Whether something that can be called is in it.
    pub(crate) fn holds(self, called: Called) -> bool {
        OF_CALLED[called.number].contains(&self)
    }
}

/// A command by itself. One with subcommands does nothing by itself, so it is only slow, as in Redis; COMMAND alone
/// does something.
fn of_command(entry: &Entry) -> Vec<Category> {
    match entry.name {
        "command" => vec![Slow, Connection],
        "info" => vec![Slow, Dangerous],
        _ if !entry.subcommands.is_empty() => vec![Slow],
        _ => implied(entry),
    }
}

fn of_subcommand(entry: &Entry, full: &str) -> Vec<Category> {
    let subcommand = &full[entry.name.len() + 1..];
    match (entry.name, subcommand) {
        ("acl", "cat" | "genpass" | "help" | "whoami") => vec![Slow],
        ("client", "kill" | "list" | "no-evict" | "pause" | "unblock" | "unpause") => {
            vec![Admin, Slow, Dangerous, Connection]
        }
        ("client" | "command", _) => vec![Slow, Connection],
        ("config" | "latency" | "pubsub" | "slowlog", "help") => vec![Slow],
        ("acl" | "config" | "latency" | "slowlog", _) => vec![Admin, Slow, Dangerous],
        ("object", "help") => vec![Keyspace, Slow],
        ("object", _) => vec![Keyspace, Read, Slow],
        ("function", "flush") => vec![Write, Slow, Scripting],
        ("function" | "script", _) => vec![Slow, Scripting],
        _ => implied(entry),
    }
}

/// What follows from flags and group.
fn implied(entry: &Entry) -> Vec<Category> {
    if entry.group == "naru" {
        return vec![Dangerous, Naru];
    }
    let mut categories = vec![if entry.flags.contains(&"fast") { Fast } else { Slow }];
    for flag in entry.flags {
        match *flag {
            "readonly" => categories.push(Read),
            "write" => categories.push(Write),
            "pubsub" => categories.push(Pubsub),
            "blocking" => categories.push(Blocking),
            "admin" => categories.extend([Admin, Dangerous]),
            _ => {}
        }
    }
    match entry.name {
        "keys" => categories.push(Dangerous),
        "flushall" | "flushdb" => categories.extend([Keyspace, Dangerous]),
        "dbsize" => categories.push(Keyspace),
        _ => {}
    }
    categories.extend(match entry.group {
        "generic" => Some(Keyspace),
        "set" => Some(Set),
        "sorted-set" => Some(SortedSet),
        "list" => Some(List),
        "hash" => Some(Hash),
        "string" => Some(String),
        "bitmap" => Some(Bitmap),
        "hyperloglog" => Some(HyperLogLog),
        "geo" => Some(Geo),
        "stream" => Some(Stream),
        "connection" => Some(Connection),
        "transactions" => Some(Transaction),
        "scripting" => Some(Scripting),
        _ => None,
    });
    categories
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::{all_called, find};

    fn of(name: &str) -> std::string::String {
        let called = all_called().find(|called| called.name == name).unwrap();
        let names = Category::all().filter(|(category, _)| category.holds(called)).map(|(_, name)| name);
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commands_are_in_the_categories_redis_has_them_in() {
        for (name, categories) in [
            ("ping", "fast connection"),
            ("client", "slow"),
            ("client|kill", "admin slow dangerous connection"),
            ("client|setinfo", "slow connection"),
            ("command|docs", "slow connection"),
            ("config|help", "slow"),
            ("config|set", "admin slow dangerous"),
            ("info", "slow dangerous"),
            ("time", "fast"),
            ("monitor", "admin slow dangerous"),
            ("subscribe", "pubsub slow"),
            ("publish", "pubsub fast"),
            ("pubsub|numsub", "pubsub slow"),
            ("pubsub|help", "slow"),
            ("function|flush", "write slow scripting"),
            ("exec", "slow transaction"),
            ("watch", "fast transaction"),
            ("del", "keyspace write slow"),
            ("keys", "keyspace read slow dangerous"),
            ("flushall", "keyspace write slow dangerous"),
            ("dbsize", "keyspace read fast"),
            ("object", "slow"),
            ("object|help", "keyspace slow"),
            ("object|encoding", "keyspace read slow"),
            ("get", "read string fast"),
            ("blpop", "write list slow blocking"),
            ("xadd", "write stream fast"),
            ("xread", "read stream slow blocking"),
            ("acl|setuser", "admin slow dangerous"),
            ("acl|whoami", "slow"),
        ] {
            assert_eq!(of(name), categories, "{name}");
        }
    }

    #[test]
    fn narus_own_commands_are_reached_by_no_category_of_redis_but_the_dangerous_one() {
        for entry in TABLE.iter().filter(|entry| entry.group == "naru") {
            assert_eq!(of(entry.name), "dangerous naru");
        }
    }

    #[test]
    fn everything_that_can_be_called_is_in_some_category() {
        assert!(all_called().all(|called| Category::all().any(|(category, _)| category.holds(called))));
        assert!(Category::named(b"PubSub").is_some_and(|it| it.holds(find(b"publish").unwrap().itself())));
        assert!(Category::named(b"all").is_none());
    }
}
