//! There are no scripts and no functions here; who asks for them before it begins is told so, as by a Redis that has
//! none loaded.

use naru_resp::Command;

use super::{
    Context, Outcome,
    arguments::{Arguments, repeating, unknown_or_wrong_number, unknown_subcommand, wrong_number},
};

pub(super) const FUNCTION_SUBCOMMANDS: &[&str] = &["function|flush", "function|help", "function|list"];

pub(super) const SCRIPT_SUBCOMMANDS: &[&str] = &["script|exists", "script|flush", "script|help"];

const FUNCTION_HELP: &[&str] = &[
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries; there are none.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "HELP",
    "    Prints this help.",
];

const SCRIPT_HELP: &[&str] = &[
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn function(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    match command.arg(1).to_ascii_lowercase().as_slice() {
        b"list" => {
            let mut arguments = Arguments::of(command);
            arguments.next()?;
            while let Some(argument) = arguments.peek() {
                if arguments.takes("libraryname") {
                    arguments.next().map_err(|_| "ERR library name argument was not given")?;
                } else if !arguments.takes("withcode") {
                    return Err(repeating("ERR Unknown argument ", argument, ""));
                }
            }
            context.reply(|writer| writer.array(0))
        }
        b"flush" if command.len() > 3 => Err(unknown_or_wrong_number("FUNCTION", command.arg(1))),
        b"flush" if !is_flush_mode(command.get(2)) => {
            Err("ERR FUNCTION FLUSH only supports SYNC|ASYNC option".into())
        }
        b"flush" => context.reply(|writer| writer.simple("OK")),
        b"help" if command.len() == 2 => context.help(FUNCTION_HELP),
        b"help" => Err(wrong_number("function|help")),
        _ => Err(unknown_subcommand("FUNCTION", command.arg(1))),
    }
}

pub(super) fn script(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    match command.arg(1).to_ascii_lowercase().as_slice() {
        b"exists" if command.len() < 3 => Err(wrong_number("script|exists")),
        b"exists" => context.reply(|writer| {
            writer.array(command.len() - 2);
            (2..command.len()).for_each(|_| writer.integer(0));
        }),
        b"flush" if command.len() > 3 || !is_flush_mode(command.get(2)) => {
            Err("ERR SCRIPT FLUSH only support SYNC|ASYNC option".into())
        }
        b"flush" => context.reply(|writer| writer.simple("OK")),
        b"help" if command.len() == 2 => context.help(SCRIPT_HELP),
        b"help" => Err(wrong_number("script|help")),
        _ => Err(unknown_subcommand("SCRIPT", command.arg(1))),
    }
}

fn is_flush_mode(mode: Option<&[u8]>) -> bool {
    mode.is_none_or(|mode| mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async"))
}
