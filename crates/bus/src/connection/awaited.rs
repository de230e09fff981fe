//! What is still to be answered.

use naru_resp::Value as Read;
use redis::Value;
use tokio::sync::oneshot;

use super::value::read;

/// What was asked, and who waits for it.
pub(super) enum Awaited {
    One(oneshot::Sender<Value>),
    Several {
        missing: usize,
        values: Vec<Value>,
        answer: oneshot::Sender<Vec<Value>>,
    },
    /// What is pushed once for each channel, or else refused with one error.
    Confirmed {
        change: Change,
        missing: usize,
        answer: oneshot::Sender<Value>,
    },
}

/// What is done to subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Subscribe,
    Unsubscribe,
}

impl Change {
    pub(super) fn command(self) -> &'static str {
        match self {
            Change::Subscribe => "SUBSCRIBE",
            Change::Unsubscribe => "UNSUBSCRIBE",
        }
    }

    /// How its confirmation is called.
    fn push(self) -> &'static [u8] {
        match self {
            Change::Subscribe => b"subscribe",
            Change::Unsubscribe => b"unsubscribe",
        }
    }
}

impl Awaited {
    /// Takes a reply. None: that was all. Who does not wait any more is not told.
    pub(super) fn replied(self, reply: Read) -> Option<Awaited> {
        match self {
            Awaited::One(answer) => {
                let _ = answer.send(read(reply));
                None
            }
            Awaited::Several { missing, mut values, answer } => {
                values.push(read(reply));
                if missing > 1 {
                    return Some(Awaited::Several { missing: missing - 1, values, answer });
                }
                let _ = answer.send(values);
                None
            }
            Awaited::Confirmed { answer, .. } => {
                let _ = answer.send(read(reply));
                None
            }
        }
    }

    /// Takes a push, if it is a confirmation of this. None: that was the last.
    pub(super) fn pushed(self, kind: &[u8]) -> Option<Awaited> {
        match self {
            Awaited::Confirmed { change, missing, answer } if kind == change.push() => {
                if missing > 1 {
                    return Some(Awaited::Confirmed { change, missing: missing - 1, answer });
                }
                let _ = answer.send(Value::Okay);
                None
            }
            other => Some(other),
        }
    }
}
