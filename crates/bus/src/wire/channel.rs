//! Operations on channels: their words, and their answers.

use std::time::Duration;

use naru_ledger::channel::{
    Answer, Enter, History, Leave, Once, Op, Page, Present, Publish, Published, Stats, StreamPosition,
    Version,
};
use naru_ledger::{Epoch, User};
use redis::Value;

use super::Request;
use crate::error::BusError;
use crate::reply::{self, Fields};

/// What to ask for an operation. What a command may leave out is left out.
pub fn request(op: &Op) -> Request {
    match op {
        Op::Publish(Publish { channel, payload, keep, once, version }) => {
            let request = Request::new("NARU.CHANNEL.PUBLISH").word(channel.as_str()).bytes(payload);
            let request = time(request.word("SIZE").number(keep.size), "TTL", keep.ttl);
            let request = time(request, "META", keep.meta_ttl);
            let request = match once {
                Some(Once { key, window }) => request.word("ONCE").word(key).number(window.as_millis()),
                None => request,
            };
            match version {
                Some(Version { number, epoch }) => request.word("VERSION").number(*number).word(epoch),
                None => request,
            }
        }
        Op::History(History { channel, meta_ttl, since, limit, bytes, reverse }) => {
            let mut request = Request::new("NARU.CHANNEL.HISTORY").word(channel.as_str());
            request = time(request, "META", *meta_ttl);
            if let Some(since) = since {
                request = request.word("SINCE").number(*since);
            }
            if let Some(limit) = limit {
                request = request.word("LIMIT").number(*limit);
            }
            if let Some(bytes) = bytes {
                request = request.word("BYTES").number(*bytes);
            }
            if *reverse { request.word("REVERSE") } else { request }
        }
        Op::Remove { channel } => Request::new("NARU.CHANNEL.REMOVE").word(channel.as_str()),
        Op::Enter(Enter { run, channel, client, user, info }) => {
            let request = Request::new("NARU.CHANNEL.ENTER").run(run).word(channel.as_str());
            let user = user.as_ref().map_or("", User::as_str);
            request.word(client.as_str()).word(user).bytes(info)
        }
        Op::Leave(Leave { run, channel, client }) => {
            let request = Request::new("NARU.CHANNEL.LEAVE").run(run).word(channel.as_str());
            request.word(client.as_str())
        }
        Op::Presence { channel, most } => {
            let mut request = Request::new("NARU.CHANNEL.PRESENCE").word(channel.as_str());
            for (word, most) in [("CLIENTS", most.clients), ("BYTES", most.bytes)] {
                if let Some(most) = most {
                    request = request.word(word).number(most);
                }
            }
            request
        }
        Op::Stats { channel } => Request::new("NARU.CHANNEL.STATS").word(channel.as_str()),
    }
}

fn time(request: Request, word: &str, time: Duration) -> Request {
    request.word(word).number(time.as_millis())
}

/// What a reply says to an operation.
pub fn answer(op: &Op, value: Value) -> Result<Answer, BusError> {
    Ok(match op {
        Op::Publish(_) => {
            let mut fields = Fields::of(value)?;
            let (receivers, offset, epoch) = (fields.number()?, fields.number()?, fields.text()?);
            let position = match offset {
                0 => None,
                offset => Some(position(offset, &epoch)?),
            };
            Answer::Published(Published { receivers, position, repeat: fields.flag()? })
        }
        Op::History(_) => {
            let mut fields = Fields::of(value)?;
            let top = position(fields.number()?, &fields.text()?)?;
            let publications = fields.each(|mut fields| Ok((fields.number()?, fields.bytes()?)))?;
            Answer::Page(Page { top, publications })
        }
        Op::Remove { .. } | Op::Enter(_) | Op::Leave(_) => match reply::text(value)?.as_str() {
            "OK" => Answer::Ok,
            _ => return Err(reply::other_answer()),
        },
        Op::Presence { .. } => Answer::Present(reply::each(value, |mut fields| present(&mut fields))?),
        Op::Stats { .. } => {
            let mut fields = Fields::of(value)?;
            Answer::Stats(Stats { clients: fields.number()?, users: fields.number()? })
        }
    })
}

fn position(offset: u64, epoch: &str) -> Result<StreamPosition, BusError> {
    let epoch = Epoch::parse(epoch).map_err(|error| reply::wrong(&error.to_string()))?;
    Ok(StreamPosition { offset, epoch })
}

/// A client that is present, in the fields that come first.
fn present(fields: &mut Fields) -> Result<Present, BusError> {
    let (client, user, info) = (fields.name()?, fields.text()?, fields.bytes()?);
    let user = (!user.is_empty()).then(|| User::parse(&user)).transpose();
    let user = user.map_err(|error| reply::wrong(&error.to_string()))?;
    Ok(Present { client, user, info })
}
