use bytes::Bytes;
use naru_fanout::{Peer, Space, Topic};
use naru_resp::Command;

use super::{
    Context, Flow, Outcome, Refusal,
    arguments::{unknown_or_wrong_number, unknown_subcommand, wrong_number},
};
use crate::{
    client::Capture,
    limits::{PATTERN_BYTES_MAX, PATTERNS_MAX},
    message::Message,
    transaction::Part,
};

pub(super) const SUBCOMMANDS: &[&str] = &[
    "pubsub|channels",
    "pubsub|help",
    "pubsub|numpat",
    "pubsub|numsub",
    "pubsub|shardchannels",
    "pubsub|shardnumsub",
];

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
    "HELP",
    "    Prints this help.",
];

pub(super) fn publish(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    publish_in(context, command, Space::Channels, Message::new)
}

pub(super) fn spublish(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    publish_in(context, command, Space::ShardChannels, Message::of_shard)
}

fn publish_in(
    context: &Context<'_>,
    command: &Command<'_>,
    space: Space,
    message: fn(&[u8], &[u8]) -> Message,
) -> Outcome {
    let (channel, payload) = (command.arg(1), command.arg(2));
    if context.client.capturing() == Some(Capture::Plan) {
        context.client.capture_part(Part::Publish { space, message: message(channel, payload) });
        return Ok(Flow::Next);
    }
    context.core.shared().counters.of(context.core.id()).published.add(1);
    // Who hears it is to find done what its publisher asked for before.
    context.core.local().handover.hand_over();
    let receivers = context.core.publish_in(space, channel, || message(channel, payload));
    context.reply(|writer| writer.integer(receivers as i64))
}

pub(super) fn subscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    join(context, command, Topic::Channel, "subscribe")
}

pub(super) fn ssubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    // Redis's rule and text, though it lets SUBSCRIBE pass.
    if context.client.capturing().is_some() {
        return Err("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client".into());
    }
    join(context, command, Topic::ShardChannel, "ssubscribe")
}

pub(super) fn psubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    command.iter().skip(1).try_for_each(short_enough)?;
    if context.client.pattern_count() + command.len() - 1 > PATTERNS_MAX {
        return Err(format!("ERR a client may be subscribed to {PATTERNS_MAX} patterns").into());
    }
    join(context, command, Topic::Pattern, "psubscribe")
}

/// What is compared with every name must not be long.
fn short_enough(glob: &[u8]) -> Result<(), Refusal> {
    if glob.len() <= PATTERN_BYTES_MAX {
        return Ok(());
    }
    Err(format!("ERR a pattern may have {PATTERN_BYTES_MAX} bytes").into())
}

fn join(context: &Context<'_>, command: &Command<'_>, topic: fn(Bytes) -> Topic, kind: &str) -> Outcome {
    for name in command.iter().skip(1) {
        let topic = topic(Bytes::copy_from_slice(name));
        if context.client.add(&topic) {
            context.core.subscribe(context.client.id(), topic);
        } else {
            context.client.confirm(kind, topic.space(), Some(topic.name()));
        }
    }
    Ok(Flow::Next)
}

pub(super) fn unsubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    leave(context, command, Topic::Channel, context.client.channels(), "unsubscribe")
}

pub(super) fn sunsubscribe(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    leave(context, command, Topic::ShardChannel, context.client.shard_channels(), "sunsubscribe")
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
        context.client.confirm(kind, topic(Bytes::new()).space(), None);
    }
    let named = command.iter().skip(1).map(|name| topic(Bytes::copy_from_slice(name)));
    let topics: Vec<Topic> = if all { current } else { named.collect() };
    for topic in topics {
        if context.client.forget(&topic) {
            context.core.unsubscribe(context.client.id(), topic);
        } else {
            context.client.confirm(kind, topic.space(), Some(topic.name()));
        }
    }
    Ok(Flow::Next)
}

/// Ends all subscriptions of the client without a word, as RESET does.
pub(super) fn drop_all(context: &Context<'_>) {
    context.client.without_confirmations(|| {
        for topic in context.client.topics() {
            context.client.forget(&topic);
            context.core.unsubscribe(context.client.id(), topic);
        }
    });
}

pub(super) fn pubsub(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let directory = context.core.directory();
    let subcommand = command.arg(1).to_ascii_lowercase();
    let space = if subcommand.starts_with(b"shard") { Space::ShardChannels } else { Space::Channels };
    match subcommand.as_slice() {
        b"channels" | b"shardchannels" if command.len() <= 3 => {
            command.get(2).map_or(Ok(()), short_enough)?;
            let channels = directory.channels_in(space, command.get(2));
            context.reply(|writer| {
                writer.array(channels.len());
                channels.iter().for_each(|channel| writer.bulk(channel));
            })
        }
        b"channels" | b"shardchannels" => Err(unknown_or_wrong_number("PUBSUB", command.arg(1))),
        b"numsub" | b"shardnumsub" => context.reply(|writer| {
            writer.array((command.len() - 2) * 2);
            for channel in command.iter().skip(2) {
                writer.bulk(channel);
                writer.integer(directory.subscribers_in(space, channel) as i64);
            }
        }),
        b"numpat" if command.len() == 2 => {
            let count = directory.pattern_count() as i64;
            context.reply(|writer| writer.integer(count))
        }
        b"numpat" => Err(wrong_number("pubsub|numpat")),
        b"help" => context.help(HELP),
        _ => Err(unknown_subcommand("PUBSUB", command.arg(1))),
    }
}
