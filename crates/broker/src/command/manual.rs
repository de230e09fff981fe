//! What commands and subcommands take, and what there is to say about them: for `COMMAND DOCS`, the reference page, and
//! how many words a subcommand has.

use std::sync::LazyLock;

use super::{
    syntax::{self, Argument},
    table::{Arity, Called, all_called},
};

/// One command or subcommand.
pub(super) struct Usage {
    pub(super) name: &'static str,
    /// The version of Redis in which it came; none of ours.
    pub(super) since: Option<&'static str>,
    /// Its arguments, in the notation of [`syntax`].
    pub(super) syntax: &'static str,
    /// Of a subcommand its summary. Of a command what the reference page adds to the summary in the table.
    pub(super) text: &'static str,
}

impl Usage {
    pub(super) fn arguments(&self) -> Vec<Argument> {
        syntax::parse(self.syntax)
    }
}

/// What there is to say about a command or subcommand.
pub(super) fn usage(name: &str) -> Option<&'static Usage> {
    MANUAL.iter().find(|usage| usage.name == name)
}

/// How many words a subcommand takes, as its syntax has it: at least so many, or exactly if nothing is optional. Of some
/// Redis wants more, of which the syntax says that each can be left out.
pub(super) fn arity(called: Called) -> Arity {
    static ARITIES: LazyLock<Vec<Arity>> = LazyLock::new(|| {
        let arity = |called: Called| {
            let (least, exactly) = syntax::words(&usage(called.name).map_or_else(Vec::new, Usage::arguments));
            let least = match called.name {
                "client|kill" => 3,
                "command|getkeys" | "command|getkeysandflags" => 4,
                name => least + name.split('|').count(),
            };
            if exactly { Arity::Exactly(least) } else { Arity::AtLeast(least) }
        };
        all_called().map(arity).collect()
    });
    ARITIES[called.number]
}

const fn usage_of(
    name: &'static str,
    since: Option<&'static str>,
    syntax: &'static str,
    text: &'static str,
) -> Usage {
    Usage { name, since, syntax, text }
}

const fn redis(name: &'static str, since: &'static str, syntax: &'static str, text: &'static str) -> Usage {
    usage_of(name, Some(since), syntax, text)
}

const fn help(name: &'static str, since: &'static str) -> Usage {
    usage_of(name, Some(since), "", "Lists the subcommands.")
}

const fn ours(name: &'static str, syntax: &'static str, text: &'static str) -> Usage {
    usage_of(name, None, syntax, text)
}

const NO_NODE: &str = "Answers that this is no node of a cluster.";

/// In the order of the page.
pub(super) static MANUAL: &[Usage] = &[
    // Connection
    redis("ping", "1.0.0", "[message]", ""),
    redis("echo", "1.0.0", "message", ""),
    redis(
        "hello",
        "6.0.0",
        "[protover [AUTH username password] [SETNAME clientname]]",
        "`version` in its answer is that of Redis; Naru's is `naru_version`.",
    ),
    redis(
        "auth",
        "1.0.0",
        "[username] password",
        "Without a name as `default`, whose password is that of `--requirepass`; without one, any will do.",
    ),
    redis("select", "1.0.0", "index", "There is one, 0."),
    redis("quit", "1.0.0", "", ""),
    redis("reset", "6.2.0", "", "No transaction, no subscriptions, no name, RESP2, not signed in."),
    redis("client", "2.4.0", "", ""),
    redis("client|getname", "2.6.9", "", "Returns the name of the connection."),
    redis("client|getredir", "6.0.0", "", "Says that nobody is tracked: -1."),
    help("client|help", "5.0.0"),
    redis("client|id", "5.0.0", "", "Returns the number of the connection."),
    redis("client|info", "6.2.0", "", "Describes the connection, as `CLIENT LIST` does."),
    redis(
        "client|kill",
        "2.4.0",
        "<ip:port | [ID client-id] [TYPE <NORMAL | PUBSUB>] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME \
         yes/no] [MAXAGE maxage]>",
        "Closes the connections that fit everything given.",
    ),
    redis(
        "client|list",
        "2.4.0",
        "[TYPE <NORMAL | PUBSUB>] [ID client-id [client-id ...]]",
        "Lists the connections, with Redis's fields; `oll` is how many of two places hold what is in `omem`.",
    ),
    redis(
        "client|no-evict",
        "7.0.0",
        "<ON | OFF>",
        "Is shown in `CLIENT LIST`; there is nothing it would change.",
    ),
    redis(
        "client|no-touch",
        "7.2.0",
        "<ON | OFF>",
        "Is shown in `CLIENT LIST`; there is nothing it would change.",
    ),
    redis(
        "client|pause",
        "2.9.50",
        "timeout [WRITE | ALL]",
        "Holds back commands, or those that change or publish something; chat servers are clients too.",
    ),
    redis(
        "client|reply",
        "3.2.0",
        "<ON | OFF | SKIP>",
        "Says whether commands are answered; messages come in any case.",
    ),
    redis(
        "client|setinfo",
        "7.2.0",
        "<LIB-NAME libname | LIB-VER libver>",
        "Notes what the client library is.",
    ),
    redis("client|setname", "2.6.9", "connection-name", "Names the connection."),
    redis(
        "client|unblock",
        "5.0.0",
        "client-id [TIMEOUT | ERROR]",
        "Ends the blocked command of a client, as if its time were up, or with an error.",
    ),
    redis("client|unpause", "6.2.0", "", "Ends a pause."),
    // Server
    redis("acl", "6.0.0", "", ""),
    redis("acl|cat", "6.0.0", "[categoryname]", "Lists the categories, or the commands of one."),
    redis("acl|deluser", "6.0.0", "username [username ...]", "Deletes users, and closes their connections."),
    redis(
        "acl|dryrun",
        "7.0.0",
        "username command [arg [arg ...]]",
        "Says whether a user may run a command.",
    ),
    redis("acl|genpass", "6.0.0", "[bits]", "Makes a password."),
    redis("acl|getuser", "6.0.0", "username", "Shows the rules of a user."),
    help("acl|help", "6.0.0"),
    redis("acl|list", "6.0.0", "", "Shows all users as lines of a file."),
    redis("acl|load", "6.0.0", "", "Reads the file of users again."),
    redis("acl|log", "6.0.0", "[count | RESET]", "Shows what was denied, or forgets it."),
    redis("acl|save", "6.0.0", "", "Writes the file of users."),
    redis("acl|setuser", "6.0.0", "username [rule [rule ...]]", "Makes or changes a user."),
    redis("acl|users", "6.0.0", "", "Names the users."),
    redis("acl|whoami", "6.0.0", "", "Names the user of the connection."),
    redis("command", "2.8.13", "", ""),
    redis("command|count", "2.8.13", "", "Counts the commands."),
    redis(
        "command|docs",
        "7.0.0",
        "[command-name [command-name ...]]",
        "Describes commands and their arguments.",
    ),
    redis(
        "command|getkeys",
        "2.8.13",
        "command [arg [arg ...]]",
        "Says which arguments of a command are keys.",
    ),
    redis(
        "command|getkeysandflags",
        "7.0.0",
        "command [arg [arg ...]]",
        "Says which arguments of a command are keys, and what it does to them.",
    ),
    help("command|help", "5.0.0"),
    redis(
        "command|info",
        "2.8.13",
        "[command-name [command-name ...]]",
        "Describes commands for client libraries.",
    ),
    redis(
        "command|list",
        "7.0.0",
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        "Lists commands and subcommands.",
    ),
    redis("config", "2.0.0", "", ""),
    redis("config|get", "2.0.0", "parameter [parameter ...]", "Reads parameters; globs are understood."),
    help("config|help", "5.0.0"),
    redis("config|resetstat", "2.0.0", "", "Counts from 0 again what `INFO` shows."),
    redis(
        "config|rewrite",
        "2.8.0",
        "",
        "Writes what holds now into the file of `--config`, each parameter where it stood.",
    ),
    redis(
        "config|set",
        "2.0.0",
        "parameter value [parameter value ...]",
        "Sets parameters; those that are facts can be set to what they are.",
    ),
    redis(
        "info",
        "1.0.0",
        "[section [section ...]]",
        "Redis's sections and field names, where the thing exists. Rates are averages since somebody last asked. \
         Of commands that the store answers, `commandstats` and `latencystats` count the time until they are handed \
         over. `ledger` is Naru's own: how much there is of conversations and inboxes, and their bounds.",
    ),
    redis("time", "2.6.0", "", ""),
    redis(
        "monitor",
        "1.0.0",
        "",
        "On all cores; who does not keep up is closed like a subscriber; passwords are not shown.",
    ),
    redis("slowlog", "2.2.12", "", ""),
    redis(
        "slowlog|get",
        "2.2.12",
        "[count]",
        "Shows the latest commands that took long; what the store does for a command is not in its time.",
    ),
    help("slowlog|help", "6.2.0"),
    redis("slowlog|len", "2.2.12", "", "Counts them."),
    redis("slowlog|reset", "2.2.12", "", "Forgets them."),
    redis("latency", "2.8.13", "", ""),
    redis("latency|doctor", "2.8.13", "", "Says in words what took long."),
    redis("latency|graph", "2.8.13", "event", "Draws when an event took how long."),
    help("latency|help", "2.8.13"),
    redis(
        "latency|history",
        "2.8.13",
        "event",
        "Shows when an event took long; there are `command` and `fast-command`.",
    ),
    redis(
        "latency|histogram",
        "7.0.0",
        "[command [command ...]]",
        "Shows how many calls of each command took how long.",
    ),
    redis("latency|latest", "2.8.13", "", "Shows the latest of each event."),
    redis("latency|reset", "2.8.13", "[event [event ...]]", "Forgets events."),
    redis("memory", "4.0.0", "", ""),
    redis("memory|doctor", "4.0.0", "", "Says where to look."),
    help("memory|help", "4.0.0"),
    redis("memory|malloc-stats", "4.0.0", "", "Says that the allocator tells nothing."),
    redis("memory|purge", "4.0.0", "", "Does nothing: the allocator sees to it."),
    redis("memory|stats", "4.0.0", "", "Redis's fields, those of which something is known."),
    redis(
        "memory|usage",
        "4.0.0",
        "key [SAMPLES count]",
        "Says about how many bytes a stream takes, by its first entries.",
    ),
    redis("role", "2.8.12", "", "It is `master`, and nobody replicates."),
    redis("wait", "3.0.0", "numreplicas timeout", "0, at once: there are none."),
    redis("dbsize", "1.0.0", "", ""),
    redis("flushdb", "1.0.0", "[ASYNC | SYNC]", "The inboxes of chat users stay."),
    redis("flushall", "1.0.0", "[ASYNC | SYNC]", "The inboxes of chat users stay."),
    // Cluster
    redis("cluster", "3.0.0", "", ""),
    redis("cluster|countkeysinslot", "3.0.0", "slot", NO_NODE),
    redis("cluster|getkeysinslot", "3.0.0", "slot count", NO_NODE),
    redis("cluster|help", "5.0.0", "", NO_NODE),
    redis("cluster|info", "3.0.0", "", NO_NODE),
    redis("cluster|keyslot", "3.0.0", "key", NO_NODE),
    redis("cluster|links", "7.0.0", "", NO_NODE),
    redis("cluster|myid", "3.0.0", "", NO_NODE),
    redis("cluster|nodes", "3.0.0", "", NO_NODE),
    redis("cluster|replicas", "5.0.0", "node-id", NO_NODE),
    redis("cluster|shards", "7.0.0", "", NO_NODE),
    redis("cluster|slots", "3.0.0", "", NO_NODE),
    redis("readonly", "3.0.0", "", ""),
    redis("readwrite", "3.0.0", "", ""),
    redis("asking", "3.0.0", "", ""),
    // Scripting
    redis("function", "7.0.0", "", ""),
    redis("function|flush", "7.0.0", "[ASYNC | SYNC]", "Deletes the functions, of which there are none."),
    help("function|help", "7.0.0"),
    redis("function|list", "7.0.0", "[LIBRARYNAME library-name-pattern] [WITHCODE]", "Lists none."),
    redis("script", "2.6.0", "", ""),
    redis("script|exists", "2.6.0", "sha1 [sha1 ...]", "Says that none is there."),
    redis("script|flush", "2.6.0", "[ASYNC | SYNC]", "Forgets the scripts, of which there are none."),
    help("script|help", "5.0.0"),
    // Pub/sub
    redis("subscribe", "2.0.0", "channel [channel ...]", "Confirmed before the first message."),
    redis("unsubscribe", "2.0.0", "[channel [channel ...]]", "Without names: to all."),
    redis("psubscribe", "2.0.0", "pattern [pattern ...]", "Redis's globs."),
    redis("punsubscribe", "2.0.0", "[pattern [pattern ...]]", "Without names: to all."),
    redis(
        "ssubscribe",
        "7.0.0",
        "shardchannel [shardchannel ...]",
        "They are a name space of their own, which patterns do not see.",
    ),
    redis("sunsubscribe", "7.0.0", "[shardchannel [shardchannel ...]]", "Without names: to all."),
    redis("spublish", "7.0.0", "shardchannel message", "Answers how many subscriptions it goes to."),
    redis("publish", "2.0.0", "channel message", "Answers how many subscriptions it goes to, on all cores."),
    redis("pubsub", "2.8.0", "", ""),
    redis("pubsub|channels", "2.8.0", "[pattern]", "Lists channels that have subscribers."),
    help("pubsub|help", "6.2.0"),
    redis("pubsub|numpat", "2.8.0", "", "Counts patterns."),
    redis("pubsub|numsub", "2.8.0", "[channel [channel ...]]", "Counts subscribers of channels."),
    redis("pubsub|shardchannels", "7.0.0", "[pattern]", "Lists shard channels that have subscribers."),
    redis(
        "pubsub|shardnumsub",
        "7.0.0",
        "[shardchannel [shardchannel ...]]",
        "Counts subscribers of shard channels.",
    ),
    // Transactions
    redis("multi", "1.2.0", "", "From here on commands are answered `QUEUED`."),
    redis(
        "exec",
        "1.2.0",
        "",
        "The null array if a watched key has changed; `EXECABORT` if a command was refused while it was queued.",
    ),
    redis("discard", "2.0.0", "", ""),
    redis("watch", "2.2.0", "key [key ...]", "Any change of the key counts, one's own before `MULTI` too."),
    redis("unwatch", "2.2.0", "", ""),
    // Keys
    redis("del", "1.0.0", "key [key ...]", ""),
    redis("exists", "1.0.0", "key [key ...]", ""),
    redis("type", "1.0.0", "key", ""),
    redis("unlink", "4.0.0", "key [key ...]", ""),
    redis("touch", "3.2.1", "key [key ...]", ""),
    redis("expire", "1.0.0", "key seconds [NX | XX | GT | LT]", ""),
    redis("pexpire", "2.6.0", "key milliseconds [NX | XX | GT | LT]", ""),
    redis("expireat", "1.2.0", "key unix-time-seconds [NX | XX | GT | LT]", ""),
    redis("pexpireat", "2.6.0", "key unix-time-milliseconds [NX | XX | GT | LT]", ""),
    redis("ttl", "1.0.0", "key", ""),
    redis("pttl", "2.6.0", "key", ""),
    redis("expiretime", "7.0.0", "key", ""),
    redis("pexpiretime", "7.0.0", "key", ""),
    redis("persist", "2.2.0", "key", ""),
    redis("rename", "1.0.0", "key newkey", ""),
    redis("renamenx", "1.0.0", "key newkey", ""),
    redis("copy", "6.2.0", "source destination [DB destination-db] [REPLACE]", ""),
    redis(
        "scan",
        "2.8.0",
        "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        "What is there from the first call to the last is given, once.",
    ),
    redis("keys", "1.0.0", "pattern", ""),
    redis("randomkey", "1.0.0", "", ""),
    redis("object", "2.2.3", "", ""),
    redis("object|encoding", "2.2.3", "key", "Returns what Redis would hold the value in, or nearly so."),
    redis("object|freq", "4.0.0", "key", "Is refused: it is not noted how often a key is read."),
    help("object|help", "6.2.0"),
    redis("object|idletime", "2.2.3", "key", "0: it is not noted when a key was read."),
    redis("object|refcount", "2.2.3", "key", "1."),
    // Strings
    redis("get", "1.0.0", "key", ""),
    redis(
        "set",
        "1.0.0",
        "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        "",
    ),
    redis("setnx", "1.0.0", "key value", ""),
    redis("setex", "2.0.0", "key seconds value", ""),
    redis("psetex", "2.6.0", "key milliseconds value", ""),
    redis("getset", "1.0.0", "key value", ""),
    redis("getdel", "6.2.0", "key", ""),
    redis(
        "getex",
        "6.2.0",
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
        "",
    ),
    redis("mget", "1.0.0", "key [key ...]", ""),
    redis("mset", "1.0.1", "key value [key value ...]", ""),
    redis("msetnx", "1.0.1", "key value [key value ...]", ""),
    redis("incr", "1.0.0", "key", ""),
    redis("decr", "1.0.0", "key", ""),
    redis("incrby", "1.0.0", "key increment", ""),
    redis("decrby", "1.0.0", "key decrement", ""),
    redis("incrbyfloat", "2.6.0", "key increment", ""),
    redis("append", "2.0.0", "key value", ""),
    redis("strlen", "2.2.0", "key", ""),
    redis("getrange", "2.4.0", "key start end", ""),
    redis("substr", "1.0.0", "key start end", ""),
    redis("setrange", "2.2.0", "key offset value", ""),
    // Lists
    redis("lpush", "1.0.0", "key element [element ...]", ""),
    redis("rpush", "1.0.0", "key element [element ...]", ""),
    redis("lpushx", "2.2.0", "key element [element ...]", ""),
    redis("rpushx", "2.2.0", "key element [element ...]", ""),
    redis("lpop", "1.0.0", "key [count]", ""),
    redis("rpop", "1.0.0", "key [count]", ""),
    redis("lmpop", "7.0.0", "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", ""),
    redis("blpop", "2.0.0", "key [key ...] timeout", ""),
    redis("brpop", "2.0.0", "key [key ...] timeout", ""),
    redis("blmpop", "7.0.0", "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", ""),
    redis("lmove", "6.2.0", "source destination <LEFT | RIGHT> <LEFT | RIGHT>", ""),
    redis("blmove", "6.2.0", "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout", ""),
    redis("rpoplpush", "1.2.0", "source destination", ""),
    redis("brpoplpush", "2.2.0", "source destination timeout", ""),
    redis("llen", "1.0.0", "key", ""),
    redis("lrange", "1.0.0", "key start stop", ""),
    redis("lindex", "1.0.0", "key index", ""),
    redis("lpos", "6.0.6", "key element [RANK rank] [COUNT num-matches] [MAXLEN len]", ""),
    redis("lrem", "1.0.0", "key count element", ""),
    redis("ltrim", "1.0.0", "key start stop", ""),
    redis("linsert", "2.2.0", "key <BEFORE | AFTER> pivot element", ""),
    redis("lset", "1.0.0", "key index element", ""),
    // Streams
    redis(
        "xadd",
        "5.0.0",
        "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
        "",
    ),
    redis("xlen", "5.0.0", "key", ""),
    redis("xrange", "5.0.0", "key start end [COUNT count]", "`-`, `+`, exclusive bounds with `(`."),
    redis("xrevrange", "5.0.0", "key end start [COUNT count]", ""),
    redis(
        "xread",
        "5.0.0",
        "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        "Ids may be `$` and `+`.",
    ),
    redis(
        "xtrim",
        "5.0.0",
        "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
        "`~` trims whole nodes, of `stream-node-max-entries` entries.",
    ),
    redis("xdel", "5.0.0", "key id [id ...]", ""),
    redis("xsetid", "5.0.0", "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]", ""),
    redis(
        "xreadgroup",
        "5.0.0",
        "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]",
        "When a consumer was last seen is not stored if nothing was delivered to it.",
    ),
    redis("xack", "5.0.0", "key group id [id ...]", ""),
    redis("xpending", "5.0.0", "key group [[IDLE min-idle-time] start end count [consumer]]", ""),
    redis(
        "xclaim",
        "5.0.0",
        "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] \
         [JUSTID] [LASTID lastid]",
        "",
    ),
    redis("xautoclaim", "6.2.0", "key group consumer min-idle-time start [COUNT count] [JUSTID]", ""),
    redis("xgroup", "5.0.0", "", ""),
    redis(
        "xgroup|create",
        "5.0.0",
        "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
        "Makes a consumer group.",
    ),
    redis("xgroup|createconsumer", "6.2.0", "key group consumer", "Makes a consumer in a group."),
    redis(
        "xgroup|delconsumer",
        "5.0.0",
        "key group consumer",
        "Deletes a consumer, and what is pending for it.",
    ),
    redis("xgroup|destroy", "5.0.0", "key group", "Destroys a group."),
    help("xgroup|help", "5.0.0"),
    redis(
        "xgroup|setid",
        "5.0.0",
        "key group <id | $> [ENTRIESREAD entries-read]",
        "Sets how far a group has read.",
    ),
    redis("xinfo", "5.0.0", "", ""),
    redis("xinfo|consumers", "5.0.0", "key group", "Lists the consumers of a group."),
    redis("xinfo|groups", "5.0.0", "key", "Lists the groups of a stream."),
    help("xinfo|help", "5.0.0"),
    redis("xinfo|stream", "5.0.0", "key [FULL [COUNT count]]", "Describes a stream."),
    // Ledger
    ours(
        "naru.append",
        "conversation sender message-id body [KIND kind] [TARGET seq] [MENTION count user [user ...]] [LEVEL level]",
        "Answers an array of 8: seq, at (Unix ms), prev, count (messages so far), 1 if it was there already, version of the members, mode, level reached. A repeat is recognised by `sender` and `message-id`.",
    ),
    ours(
        "naru.edit",
        "conversation sender message-id target body [LEVEL level]",
        "Answers as `NARU.APPEND`.",
    ),
    ours(
        "naru.delete",
        "conversation sender message-id target [LEVEL level]",
        "Answers as `NARU.APPEND`. Its place in the log stays.",
    ),
    ours(
        "naru.deliver",
        "conversation seq count sender USERS count [user [user ...]] [MENTIONED count user [user ...]] [KIND kind] [MODE mode]",
        "Answers an array of [user, offset, after, [server, …]], of those only whose inbox has changed. The number of users may be 0.",
    ),
    ours("naru.done", "conversation seq", "Answers up to where all is done."),
    ours(
        "naru.send",
        "conversation sender message-id body [KIND kind] [TARGET seq] [MENTION count user [user ...]] [LEVEL level]",
        "Answers as `NARU.APPEND`. A repeat finishes what was left open.",
    ),
    ours(
        "naru.sweep",
        "server older-than-ms limit lease-ms",
        "Answers an array of [conversation, from, to, version], the longest waiting first. What lies after `from` and up to `to` is delivered again, and done.",
    ),
    ours(
        "naru.resume",
        "user device epoch offset limit",
        "Answers an array of 8: epoch, cursor, head, start, `ring`, `index` or `reset`, more, changes, rooms in broadcast mode. A change is [offset, conversation, after, seq, kind]; a room is [conversation, read].",
    ),
    ours(
        "naru.changed",
        "user device after limit",
        "Answers an array of 2: more, rows. A row is [conversation, from, head, count, read, mentions, offset, follow], where `from` is where the device stands.",
    ),
    ours(
        "naru.conversations",
        "user before limit",
        "Answers as `NARU.CHANGED`; `before` 0 means from the last. Unread is `count` - `read`.",
    ),
    ours(
        "naru.ack",
        "user device offset [WITHIN conversation seq]",
        "Answers where the cursor stands: never back, at most at the head. WITHIN says how far a device that is far behind has got in one conversation.",
    ),
    ours(
        "naru.read",
        "user conversation seq count",
        "`count` is that of the entry. Answers an array of 5: offset, count, read, mentions, how the conversation is followed.",
    ),
    ours("naru.mark", "conversation user seq", "Answers where the mark is: never back, at most at the head."),
    ours(
        "naru.history",
        "conversation user <BEFORE | AFTER> seq limit [bytes]",
        "Answers an array of 4: trimmed, head, more, entries. `BEFORE 0` means from the newest. With an empty `user` nobody is asked whether they take part.",
    ),
    ours(
        "naru.make",
        "room user",
        "Answers as `NARU.JOIN`; with the error `EXISTS` if somebody has made it before.",
    ),
    ours(
        "naru.join",
        "room user role",
        "Answers an array of 8: version of the members, seq, 1 if that changed something, at, prev, count, mode, seq of the change to broadcast mode or 0. Whether it may be is the caller's to decide.",
    ),
    ours(
        "naru.leave",
        "room user",
        "Answers as `NARU.JOIN`; with the error `LASTOWNER` if others are in the room and none of them is an owner.",
    ),
    ours(
        "naru.role",
        "room user role",
        "Answers as `NARU.JOIN`; with the error `LASTOWNER` if the room would have no owner any more.",
    ),
    ours(
        "naru.members",
        "conversation after-user limit",
        "Answers an array of 4: version, mode, more, members. A member is [user, role, since, read]. An empty `after-user` begins with the first.",
    ),
    ours(
        "naru.server",
        "server epoch lease-ms",
        "`epoch` is another each time the server starts. An empty `lease-ms` means for as long as this connection lasts.",
    ),
    ours("naru.route", "server epoch user [user ...]", ""),
    ours("naru.unroute", "server epoch user [user ...]", ""),
    ours(
        "naru.presence",
        "user [user ...]",
        "Answers an array of [user, [server, …]], of those only who are.",
    ),
    ours(
        "naru.trace",
        "conversation <seq | sender message-id>",
        "Answers an array of 7: head, fanned out, trimmed, version, mode, done, entry or nil.",
    ),
    ours(
        "naru.standing",
        "user conversation",
        "Answers an array of 6: epoch, head, up to where the ring is cut, row or nil, devices, servers. A device is [device, cursor, seen (Unix ms), from].",
    ),
    ours(
        "naru.generation",
        "",
        "Answers the new generation. Numbers that were given after the backup are not given again.",
    ),
    ours(
        "naru.channel.publish",
        "channel payload SIZE count TTL ms META ms [ONCE key ms] [VERSION number version-epoch]",
        "Answers an array of 4: receivers, offset, epoch, 1 if nothing was published. The channel keeps the last `count` publications, until it is `TTL` since the last; with 0 this one is not kept, and has offset 0 and no epoch. Offset and epoch are remembered for `META` since they were last used, or an eighth longer. What subscribers hear begins with `naru:<offset>:<epoch>` and a line feed. The same `ONCE key` within its time publishes nothing, and has the position of the first. Nor does a `VERSION` that is not higher than the last one of the channel, which has the position of the last publication; versions of different `version-epoch`s are not compared, an empty one is with any. A version says nothing where this one is not kept, and is remembered as long as the epoch.",
    ),
    ours(
        "naru.channel.history",
        "channel META ms [SINCE offset] [LIMIT count] [BYTES count] [REVERSE]",
        "Answers an array of 3: offset of the last publication, epoch, publications. A publication is [offset, payload]. `SINCE` gives those after an offset, or with `REVERSE` those before it; `LIMIT 0` the position alone; `BYTES` no more than has so many bytes, of which the first may have more. A channel that is not remembered begins an epoch; as long as nothing is kept in it, that is remembered for ten minutes since the last read, if `META` is not less.",
    ),
    ours("naru.channel.remove", "channel", ""),
    ours(
        "naru.channel.enter",
        "server epoch channel client user info",
        "`user` may be empty. It ends with the server's run, which `NARU.SERVER` tells of. Again: as it is said now.",
    ),
    ours("naru.channel.leave", "server epoch channel client", ""),
    ours(
        "naru.channel.presence",
        "channel [CLIENTS count] [BYTES count]",
        "Answers an array of [client, user, info]. Where there are more clients, or `info` has more bytes, than is said, the error is `TOOMANY`.",
    ),
    ours("naru.channel.stats", "channel", "Answers an array of 2: clients, users."),
    ours(
        "naru.backup",
        "directory",
        "The path is absolute, on the broker's machine, and nothing is there yet. Answers OK when the copy is whole, with \
         all that came before the command.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::{TABLE, find};

    #[test]
    fn everything_that_can_be_called_is_in_it_once_and_nothing_else() {
        let names = |names: Vec<&'static str>| {
            let mut names = names;
            names.sort_unstable();
            names
        };
        let called = names(all_called().map(|called| called.name).collect());
        assert_eq!(called, names(MANUAL.iter().map(|usage| usage.name).collect()));
        for usage in MANUAL.iter().filter(|usage| usage.name.contains('|')) {
            assert!(usage.text.ends_with('.'), "{}", usage.name);
        }
    }

    #[test]
    fn what_it_says_of_arguments_fits_how_many_a_command_takes() {
        for entry in TABLE.iter().filter(|entry| entry.subcommands.is_empty()) {
            let by_syntax = arity(entry.itself()).as_integer();
            let by_table = entry.arity.as_integer();
            assert_eq!(by_syntax.abs(), by_table.abs(), "{}", entry.name);
            // Some take more than they need, and then refuse it or let it be; as in Redis.
            assert!(by_table < 0 || by_syntax > 0, "{}", entry.name);
        }
    }

    #[test]
    fn a_subcommand_knows_how_many_words_it_takes() {
        let pubsub = find(b"pubsub").unwrap();
        let numpat = pubsub.subcommand(b"numpat").unwrap();
        let called = all_called().nth(pubsub.itself().number + 1 + numpat).unwrap();
        assert_eq!(called.name, "pubsub|numpat");
        assert!(arity(called).accepts(2) && !arity(called).accepts(3));
    }
}
