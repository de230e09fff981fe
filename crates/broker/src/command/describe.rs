//! What clients ask about the server itself before they begin.

use naru_resp::{Command, ReplyWriter};

use super::{
    Context, Outcome,
    arguments::unknown_subcommand,
    table::{self, Entry, TABLE},
};

pub(super) const SUBCOMMANDS: &[&str] =
    &["command|count", "command|docs", "command|help", "command|info", "command|list"];

const COMMAND_HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands in this server.",
    "LIST",
    "    Return a list of all commands in this server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
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
        b"count" => context.reply(|writer| writer.integer(TABLE.len() as i64)),
        b"info" if command.len() == 2 => {
            context.reply(|writer| write_all(writer, TABLE.iter().map(Some), write_entry))
        }
        b"info" => context.reply(|writer| write_all(writer, named(), write_entry)),
        b"list" => context.reply(|writer| {
            writer.array(TABLE.len());
            TABLE.iter().for_each(|entry| writer.bulk(entry.name));
        }),
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
    writer.set(1);
    writer.simple(format!("@{}", entry.group));
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
