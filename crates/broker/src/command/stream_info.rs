use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    arguments::{integer, unknown_or_wrong_number, unknown_subcommand},
};
use crate::keeper::{BadArgument, Op, StreamOp};

pub(super) const SUBCOMMANDS: &[&str] = &["xinfo|consumers", "xinfo|groups", "xinfo|help", "xinfo|stream"];

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

/// Entries that XINFO STREAM FULL shows of everything, unless told otherwise.
const COUNT_DEFAULT: usize = 10;

pub(super) fn xinfo(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let key = || Bytes::copy_from_slice(command.arg(2));
    let op = match command.arg(1).to_ascii_lowercase().as_slice() {
        b"consumers" => StreamOp::InfoConsumers { key: key(), group: Bytes::copy_from_slice(command.arg(3)) },
        b"groups" => StreamOp::InfoGroups { key: key() },
        b"help" => return context.help(HELP),
        b"stream" => StreamOp::Info { key: key(), full: full(command).map_err(BadArgument::from) },
        _ => return Err(unknown_subcommand("XINFO", command.arg(1))),
    };
    context.keep(Op::Stream(op))
}

/// `[FULL [COUNT count]]`, behind the key.
fn full(command: &Command<'_>) -> Result<Option<usize>, Refusal> {
    let is = |at: usize, word: &str| command.arg(at).eq_ignore_ascii_case(word.as_bytes());
    match command.len() {
        3 => Ok(None),
        4 if is(3, "full") => Ok(Some(COUNT_DEFAULT)),
        6 if is(3, "full") && is(4, "count") => {
            Ok(Some(usize::try_from(integer(command.arg(5))?).unwrap_or(COUNT_DEFAULT)))
        }
        _ => Err(unknown_or_wrong_number("XINFO", command.arg(1))),
    }
}
