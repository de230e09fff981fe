use std::time::Duration;

use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Flow, Outcome, Refusal,
    arguments::{Arguments, syntax_error, timeout, wrong_number},
};
use crate::{
    keeper::{After, BadArgument, Op, ReadGroup, SetId, StreamOp},
    streams::{IdRequest, InvalidId, Keep, NoId, StreamId, Trim, encode},
};

impl From<Refusal> for BadArgument {
    fn from(refusal: Refusal) -> Self {
        BadArgument(refusal.0)
    }
}

impl From<InvalidId> for Refusal {
    fn from(error: InvalidId) -> Self {
        error.to_string().into()
    }
}

pub(super) fn key(command: &Command<'_>) -> Bytes {
    Bytes::copy_from_slice(command.arg(1))
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] <*|id> field value [field value ...]`
pub(super) fn xadd(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let key = Bytes::copy_from_slice(arguments.next()?);
    let mut create = true;
    let mut trim = TrimOptions::default();
    let mut id = None;
    while id.is_none() && arguments.left() > 0 {
        if arguments.takes("nomkstream") {
            create = false;
        } else if !trim.takes(&mut arguments)? {
            id = Some(IdRequest::parse(arguments.next()?)?);
        }
    }
    let trim = trim.finish(context)?;
    let id = id.filter(|_| arguments.left() > 0 && arguments.left().is_multiple_of(2));
    let id = id.ok_or_else(|| wrong_number("xadd"))?;
    if id == IdRequest::Exactly(StreamId::MIN) {
        return Err(NoId::Zero.to_string().into());
    }
    let fields: Vec<&[u8]> = command.iter().skip(command.len() - arguments.left()).collect();
    let body = encode(fields.iter().copied());
    context.keep(Op::Stream(StreamOp::Add { key, id, body, trim, create }))
}

pub(super) fn xlen(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.keep(Op::Stream(StreamOp::Len { key: key(command) }))
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`
pub(super) fn xtrim(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let key = Bytes::copy_from_slice(arguments.next()?);
    let mut trim = TrimOptions::default();
    while arguments.left() > 0 {
        if !trim.takes(&mut arguments)? {
            return Err(syntax_error());
        }
    }
    if trim.keep.is_none() && !trim.has_limit() {
        return Err("ERR syntax error, XTRIM must be called with a trimming strategy".into());
    }
    let trim = trim.finish(context)?.ok_or_else(syntax_error)?;
    context.keep(Op::Stream(StreamOp::Trim { key, trim }))
}

pub(super) fn xdel(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    // An id that is none is refused only where there is a stream.
    let ids = command.iter().skip(2).map(|id| StreamId::parse(id, 0)).collect();
    context.keep(Op::Stream(StreamOp::Delete { key: key(command), ids }))
}

pub(super) fn xrange(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    range(context, command, command.arg(2), command.arg(3), false)
}

pub(super) fn xrevrange(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    range(context, command, command.arg(3), command.arg(2), true)
}

fn range(context: &Context<'_>, command: &Command<'_>, start: &[u8], end: &[u8], reverse: bool) -> Outcome {
    let (start, end) = interval(start, end)?;
    let mut arguments = Arguments::of(command);
    for _ in 0..3 {
        arguments.next()?;
    }
    let mut count = None;
    while arguments.left() > 0 {
        if !arguments.takes("count") {
            return Err(syntax_error());
        }
        count = Some(arguments.next_integer()?.max(0) as usize);
    }
    context.keep(Op::Stream(StreamOp::Range { key: key(command), start, end, count, reverse }))
}

/// The first and the last id of an interval; each may be left out of it (`(`), or be the least or greatest there is.
pub(super) fn interval(start: &[u8], end: &[u8]) -> Result<(StreamId, StreamId), Refusal> {
    Ok((interval_start(start)?, interval_end(end)?))
}

pub(super) fn interval_start(start: &[u8]) -> Result<StreamId, Refusal> {
    let Some(before) = start.strip_prefix(b"(") else { return Ok(id_or_edge(start, 0)?) };
    let before = StreamId::parse(before, 0)?;
    before.next().ok_or_else(|| "ERR invalid start ID for the interval".into())
}

fn interval_end(end: &[u8]) -> Result<StreamId, Refusal> {
    let Some(behind) = end.strip_prefix(b"(") else { return Ok(id_or_edge(end, u64::MAX)?) };
    let behind = StreamId::parse(behind, u64::MAX)?;
    behind.previous().ok_or_else(|| "ERR invalid end ID for the interval".into())
}

/// An id, or `-` or `+`.
pub(super) fn id_or_edge(id: &[u8], missing_sequence: u64) -> Result<StreamId, InvalidId> {
    match id {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(id, missing_sequence),
    }
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`
pub(super) fn xread(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let ReadOptions { count, block, streams, .. } = ReadOptions::of(command, false)?;
    let streams = streams.ok_or_else(syntax_error)?.each(command);
    let after = |id| after(id).map_err(BadArgument::from);
    let streams = streams.map(|(key, id)| (Bytes::copy_from_slice(key), after(id))).collect();
    read(context, StreamOp::Read { streams, count, block }, block.is_some())
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`
pub(super) fn xreadgroup(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let ReadOptions { count, block, group, noack, streams } = ReadOptions::of(command, true)?;
    let streams = streams.ok_or_else(syntax_error)?.each(command);
    let (group, consumer) = group.ok_or("ERR Missing GROUP option for XREADGROUP")?;
    let new_or_after = |id| new_or_after(id).map_err(BadArgument::from);
    let streams = streams.map(|(key, id)| (Bytes::copy_from_slice(key), new_or_after(id))).collect();
    let read_group = ReadGroup { group, consumer, streams, count, noack };
    read(context, StreamOp::ReadGroup { read: read_group, block }, block.is_some())
}

/// Lets the keeper read, which may take as long as it likes if it waits.
fn read(context: &Context<'_>, op: StreamOp, waits: bool) -> Outcome {
    if waits {
        context.client.hold_in_keeper();
    }
    let flow = context.keep(Op::Stream(op))?;
    // Redis reads no further command of a client that is blocked; the keeper's queue, if full, is waited for first.
    Ok(match flow {
        Flow::Next if waits => Flow::Wait,
        other => other,
    })
}

/// What XREAD and XREADGROUP take.
#[derive(Default)]
struct ReadOptions {
    count: Option<usize>,
    /// Wait if there is nothing; for ever if it holds no time.
    block: Option<Option<Duration>>,
    group: Option<(Bytes, Bytes)>,
    noack: bool,
    streams: Option<ReadStreams>,
}

/// Where the streams begin among the arguments, and how many there are; their ids are behind them.
struct ReadStreams {
    first: usize,
    count: usize,
}

impl ReadOptions {
    fn of(command: &Command<'_>, for_group: bool) -> Result<Self, Refusal> {
        let mut arguments = Arguments::of(command);
        let mut options = ReadOptions::default();
        let only_for_group = |option| {
            let refusal =
                format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.");
            if for_group { Ok(()) } else { Err(Refusal::from(refusal)) }
        };
        while arguments.left() > 0 {
            if arguments.takes_before_value("count") {
                let count = arguments.next_integer()?;
                options.count = usize::try_from(count).ok().filter(|count| *count > 0);
            } else if arguments.takes_before_value("block") {
                options.block = Some(Some(timeout(arguments.next()?)?).filter(|timeout| !timeout.is_zero()));
            } else if arguments.takes_before_value("streams") {
                options.streams = Some(ReadStreams::of(command, arguments.left(), for_group)?);
                break;
            } else if arguments.left() > 2 && arguments.takes("group") {
                only_for_group("GROUP")?;
                let mut name = || arguments.next().map(Bytes::copy_from_slice);
                options.group = Some((name()?, name()?));
            } else if arguments.takes("noack") {
                only_for_group("NOACK")?;
                options.noack = true;
            } else {
                return Err(syntax_error());
            }
        }
        Ok(options)
    }
}

impl ReadStreams {
    /// The last so many arguments.
    fn of(command: &Command<'_>, arguments: usize, for_group: bool) -> Result<Self, Refusal> {
        if arguments.is_multiple_of(2) {
            return Ok(ReadStreams { first: command.len() - arguments, count: arguments / 2 });
        }
        let (name, id) = if for_group { ("xreadgroup", '>') } else { ("xread", '$') };
        Err(format!(
            "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{id}' must be specified."
        )
        .into())
    }

    /// The keys, each with its id.
    fn each<'c, 'a>(
        self,
        command: &'c Command<'a>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'c, 'a> {
        let ReadStreams { first, count } = self;
        (first..first + count).map(move |at| (command.arg(at), command.arg(at + count)))
    }
}

/// From where XREADGROUP reads; none for what is new.
fn new_or_after(id: &[u8]) -> Result<Option<StreamId>, Refusal> {
    match id {
        b">" => Ok(None),
        b"$" => Err("ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                     return an empty result set."
            .into()),
        // As in Redis, which has the greatest id stand for `>`.
        _ => Ok(Some(StreamId::parse(id, 0)?).filter(|id| *id != StreamId::MAX)),
    }
}

fn after(id: &[u8]) -> Result<After, Refusal> {
    match id {
        b"$" => Ok(After::Last),
        b"+" => Ok(After::BeforeNewest),
        b">" => Err(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option."
                .into(),
        ),
        _ => Ok(After::Id(StreamId::parse(id, 0)?)),
    }
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(super) fn xsetid(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let key = Bytes::copy_from_slice(arguments.next()?);
    let last = StreamId::parse(arguments.next()?, 0)?;
    let mut set = SetId { last, added: None, deleted_max: None };
    while arguments.left() > 0 {
        if arguments.takes_before_value("entriesadded") {
            let added = u64::try_from(arguments.next_integer()?);
            set.added = Some(added.map_err(|_| "ERR entries_added must be positive")?);
        } else if arguments.takes_before_value("maxdeletedid") {
            let deleted = StreamId::parse(arguments.next()?, 0)?;
            if last < deleted {
                return Err(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id".into(),
                );
            }
            set.deleted_max = Some(deleted);
        } else {
            return Err(syntax_error());
        }
    }
    context.keep(Op::Stream(StreamOp::SetId { key, set }))
}

/// `MAXLEN|MINID [=|~] threshold [LIMIT count]`, wherever it may stand.
#[derive(Default)]
struct TrimOptions {
    keep: Option<Keep>,
    by_nodes: bool,
    limit: Option<u64>,
}

impl TrimOptions {
    /// Takes one option, if the next is one.
    fn takes(&mut self, arguments: &mut Arguments<'_, '_>) -> Result<bool, Refusal> {
        if arguments.takes_before_value("maxlen") {
            self.strategy(arguments)?;
            let count = u64::try_from(arguments.next_integer()?)
                .map_err(|_| Refusal::from("ERR The MAXLEN argument must be >= 0."))?;
            self.keep = Some(Keep::Newest(count));
        } else if arguments.takes_before_value("minid") {
            self.strategy(arguments)?;
            self.keep = Some(Keep::From(StreamId::parse(arguments.next()?, 0)?));
        } else if arguments.takes_before_value("limit") {
            let limit = u64::try_from(arguments.next_integer()?)
                .map_err(|_| Refusal::from("ERR The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// To Redis 0 is no limit, here.
    fn has_limit(&self) -> bool {
        self.limit.is_some_and(|limit| limit > 0)
    }

    fn strategy(&mut self, arguments: &mut Arguments<'_, '_>) -> Result<(), Refusal> {
        if self.keep.is_some() {
            return Err(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible".into()
            );
        }
        self.by_nodes = arguments.takes_before_value("~");
        if !self.by_nodes {
            arguments.takes_before_value("=");
        }
        Ok(())
    }

    fn finish(self, context: &Context<'_>) -> Result<Option<Trim>, Refusal> {
        if self.keep.is_none() && self.has_limit() {
            return Err(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy".into()
            );
        }
        if self.limit.is_some() && !self.by_nodes {
            return Err("ERR syntax error, LIMIT cannot be used without the special ~ option".into());
        }
        let limit = || self.limit.unwrap_or_else(|| limit_default(context));
        let by_nodes = self.by_nodes.then(limit);
        Ok(self.keep.map(|keep| Trim { keep, by_nodes }))
    }
}

/// `LIMIT` of `~` when none is given: so many nodes' worth of entries, as in Redis.
fn limit_default(context: &Context<'_>) -> u64 {
    (100 * context.core.shared().config.stream_node_entries_max() as u64).min(1_000_000)
}
