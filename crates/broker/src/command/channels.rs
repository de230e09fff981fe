//! The commands of channels that keep their last publications: their words as [`naru_ledger::channel::Op`] documents them, and
//! its answers. The bus has the other end of both.

use std::time::Duration;

use naru_ledger::{
    ClientId, User,
    channel::{
        Answer, Channel, Enter, History, Keep, Leave, Most, Once, Op, Page, Present, Publish, Published,
        Refused, Stats, Version,
    },
};
use naru_resp::{Command, ReplyWriter};

use super::{
    Context, Outcome, Refusal,
    ledger::{
        servers::run,
        words::{Words, once},
    },
};
use crate::keeper;

/// Handlers that have the keeper run what the words say.
macro_rules! handlers {
    ($($name:ident: $read:path,)+) => {
        $(
            pub(super) fn $name(context: &Context<'_>, command: &Command<'_>) -> Outcome {
                context.keep(keeper::Op::Channel(Box::new($read(&mut Words::of(command))?)))
            }
        )+
    };
}

handlers!(
    publish: read_publish,
    history: read_history,
    remove: read_remove,
    enter: read_enter,
    leave: read_leave,
    presence: read_presence,
    stats: read_stats,
);

fn read_publish(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    const OPTIONS: &str = "SIZE, TTL, META, ONCE or VERSION";
    let (channel, payload) = (channel(words)?, words.bytes("the payload")?);
    let (mut size, mut ttl, mut meta_ttl, mut only, mut version) = (None, None, None, None, None);
    while words.left() > 0 {
        if words.takes("SIZE") {
            once("SIZE", &mut size, words.number("SIZE")?)?;
        } else if words.takes("TTL") {
            once("TTL", &mut ttl, time(words, "TTL")?)?;
        } else if words.takes("META") {
            once("META", &mut meta_ttl, time(words, "META")?)?;
        } else if words.takes("ONCE") {
            let key = words.text("the key of ONCE")?.to_owned();
            once("ONCE", &mut only, Once { key, window: time(words, "the time of ONCE")? })?;
        } else if words.takes("VERSION") {
            let number = words.number("VERSION")?;
            let epoch = words.text("the epoch of VERSION")?.to_owned();
            once("VERSION", &mut version, Version { number, epoch })?;
        } else {
            return Err(words.unknown(OPTIONS));
        }
    }
    let (Some(size), Some(ttl), Some(meta_ttl)) = (size, ttl, meta_ttl) else {
        return Err("INVALID SIZE, TTL and META have to be said".into());
    };
    // More than there can be is refused for its size.
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let keep = Keep { size, ttl, meta_ttl };
    Ok(Op::Publish(Publish { channel, payload, keep, once: only, version }))
}

fn read_history(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    const OPTIONS: &str = "META, SINCE, LIMIT, BYTES or REVERSE";
    let channel = channel(words)?;
    let (mut meta_ttl, mut since, mut limit, mut bytes, mut reverse) = (None, None, None, None, None);
    while words.left() > 0 {
        if words.takes("META") {
            once("META", &mut meta_ttl, time(words, "META")?)?;
        } else if words.takes("SINCE") {
            once("SINCE", &mut since, words.number("SINCE")?)?;
        } else if words.takes("LIMIT") {
            once("LIMIT", &mut limit, words.number("LIMIT")?)?;
        } else if words.takes("BYTES") {
            once("BYTES", &mut bytes, words.number("BYTES")?)?;
        } else if words.takes("REVERSE") {
            once("REVERSE", &mut reverse, true)?;
        } else {
            return Err(words.unknown(OPTIONS));
        }
    }
    let Some(meta_ttl) = meta_ttl else { return Err("INVALID META has to be said".into()) };
    let limit = limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
    let reverse = reverse.unwrap_or(false);
    Ok(Op::History(History { channel, meta_ttl, since, limit, bytes, reverse }))
}

fn read_remove(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    Ok(Op::Remove { channel: channel(words)? })
}

fn read_enter(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    let (run, channel, client) = (run(words)?, channel(words)?, client(words)?);
    let user = words.parsed_or_none("a user name", User::parse)?;
    Ok(Op::Enter(Enter { run, channel, client, user, info: words.bytes("what is said of the client")? }))
}

fn read_leave(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    Ok(Op::Leave(Leave { run: run(words)?, channel: channel(words)?, client: client(words)? }))
}

fn read_presence(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    let channel = channel(words)?;
    let (mut clients, mut bytes) = (None, None);
    while words.left() > 0 {
        if words.takes("CLIENTS") {
            once("CLIENTS", &mut clients, words.number("CLIENTS")?)?;
        } else if words.takes("BYTES") {
            once("BYTES", &mut bytes, words.number("BYTES")?)?;
        } else {
            return Err(words.unknown("CLIENTS or BYTES"));
        }
    }
    Ok(Op::Presence { channel, most: Most { clients, bytes } })
}

fn read_stats(words: &mut Words<'_, '_>) -> Result<Op, Refusal> {
    Ok(Op::Stats { channel: channel(words)? })
}

fn channel(words: &mut Words<'_, '_>) -> Result<Channel, Refusal> {
    words.parsed("a channel name", Channel::parse)
}

fn client(words: &mut Words<'_, '_>) -> Result<ClientId, Refusal> {
    words.parsed("a client", ClientId::parse)
}

fn time(words: &mut Words<'_, '_>, what: &str) -> Result<Duration, Refusal> {
    words.number(what).map(Duration::from_millis)
}

/// Writes an answer.
pub(crate) fn write_answer(answer: &Answer, to: &mut ReplyWriter<'_, Vec<u8>>) {
    match answer {
        Answer::Published(Published { receivers, position, repeat }) => {
            to.array(4);
            to.integer(*receivers as i64);
            let (offset, epoch) =
                position.as_ref().map_or((0, ""), |position| (position.offset, position.epoch.as_str()));
            to.integer(offset as i64);
            to.bulk(epoch);
            to.integer(i64::from(*repeat));
        }
        Answer::Page(Page { top, publications }) => {
            to.array(3);
            to.integer(top.offset as i64);
            to.bulk(top.epoch.as_str());
            to.array(publications.len());
            for (offset, payload) in publications {
                to.array(2);
                to.integer(*offset as i64);
                to.bulk(payload);
            }
        }
        Answer::Ok => to.simple("OK"),
        Answer::Present(present) => {
            to.array(present.len());
            for Present { client, user, info } in present {
                to.array(3);
                to.bulk(client.as_str());
                to.bulk(user.as_ref().map_or("", User::as_str));
                to.bulk(info);
            }
        }
        Answer::Stats(Stats { clients, users }) => {
            to.array(2);
            to.integer(*clients as i64);
            to.integer(*users as i64);
        }
    }
}

/// Writes why an operation was not done.
pub(crate) fn write_refused(refused: Refused, to: &mut ReplyWriter<'_, Vec<u8>>) {
    to.error(format!("{} {refused}", refused.code()));
}
