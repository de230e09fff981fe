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
    table::{self, Called, Entry, TABLE},
    traits::{self, Begin, Find, KeySpecification},
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
        return context
            .reply(|writer| write_all(writer, TABLE.iter().map(|entry| Some((entry, entry.itself())))));
    };
    let named = || command.iter().skip(2).map(described);
    match subcommand.to_ascii_lowercase().as_slice() {
        b"count" if command.len() > 2 => Err(wrong_number("command|count")),
        b"getkeys" => getkeys(context, command),
        b"getkeysandflags" => getkeys_and_flags(context, command),
        b"count" => context.reply(|writer| writer.integer(TABLE.len() as i64)),
        b"info" if command.len() == 2 => {
            context.reply(|writer| write_all(writer, TABLE.iter().map(|entry| Some((entry, entry.itself())))))
        }
        b"info" => context.reply(|writer| write_all(writer, named())),
        b"list" => list(context, command),
        b"docs" => {
            let found: Vec<(&Entry, Called)> = if command.len() == 2 {
                TABLE.iter().map(|entry| (entry, entry.itself())).collect()
            } else {
                command.iter().skip(2).filter_map(described).collect()
            };
            context.reply(|writer| {
                writer.map(found.len());
                for (entry, called) in found {
                    write_docs(writer, entry, called.name);
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

fn write_all(writer: &mut Writer<'_>, described: impl Iterator<Item = Option<(&'static Entry, Called)>>) {
    let described: Vec<_> = described.collect();
    writer.array(described.len());
    for described in described {
        match described {
            Some((entry, called)) => write_called(writer, entry, called),
            None => writer.null(),
        }
    }
}

/// A command or subcommand, with all of its subcommands.
fn write_called(writer: &mut Writer<'_>, entry: &Entry, called: Called) {
    let is_itself = called == entry.itself();
    let arity = if is_itself { entry.arity } else { manual::arity(called) };
    let (first, last, step) = entry.keys_of(called);
    let flags = entry.flags_of(called);
    writer.array(10);
    writer.bulk(called.name);
    writer.integer(arity.as_integer());
    writer.set(flags.len());
    flags.iter().for_each(|flag| writer.simple(flag));
    writer.integer(first);
    writer.integer(last);
    writer.integer(step);
    let is_in = |(category, _): &(Category, &str)| category.holds(called);
    let categories: Vec<_> = Category::all().filter(is_in).collect();
    writer.set(categories.len());
    categories.iter().for_each(|(_, name)| writer.simple(format!("@{name}")));
    let tips = traits::tips(called);
    writer.array(tips.len());
    tips.iter().for_each(|tip| writer.bulk(tip));
    let keys = traits::keys(entry, called);
    writer.array(keys.len());
    keys.iter().for_each(|keys| write_keys(writer, keys));
    let subcommands = if is_itself { entry.subcommands.len() } else { 0 };
    writer.array(subcommands);
    for subcommand in entry.all_called().skip(1).take(subcommands) {
        write_called(writer, entry, subcommand);
    }
}

fn write_keys(writer: &mut Writer<'_>, keys: &KeySpecification) {
    writer.map(3 + usize::from(keys.notes.is_some()));
    if let Some(notes) = keys.notes {
        writer.bulk("notes");
        writer.bulk(notes);
    }
    writer.bulk("flags");
    writer.set(keys.flags.len());
    keys.flags.iter().for_each(|flag| writer.simple(flag));
    writer.bulk("begin_search");
    let numbers = |writer: &mut Writer<'_>, numbers: &[(&str, i64)]| {
        for (name, number) in numbers {
            writer.bulk(name);
            writer.integer(*number);
        }
    };
    let search = |writer: &mut Writer<'_>, kind: &str, parts: usize| {
        writer.map(2);
        writer.bulk("type");
        writer.bulk(kind);
        writer.bulk("spec");
        writer.map(parts);
    };
    match keys.begins {
        Begin::Index(index) => {
            search(writer, "index", 1);
            numbers(writer, &[("index", index)]);
        }
        Begin::Keyword(keyword, from) => {
            search(writer, "keyword", 2);
            writer.bulk("keyword");
            writer.bulk(keyword);
            numbers(writer, &[("startfrom", from)]);
        }
    }
    writer.bulk("find_keys");
    match keys.finds {
        Find::Range { last, step, limit } => {
            search(writer, "range", 3);
            numbers(writer, &[("lastkey", last), ("keystep", step), ("limit", limit)]);
        }
        Find::Counted => {
            search(writer, "keynum", 3);
            numbers(writer, &[("keynumidx", 0), ("firstkey", 1), ("keystep", 1)]);
        }
    }
}

/// The command called `name`, or `command|subcommand`.
fn described(name: &[u8]) -> Option<(&'static Entry, Called)> {
    let mut words = name.splitn(2, |byte| *byte == b'|');
    let entry = table::find(words.next()?)?;
    match words.next() {
        None => Some((entry, entry.itself())),
        Some(subcommand) => Some((entry, entry.all_called().nth(1 + entry.subcommand(subcommand)?)?)),
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
