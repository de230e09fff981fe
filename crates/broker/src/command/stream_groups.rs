//! What is done with consumer groups beside reading: acknowledging, looking at what is pending, claiming it, and the
//! groups themselves.

use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    arguments::{Arguments, integer, repeating, syntax_error, unknown_or_wrong_number, unknown_subcommand},
    streams::{id_or_edge, interval, interval_start, key},
};
use crate::{
    keeper::{BadArgument, Claim, ClaimNext, Delivered, GroupOp, Op, PendingRange, StreamOp},
    streams::{InvalidId, StreamId},
};

pub(super) const SUBCOMMANDS: &[&str] = &[
    "xgroup|create",
    "xgroup|createconsumer",
    "xgroup|delconsumer",
    "xgroup|destroy",
    "xgroup|help",
    "xgroup|setid",
];

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

/// Entries that XAUTOCLAIM claims at most, unless told otherwise.
const CLAIM_COUNT_DEFAULT: usize = 100;

/// What Redis allows there: ten times as many are looked at, or each takes 16 bytes.
const CLAIM_COUNT_MAX: i64 = i64::MAX / 16;

fn argument(command: &Command<'_>, at: usize) -> Bytes {
    Bytes::copy_from_slice(command.arg(at))
}

pub(super) fn xack(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    // An id that is none is refused only where there is a group.
    let ids = command.iter().skip(3).map(|id| StreamId::parse(id, 0)).collect();
    context.keep(Op::Stream(StreamOp::Ack { key: key(command), group: argument(command, 2), ids }))
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub(super) fn xpending(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (key, group) = (key(command), argument(command, 2));
    if command.len() == 3 {
        return context.keep(Op::Stream(StreamOp::PendingSummary { key, group }));
    }
    if !(6..=9).contains(&command.len()) {
        return Err(syntax_error());
    }
    let mut idle_min = 0;
    let mut at = 3;
    if command.arg(3).eq_ignore_ascii_case(b"idle") {
        idle_min = integer(command.arg(4))?;
        if command.len() < 8 {
            return Err(syntax_error());
        }
        at += 2;
    }
    let count = usize::try_from(integer(command.arg(at + 2))?).unwrap_or(0);
    let (start, end) = interval(command.arg(at), command.arg(at + 1))?;
    let consumer = command.get(at + 3).map(Bytes::copy_from_slice);
    let range = PendingRange { idle_min, start, end, count, consumer };
    context.keep(Op::Stream(StreamOp::Pending { key, group, range }))
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE]
/// [JUSTID] [LASTID lastid]`
pub(super) fn xclaim(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let claim = claim(command).map_err(BadArgument::from);
    let (group, consumer) = (argument(command, 2), argument(command, 3));
    context.keep(Op::Stream(StreamOp::Claim { key: key(command), group, consumer, claim }))
}

fn claim(command: &Command<'_>) -> Result<Claim, Refusal> {
    let number = |argument: &[u8], name: &str| {
        integer(argument).map_err(|_| Refusal::from(format!("ERR Invalid {name} argument for XCLAIM")))
    };
    let mut arguments = Arguments::of(command);
    for _ in 0..3 {
        arguments.next()?;
    }
    let idle_min = u64::try_from(number(arguments.next()?, "min-idle-time")?).unwrap_or(0);
    let mut claim = Claim {
        idle_min,
        ids: Vec::new(),
        delivered: Delivered::Now,
        count: None,
        force: false,
        just_ids: false,
        last: StreamId::MIN,
    };
    while let Some(Ok(id)) = arguments.peek().map(|id| StreamId::parse(id, 0)) {
        claim.ids.push(id);
        arguments.next()?;
    }
    while arguments.left() > 0 {
        if arguments.takes("force") {
            claim.force = true;
        } else if arguments.takes("justid") {
            claim.just_ids = true;
        } else if arguments.takes_before_value("idle") {
            claim.delivered = Delivered::Ago(number(arguments.next()?, "IDLE option")?);
        } else if arguments.takes_before_value("time") {
            claim.delivered = Delivered::At(number(arguments.next()?, "TIME option")?);
        } else if arguments.takes_before_value("retrycount") {
            let count = number(arguments.next()?, "RETRYCOUNT option")?;
            // One below 0 counts as none.
            claim.count = (count >= 0).then(|| u32::try_from(count).unwrap_or(u32::MAX));
        } else if arguments.takes_before_value("lastid") {
            claim.last = StreamId::parse(arguments.next()?, 0)?;
        } else {
            return Err(repeating("ERR Unrecognized XCLAIM option '", arguments.next()?, "'"));
        }
    }
    Ok(claim)
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(super) fn xautoclaim(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let idle_min = integer(command.arg(4))
        .map_err(|_| Refusal::from("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
    let start = interval_start(command.arg(5))?;
    let mut claim = ClaimNext {
        idle_min: u64::try_from(idle_min).unwrap_or(0),
        start,
        count: CLAIM_COUNT_DEFAULT,
        just_ids: false,
    };
    let mut arguments = Arguments::of(command);
    for _ in 0..5 {
        arguments.next()?;
    }
    while arguments.left() > 0 {
        if arguments.takes_before_value("count") {
            let count = integer(arguments.next()?).ok().filter(|count| (1..=CLAIM_COUNT_MAX).contains(count));
            claim.count = count.ok_or("ERR COUNT must be > 0")? as usize;
        } else if arguments.takes("justid") {
            claim.just_ids = true;
        } else {
            return Err(syntax_error());
        }
    }
    let (group, consumer) = (argument(command, 2), argument(command, 3));
    context.keep(Op::Stream(StreamOp::ClaimNext { key: key(command), group, consumer, claim }))
}

pub(super) fn xgroup(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let subcommand = command.arg(1).to_ascii_lowercase();
    if subcommand == b"help" {
        return context.help(HELP);
    }
    let makes = subcommand == b"create";
    let GroupOptions { make_stream, read } = GroupOptions::of(command, makes)?;
    let op = match subcommand.as_slice() {
        b"create" => GroupOp::Create { last: last(command, StreamId::parse), read, make_stream },
        b"setid" => GroupOp::SetId { last: last(command, id_or_edge), read },
        b"destroy" => GroupOp::Destroy,
        b"createconsumer" => GroupOp::CreateConsumer(argument(command, 4)),
        b"delconsumer" => GroupOp::DeleteConsumer(argument(command, 4)),
        _ => return Err(unknown_subcommand("XGROUP", command.arg(1))),
    };
    let (key, group) = (argument(command, 2), argument(command, 3));
    context.keep(Op::Stream(StreamOp::Group { key, group, op }))
}

/// The id that a group is to stand at; none for `$`.
fn last(
    command: &Command<'_>,
    parse: fn(&[u8], u64) -> Result<StreamId, InvalidId>,
) -> Result<Option<StreamId>, InvalidId> {
    let id = command.arg(4);
    if id == b"$" { Ok(None) } else { parse(id, 0).map(Some) }
}

/// What XGROUP CREATE and SETID take behind the id.
#[derive(Default)]
struct GroupOptions {
    make_stream: bool,
    read: Option<u64>,
}

impl GroupOptions {
    fn of(command: &Command<'_>, makes: bool) -> Result<Self, Refusal> {
        let mut options = GroupOptions::default();
        let mut arguments = Arguments::of(command);
        for _ in 0..4.min(command.len() - 1) {
            arguments.next()?;
        }
        while arguments.left() > 0 {
            if makes && arguments.takes("mkstream") {
                options.make_stream = true;
            } else if arguments.takes_before_value("entriesread") {
                options.read = match arguments.next_integer()? {
                    -1 => None,
                    read => Some(
                        u64::try_from(read)
                            .map_err(|_| "ERR value for ENTRIESREAD must be positive or -1")?,
                    ),
                };
            } else {
                return Err(unknown_or_wrong_number("XGROUP", command.arg(1)));
            }
        }
        // As many as there are options, whichever they are.
        let words_max = if makes { 8 } else { 7 };
        if command.len() > words_max {
            return Err(unknown_or_wrong_number("XGROUP", command.arg(1)));
        }
        Ok(options)
    }
}
