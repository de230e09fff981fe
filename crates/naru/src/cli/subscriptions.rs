//! What the connection is subscribed to, and with it which frames answer a command and which are messages.

use std::collections::BTreeSet;

use naru_resp::Value;

/// The names subscribed to, by sort. The server's confirmations are the truth; this only follows them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
    shard_channels: BTreeSet<Vec<u8>>,
}

/// What a frame from the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The answer, or a part of it, to a command.
    Reply,
    /// What a subscriber receives unasked.
    Message,
}

impl Subscriptions {
    /// Whether messages may come in.
    pub(super) fn any(&self) -> bool {
        !(self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty())
    }

    /// How many frames answer `command`, unless it fails: one for each name where names are given or are
    /// all meant.
    pub(super) fn replies_to(&mut self, command: &[Vec<u8>]) -> usize {
        let Some((verb, names)) = command.split_first() else { return 0 };
        match self.sort(verb) {
            Some((all, Change::Remove)) if names.is_empty() => all.len().max(1),
            Some(_) => names.len().max(1),
            None => 1,
        }
    }

    /// Follows a confirmation, and says what the frame is.
    pub(super) fn follow(&mut self, frame: &Value) -> Frame {
        let (Value::Push(elements) | Value::Array(elements)) = frame else { return Frame::Reply };
        let pushed = matches!(frame, Value::Push(_));
        match &elements[..] {
            [Value::Bulk(verb), name, Value::Integer(_)] if self.sort(verb).is_some() => {
                if let (Some((names, change)), Value::Bulk(name)) = (self.sort(verb), name) {
                    match change {
                        Change::Add => names.insert(name.clone()),
                        Change::Remove => names.remove(name),
                    };
                }
                Frame::Reply
            }
            [Value::Bulk(kind), _, ..] if is_message(kind) && (pushed || self.any()) => Frame::Message,
            _ if pushed => Frame::Message,
            _ => Frame::Reply,
        }
    }

    /// The names that a command or its confirmation is about.
    fn sort(&mut self, verb: &[u8]) -> Option<(&mut BTreeSet<Vec<u8>>, Change)> {
        Some(match verb.to_ascii_lowercase().as_slice() {
            b"subscribe" => (&mut self.channels, Change::Add),
            b"unsubscribe" => (&mut self.channels, Change::Remove),
            b"psubscribe" => (&mut self.patterns, Change::Add),
            b"punsubscribe" => (&mut self.patterns, Change::Remove),
            b"ssubscribe" => (&mut self.shard_channels, Change::Add),
            b"sunsubscribe" => (&mut self.shard_channels, Change::Remove),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

fn is_message(kind: &[u8]) -> bool {
    matches!(kind, b"message" | b"pmessage" | b"smessage")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn frame(words: &str, count: i64) -> Value {
        let mut elements: Vec<Value> = command(words).into_iter().map(Value::Bulk).collect();
        elements.push(Value::Integer(count));
        Value::Array(elements)
    }

    fn message() -> Vec<Value> {
        command("message a hi").into_iter().map(Value::Bulk).collect()
    }

    #[test]
    fn confirmations_open_and_close_the_subscribed_mode() {
        let mut subscriptions = Subscriptions::default();
        assert_eq!(subscriptions.follow(&Value::Array(message())), Frame::Reply);
        assert_eq!(subscriptions.follow(&frame("subscribe a", 1)), Frame::Reply);
        assert_eq!(subscriptions.follow(&frame("psubscribe a*", 2)), Frame::Reply);
        assert_eq!(subscriptions.follow(&Value::Array(message())), Frame::Message);
        assert_eq!(subscriptions.follow(&frame("unsubscribe a", 1)), Frame::Reply);
        assert!(subscriptions.any());
        assert_eq!(subscriptions.follow(&frame("punsubscribe a*", 0)), Frame::Reply);
        assert!(!subscriptions.any());
    }

    #[test]
    fn what_is_pushed_is_a_message_unless_it_confirms() {
        let mut subscriptions = Subscriptions::default();
        assert_eq!(subscriptions.follow(&Value::Push(message())), Frame::Message);
        assert_eq!(subscriptions.follow(&Value::Push(vec![])), Frame::Message);
        let confirmation = frame("ssubscribe a", 1).as_elements().unwrap().to_vec();
        assert_eq!(subscriptions.follow(&Value::Push(confirmation)), Frame::Reply);
        assert!(subscriptions.any());
        assert_eq!(subscriptions.follow(&Value::Array(vec![])), Frame::Reply);
    }

    #[test]
    fn each_name_is_answered() {
        let mut subscriptions = Subscriptions::default();
        for (line, replies) in [
            ("PING", 1),
            ("subscribe a b c", 3),
            ("SUBSCRIBE", 1),
            ("unsubscribe", 1),
            ("punsubscribe a b", 2),
        ] {
            assert_eq!(subscriptions.replies_to(&command(line)), replies, "{line}");
        }
        for name in ["a", "b"] {
            subscriptions.follow(&frame(&format!("subscribe {name}"), 1));
        }
        assert_eq!(subscriptions.replies_to(&command("unsubscribe")), 2);
        assert_eq!(subscriptions.replies_to(&command("punsubscribe")), 1);
    }
}
