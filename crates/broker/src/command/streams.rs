use std::time::Duration;

use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Flow, Outcome, Refusal,
    arguments::{Arguments, integer, syntax_error, wrong_number},
};
use crate::{
    keeper::{After, Op, StreamOp},
    streams::{IdRequest, InvalidId, Keep, StreamId, Trim, encode},
};

impl From<InvalidId> for Refusal {
    fn from(error: InvalidId) -> Self {
        error.to_string().into()
    }
}

fn key(command: &Command<'_>) -> Bytes {
    Bytes::copy_from_slice(command.arg(1))
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] <*|id> field value [field value ...]`
pub(super) fn xadd(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let key = Bytes::copy_from_slice(arguments.next()?);
    let mut create = true;
    let mut trim = TrimOptions::default();
    let id = loop {
        if arguments.takes("nomkstream") {
            create = false;
        } else if !trim.takes(&mut arguments)? {
            break IdRequest::parse(arguments.next().map_err(|_| wrong_number("xadd"))?)?;
        }
    };
    let trim = trim.finish(context)?;
    if arguments.left() == 0 || !arguments.left().is_multiple_of(2) {
        return Err(wrong_number("xadd"));
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
    let start = match exclusive(start) {
        None => StreamId::parse(if start == b"-" { b"0-0" } else { start }, 0).or_else(|_| edge(start))?,
        Some(id) => {
            let id = StreamId::parse(id, 0)?;
            id.next().ok_or_else(|| Refusal::from("ERR invalid start ID for the interval"))?
        }
    };
    let end = match exclusive(end) {
        None => StreamId::parse(end, u64::MAX).or_else(|_| edge(end))?,
        Some(id) => {
            let id = StreamId::parse(id, u64::MAX)?;
            id.previous().ok_or_else(|| Refusal::from("ERR invalid end ID for the interval"))?
        }
    };
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

fn exclusive(bound: &[u8]) -> Option<&[u8]> {
    bound.strip_prefix(b"(")
}

/// `-` and `+`
fn edge(bound: &[u8]) -> Result<StreamId, InvalidId> {
    match bound {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => Err(InvalidId),
    }
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`
pub(super) fn xread(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let mut count = None;
    let mut block = None;
    while !arguments.takes("streams") {
        if arguments.takes("count") {
            count = Some(arguments.next_integer()?).filter(|count| *count > 0).map(|count| count as usize);
        } else if arguments.takes("block") {
            let millis = integer(arguments.next()?)
                .map_err(|_| Refusal::from("ERR timeout is not an integer or out of range"))?;
            let millis = u64::try_from(millis).map_err(|_| Refusal::from("ERR timeout is negative"))?;
            block = Some((millis > 0).then(|| Duration::from_millis(millis)));
        } else {
            return Err(syntax_error());
        }
    }
    if arguments.left() == 0 || !arguments.left().is_multiple_of(2) {
        return Err(
            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
                .into(),
        );
    }
    let first = command.len() - arguments.left();
    let streams = arguments.left() / 2;
    let streams = (first..first + streams)
        .map(|at| Ok((Bytes::copy_from_slice(command.arg(at)), after(command.arg(at + streams))?)))
        .collect::<Result<Vec<_>, Refusal>>()?;
    let waits = block.is_some();
    if waits {
        context.client.hold_in_keeper();
    }
    let flow = context.keep(Op::Stream(StreamOp::Read { streams, count, block }))?;
    // Redis reads no further command of a client that is blocked; the keeper's queue, if full, is waited for first.
    Ok(match flow {
        Flow::Next if waits => Flow::Wait,
        other => other,
    })
}

fn after(id: &[u8]) -> Result<After, InvalidId> {
    match id {
        b"$" => Ok(After::Last),
        b"+" => Ok(After::BeforeNewest),
        _ => StreamId::parse(id, 0).map(After::Id),
    }
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
        if arguments.takes("maxlen") {
            self.strategy(arguments)?;
            let count = u64::try_from(arguments.next_integer()?)
                .map_err(|_| Refusal::from("ERR The MAXLEN argument must be >= 0."))?;
            self.keep(Keep::Newest(count))?;
        } else if arguments.takes("minid") {
            self.strategy(arguments)?;
            self.keep(Keep::From(StreamId::parse(arguments.next()?, 0)?))?;
        } else if arguments.takes("limit") {
            let limit = u64::try_from(arguments.next_integer()?)
                .map_err(|_| Refusal::from("ERR The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn strategy(&mut self, arguments: &mut Arguments<'_, '_>) -> Result<(), Refusal> {
        self.by_nodes = arguments.takes("~");
        if !self.by_nodes {
            arguments.takes("=");
        }
        Ok(())
    }

    fn keep(&mut self, keep: Keep) -> Result<(), Refusal> {
        match self.keep.replace(keep) {
            None => Ok(()),
            Some(_) => {
                Err("ERR syntax error, MAXLEN and MINID options at the same time are not compatible".into())
            }
        }
    }

    fn finish(self, context: &Context<'_>) -> Result<Option<Trim>, Refusal> {
        if self.limit.is_some() && self.keep.is_none() {
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
