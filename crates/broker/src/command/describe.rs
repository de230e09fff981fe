//! What clients ask about the server itself before they begin.

use naru_fanout::matches;
use naru_resp::{Command, ReplyWriter};

use super::{
    Context, Outcome,
    arguments::{syntax_error, unknown_subcommand, wrong_number},
    category::Category,
    getkeys::{getkeys, getkeys_and_flags},
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
            let entries: Vec<&Entry> =
                if command.len() == 2 { TABLE.iter().collect() } else { named().flatten().collect() };
            context.reply(|writer| {
                writer.map(entries.len());
                for entry in entries {
                    write_docs(writer, entry);
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

fn write_docs(writer: &mut Writer<'_>, entry: &Entry) {
    writer.bulk(entry.name);
    writer.map(2);
    writer.bulk("summary");
    writer.bulk(entry.summary);
    writer.bulk("group");
    writer.bulk(entry.group);
}
