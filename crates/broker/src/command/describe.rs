//! What clients ask about the server itself before they begin.

use naru_fanout::matches;
use naru_resp::{Command, ReplyWriter};

use super::{
    Context, Outcome,
    arguments::{syntax_error, unknown_subcommand, wrong_number},
    category::Category,
    getkeys::{getkeys, getkeys_and_flags},
    manual::{self, Usage},
    syntax::{Argument, Kind},
    table::{self, Entry, TABLE},
};

pub(super) const SUBCOMMANDS: &[&str] = &[
    "command|count",
    "command|docs",
    "command|getkeys",
    "command|getkeysandflags",
    "command|help",
    "command|info",
    "command|list",
];

const COMMAND_HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands in this server.",
    "LIST",
    "    Return a list of all commands in this server.",
    "LIST FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)",
    "    Return a list of commands that fit.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full command.",
    "HELP",
    "    Prints this help.",
];

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

pub(super) fn command(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let Some(subcommand) = command.get(1) else {
        return context.reply(|writer| write_all(writer, TABLE.iter().map(Some), write_entry));
    };
    let named = || command.iter().skip(2).map(table::find);
    match subcommand.to_ascii_lowercase().as_slice() {
        b"count" if command.len() > 2 => Err(wrong_number("command|count")),
        b"getkeys" if command.len() > 3 => getkeys(context, command),
        b"getkeys" => Err(wrong_number("command|getkeys")),
        b"getkeysandflags" if command.len() > 3 => getkeys_and_flags(context, command),
        b"getkeysandflags" => Err(wrong_number("command|getkeysandflags")),
        b"count" => context.reply(|writer| writer.integer(TABLE.len() as i64)),
        b"info" if command.len() == 2 => {
            context.reply(|writer| write_all(writer, TABLE.iter().map(Some), write_entry))
        }
        b"info" => context.reply(|writer| write_all(writer, named(), write_entry)),
        b"list" => list(context, command),
        b"docs" => {
            let found: Vec<(&Entry, &str)> = if command.len() == 2 {
                TABLE.iter().map(|entry| (entry, entry.name)).collect()
            } else {
                command.iter().skip(2).filter_map(described).collect()
            };
            context.reply(|writer| {
                writer.map(found.len());
                for (entry, name) in found {
                    write_docs(writer, entry, name);
                }
            })
        }
        b"help" => context.help(COMMAND_HELP),
        _ => Err(unknown_subcommand("COMMAND", subcommand)),
    }
}

/// `COMMAND LIST [FILTERBY MODULE name|ACLCAT category|PATTERN glob]`, subcommands included.
fn list(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let option = |at: usize| command.get(at).map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
    let value = command.get(4).unwrap_or_default();
    let mut called: Vec<_> = table::all_called().collect();
    match (command.len(), option(2).as_slice(), option(3).as_slice()) {
        (2, _, _) => {}
        // There are no modules.
        (5, b"filterby", b"module") => called.clear(),
        (5, b"filterby", b"aclcat") => {
            let category = Category::named(value);
            called.retain(|called| category.is_some_and(|category| category.holds(*called)));
        }
        (5, b"filterby", b"pattern") => {
            called.retain(|called| matches(&value.to_ascii_lowercase(), called.name.as_bytes()));
        }
        _ => return Err(syntax_error()),
    }
    context.reply(|writer| {
        writer.array(called.len());
        called.iter().for_each(|called| writer.bulk(called.name));
    })
}

fn write_all(
    writer: &mut Writer<'_>,
    entries: impl Iterator<Item = Option<&'static Entry>>,
    write: fn(&mut Writer<'_>, &Entry),
) {
    let entries: Vec<_> = entries.collect();
    writer.array(entries.len());
    for entry in entries {
        match entry {
            Some(entry) => write(writer, entry),
            None => writer.null(),
        }
    }
}

fn write_entry(writer: &mut Writer<'_>, entry: &Entry) {
    let (first, last, step) = entry.keys;
    writer.array(10);
    writer.bulk(entry.name);
    writer.integer(entry.arity.as_integer());
    writer.set(entry.flags.len());
    entry.flags.iter().for_each(|flag| writer.simple(flag));
    writer.integer(first);
    writer.integer(last);
    writer.integer(step);
    let is_in = |(category, _): &(Category, &str)| category.holds(entry.itself());
    let categories: Vec<_> = Category::all().filter(is_in).collect();
    writer.set(categories.len());
    categories.iter().for_each(|(_, name)| writer.simple(format!("@{name}")));
    // Tips, key specifications, subcommands: none are given.
    (0..3).for_each(|_| writer.array(0));
}

/// The command called `name`, or `command|subcommand`, and its full name.
fn described(name: &[u8]) -> Option<(&'static Entry, &'static str)> {
    let mut words = name.splitn(2, |byte| *byte == b'|');
    let entry = table::find(words.next()?)?;
    match words.next() {
        None => Some((entry, entry.name)),
        Some(subcommand) => Some((entry, entry.subcommands[entry.subcommand(subcommand)?])),
    }
}

/// What there is to say about a command, or about one of its subcommands.
fn write_docs(writer: &mut Writer<'_>, entry: &Entry, name: &str) {
    let usage = manual::usage(name);
    let is_subcommand = name != entry.name;
    let subcommands = (!is_subcommand && !entry.subcommands.is_empty()).then_some(entry.subcommands);
    let summary = if is_subcommand { usage.map_or("", |usage| usage.text) } else { entry.summary };
    let since = usage.and_then(|usage| usage.since);
    let arguments = usage.map_or_else(Vec::new, Usage::arguments);
    writer.bulk(name);
    writer.map(
        2 + usize::from(since.is_some())
            + usize::from(!arguments.is_empty())
            + usize::from(subcommands.is_some()),
    );
    writer.bulk("summary");
    writer.bulk(summary);
    if let Some(since) = since {
        writer.bulk("since");
        writer.bulk(since);
    }
    writer.bulk("group");
    writer.bulk(entry.group);
    if !arguments.is_empty() {
        writer.bulk("arguments");
        write_arguments(writer, &arguments);
    }
    if let Some(subcommands) = subcommands {
        writer.bulk("subcommands");
        writer.map(subcommands.len());
        subcommands.iter().for_each(|name| write_docs(writer, entry, name));
    }
}

fn write_arguments(writer: &mut Writer<'_>, arguments: &[Argument]) {
    writer.array(arguments.len());
    for argument in arguments {
        let flags: Vec<&str> = [(argument.is_optional, "optional"), (argument.is_repeated, "multiple")]
            .into_iter()
            .filter_map(|(is_set, flag)| is_set.then_some(flag))
            .collect();
        let (token, parts) = match &argument.kind {
            Kind::Value(_) => (argument.token, None),
            Kind::Word(word) => (Some(*word), None),
            Kind::OneOf(parts) | Kind::Block(parts) => (argument.token, Some(parts)),
        };
        let some = [token.is_some(), !flags.is_empty(), parts.is_some()];
        writer.map(2 + some.into_iter().filter(|is_there| *is_there).count());
        writer.bulk("name");
        writer.bulk(argument.name());
        writer.bulk("type");
        writer.bulk(argument.kind_name());
        if let Some(token) = token {
            writer.bulk("token");
            writer.bulk(token);
        }
        if !flags.is_empty() {
            writer.bulk("flags");
            writer.set(flags.len());
            flags.iter().for_each(|flag| writer.simple(flag));
        }
        if let Some(parts) = parts {
            writer.bulk("arguments");
            write_arguments(writer, parts);
        }
    }
}
