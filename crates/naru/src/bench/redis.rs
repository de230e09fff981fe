//! What is said on the Redis wire by those who wait for the answer, such as while a connection is opened.

use anyhow::bail;
use naru_resp::{Value, encode_request};

use super::dialog::Dialog;

/// Patterns asked for in one command.
const PATTERNS_AT_ONCE: usize = 256;

pub(super) fn greet(dialog: &mut Dialog) -> anyhow::Result<()> {
    say(dialog, ["PING"])?;
    match dialog.reply()? {
        Value::Simple(text) if *text == *b"PONG" => Ok(()),
        other => refused("PING", &other),
    }
}

pub(super) fn subscribe(dialog: &mut Dialog, channel: &str) -> anyhow::Result<()> {
    say(dialog, ["SUBSCRIBE", channel])?;
    confirmed(dialog, "subscribe", channel, 1)
}

pub(super) fn subscribe_to_patterns(dialog: &mut Dialog, patterns: &[String]) -> anyhow::Result<()> {
    let mut count = 0;
    for patterns in patterns.chunks(PATTERNS_AT_ONCE) {
        let words: Vec<_> = ["PSUBSCRIBE"].into_iter().chain(patterns.iter().map(String::as_str)).collect();
        say(dialog, words)?;
        for pattern in patterns {
            count += 1;
            confirmed(dialog, "psubscribe", pattern, count)?;
        }
    }
    Ok(())
}

/// The answer to one command.
///
/// # Errors
///
/// It is an error.
pub(super) fn ask<'a, W>(dialog: &mut Dialog, words: W) -> anyhow::Result<Value>
where
    W: IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator + Clone>,
{
    let words = words.into_iter();
    let command = words.clone().next().unwrap_or_default();
    say(dialog, words)?;
    match dialog.reply()? {
        Value::Error(text) => bail!("{command} was refused: {}", String::from_utf8_lossy(&text)),
        answer => Ok(answer),
    }
}

fn say<'a, W>(dialog: &mut Dialog, words: W) -> anyhow::Result<()>
where
    W: IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator>,
{
    let mut request = Vec::new();
    encode_request(words, &mut request);
    dialog.say(&request)
}

fn confirmed(dialog: &mut Dialog, what: &str, name: &str, count: i64) -> anyhow::Result<()> {
    let expected = [Value::Bulk(what.into()), Value::Bulk(name.into()), Value::Integer(count)];
    match dialog.reply()? {
        Value::Array(elements) if elements == expected => Ok(()),
        other => refused("a subscription", &other),
    }
}

fn refused(what: &str, answer: &Value) -> anyhow::Result<()> {
    match answer {
        Value::Error(text) => bail!("{what} was refused: {}", String::from_utf8_lossy(text)),
        other => bail!("{what} was answered with {other:?}"),
    }
}
