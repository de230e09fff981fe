//! The categories of commands, as ACL rules name them (`+@pubsub`): Redis's, and `naru` for Naru's own commands.
//!
//! As in Redis they follow from a command's flags and group. Naru's own are in `naru` and `dangerous` only: they act on
//! everybody's inbox and name no key, so `+@write ~app:*` or `+@fast` must not let anybody at them.

use std::sync::LazyLock;

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
    let with_subcommands = |entry: &'static Entry| entry.all_called().map(move |called| of(entry, called));
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

fn of(entry: &Entry, called: Called) -> Vec<Category> {
    if entry.is_ours() {
        let admin = entry.flags.contains(&"admin").then_some(Admin);
        return [Dangerous, Naru].into_iter().chain(admin).collect();
    }
    let flags = entry.flags_of(called);
    let mut categories = vec![if flags.contains(&"fast") { Fast } else { Slow }];
    for flag in flags {
        match *flag {
            "readonly" => categories.push(Read),
            "write" => categories.push(Write),
            "pubsub" => categories.push(Pubsub),
            "blocking" => categories.push(Blocking),
            "admin" => categories.extend([Admin, Dangerous]),
            _ => {}
        }
    }
    categories.extend(said(entry, called));
    categories
}

/// What does not follow from flags. A command with subcommands does nothing by itself, and so is in none; COMMAND alone
/// does something.
fn said(entry: &Entry, called: Called) -> &'static [Category] {
    match entry.name {
        "info" => return &[Dangerous],
        "role" => return &[Admin, Dangerous],
        "keys" => return &[Keyspace, Dangerous],
        "flushall" | "flushdb" => return &[Keyspace, Dangerous],
        "dbsize" => return &[Keyspace],
        "command" | "wait" | "readonly" | "readwrite" | "asking" => return &[Connection],
        _ => {}
    }
    let is_container = !entry.subcommands.is_empty();
    match entry.group {
        "connection" | "scripting" if is_container && called == entry.itself() => &[],
        "connection" => &[Connection],
        "scripting" => &[Scripting],
        "stream" if called != entry.itself() => &[Stream],
        "generic" if is_container && called != entry.itself() => &[Keyspace],
        _ if is_container => &[],
        "generic" => &[Keyspace],
        "set" => &[Set],
        "sorted-set" => &[SortedSet],
        "list" => &[List],
        "hash" => &[Hash],
        "string" => &[String],
        "bitmap" => &[Bitmap],
        "hyperloglog" => &[HyperLogLog],
        "geo" => &[Geo],
        "stream" => &[Stream],
        "transactions" => &[Transaction],
        _ => &[],
    }
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
            ("xreadgroup", "write stream slow blocking"),
            ("xgroup", "slow"),
            ("xgroup|create", "write stream slow"),
            ("xgroup|help", "stream slow"),
            ("xinfo|stream", "read stream slow"),
            ("acl|setuser", "admin slow dangerous"),
            ("acl|whoami", "slow"),
        ] {
            assert_eq!(of(name), categories, "{name}");
        }
    }

    #[test]
    fn narus_own_commands_are_reached_by_no_category_of_redis_but_the_dangerous_one() {
        for entry in TABLE.iter().filter(|entry| entry.is_ours()) {
            let admin = matches!(entry.name, "naru.backup" | "naru.generation");
            let admin = if admin { "admin " } else { "" };
            assert_eq!(of(entry.name), format!("{admin}dangerous naru"));
        }
    }

    #[test]
    fn everything_that_can_be_called_is_in_some_category() {
        assert!(all_called().all(|called| Category::all().any(|(category, _)| category.holds(called))));
        assert!(Category::named(b"PubSub").is_some_and(|it| it.holds(find(b"publish").unwrap().itself())));
        assert!(Category::named(b"all").is_none());
    }
}
