use bytes::Bytes;
use naru_fanout::{Peer, Topic};
use naru_resp::Command;

use super::{
    Context, Flow, Outcome,
    arguments::{unknown_subcommand, wrong_number},
};
use crate::message::Message;

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "HELP",
    "    Print this help.",
];

pub(super) fn publish(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (channel, payload) = (command.arg(1), command.arg(2));
    let receivers = context.core.directory().publish(channel, || {
        let message = Message::new(channel, payload);
        (message.channel(), message)
    });
    context.core.shared().statistics.published.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    context.reply(|writer| writer.integer(receivers as i64))
}

pub(super) fn subscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    join(context, command, Topic::Channel, "subscribe")
}

pub(super) fn psubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    join(context, command, Topic::Pattern, "psubscribe")
}

fn join(context: &Context<'_>, command: &Command<'_>, topic: fn(Bytes) -> Topic, kind: &str) -> Outcome {
    for name in command.iter().skip(1) {
        let topic = topic(Bytes::copy_from_slice(name));
        if context.client.add(&topic) {
            context.core.subscribe(context.client.id(), topic);
        } else {
            context.client.confirm(kind, Some(topic.name()));
        }
    }
    Ok(Flow::Next)
}

pub(super) fn unsubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    leave(context, command, Topic::Channel, context.client.channels(), "unsubscribe")
}

pub(super) fn punsubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    leave(context, command, Topic::Pattern, context.client.patterns(), "punsubscribe")
}

/// Ends the subscriptions named, or all of `current` if none is named. Each is confirmed, also one there was not.
fn leave(
    context: &Context<'_>,
    command: &Command<'_>,
    topic: fn(Bytes) -> Topic,
    current: Vec<Topic>,
    kind: &str,
) -> Outcome {
    let all = command.len() == 1;
    if all && current.is_empty() {
        context.client.confirm(kind, None);
    }
    let named = command.iter().skip(1).map(|name| topic(Bytes::copy_from_slice(name)));
    let topics: Vec<Topic> = if all { current } else { named.collect() };
    for topic in topics {
        if context.client.forget(&topic) {
            context.core.unsubscribe(context.client.id(), topic);
        } else {
            context.client.confirm(kind, Some(topic.name()));
        }
    }
    Ok(Flow::Next)
}

/// Ends all subscriptions of the client without a word, as RESET does.
pub(super) fn drop_all(context: &Context<'_>) {
    context.client.without_confirmations(|| {
        for topic in context.client.channels().into_iter().chain(context.client.patterns()) {
            context.client.forget(&topic);
            context.core.unsubscribe(context.client.id(), topic);
        }
    });
}

pub(super) fn pubsub(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let directory = context.core.directory();
    match command.arg(1).to_ascii_lowercase().as_slice() {
        b"channels" if command.len() <= 3 => {
            let channels = directory.channels(command.get(2));
            context.reply(|writer| {
                writer.array(channels.len());
                channels.iter().for_each(|channel| writer.bulk(channel));
            })
        }
        b"channels" => Err(wrong_number("pubsub|channels")),
        b"numsub" => context.reply(|writer| {
            writer.array((command.len() - 2) * 2);
            for channel in command.iter().skip(2) {
                writer.bulk(channel);
                writer.integer(directory.subscribers(channel) as i64);
            }
        }),
        b"numpat" if command.len() == 2 => {
            let count = directory.pattern_count() as i64;
            context.reply(|writer| writer.integer(count))
        }
        b"numpat" => Err(wrong_number("pubsub|numpat")),
        b"help" => context.reply(|writer| {
            writer.array(HELP.len());
            HELP.iter().for_each(|line| writer.simple(line));
        }),
        _ => Err(unknown_subcommand("PUBSUB", command.arg(1))),
    }
}
