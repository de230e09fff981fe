//! How it is written: one JSON object, `{"cluster":…,"from":…,"run":…,"say":…}`.

use std::borrow::Cow;

use bytes::Bytes;
use naru_ledger::Server;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Cluster, Control};

/// Who says something.
pub(super) struct Sender {
    pub(super) cluster: Cluster,
    pub(super) server: Server,
    /// Names this start of the server: what it said itself, it knows by that, and another of the same name is another.
    pub(super) run: String,
}

#[derive(Serialize, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    cluster: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    run: Cow<'a, str>,
    #[serde(borrow)]
    say: Cow<'a, RawValue>,
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// We have said it.
    Ours(Control),
    From(Server, Control),
    OfAnotherCluster,
}

/// Why something is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotUnderstood {
    #[error("it is not what servers say to each other: {0}")]
    NoMessage(serde_json::Error),
    #[error("server {from} says what this version does not know: {why}")]
    Unknown { from: String, why: serde_json::Error },
    #[error("it is from nobody: {0:?} is no server's name")]
    FromNobody(String),
}

impl Sender {
    pub(super) fn new(cluster: Cluster, server: Server) -> Sender {
        Sender { cluster, server, run: uuid::Uuid::new_v4().simple().to_string() }
    }

    pub(super) fn written(&self, control: &Control) -> Bytes {
        let say = to_raw_value(control).expect("what is said has text keys and no failing parts");
        let message = Message {
            cluster: self.cluster.as_str().into(),
            from: self.server.as_str().into(),
            run: self.run.as_str().into(),
            say: Cow::Owned(say),
        };
        serde_json::to_vec(&message).expect("names and JSON can be written as JSON").into()
    }

    pub(super) fn read(&self, payload: &[u8]) -> Result<Heard, NotUnderstood> {
        let Message { cluster, from, run, say } =
            serde_json::from_slice(payload).map_err(NotUnderstood::NoMessage)?;
        if cluster != self.cluster.as_str() {
            return Ok(Heard::OfAnotherCluster);
        }
        let control = serde_json::from_str(say.get())
            .map_err(|why| NotUnderstood::Unknown { from: from.to_string(), why })?;
        if run == self.run {
            return Ok(Heard::Ours(control));
        }
        let from = Server::parse(&from).map_err(|_| NotUnderstood::FromNobody(from.into_owned()))?;
        Ok(Heard::From(from, control))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::nodes::{Steer, Unsubscribe, Whom};

    fn sender(cluster: &str, server: &str) -> Sender {
        Sender::new(Cluster::parse(cluster).unwrap(), Server::parse(server).unwrap())
    }

    fn unsubscribe() -> Control {
        let whom = Whom { user: "alice".into(), ..Whom::default() };
        Control::Steer(Steer::Unsubscribe(Unsubscribe { whom, channel: "public:a".into() }))
    }

    #[test]
    fn what_one_says_another_hears_and_knows_by_whom() {
        let (one, two) = (sender("naru", "one"), sender("naru", "two"));
        let said = one.written(&unsubscribe());
        assert!(matches!(one.read(&said), Ok(Heard::Ours(_))));
        let Ok(Heard::From(from, Control::Steer(Steer::Unsubscribe(heard)))) = two.read(&said) else {
            panic!()
        };
        assert_eq!((from.as_str(), heard.channel.as_str()), ("one", "public:a"));
        assert_eq!(heard.whom.user, "alice");
    }

    #[test]
    fn a_server_that_was_started_again_is_another() {
        let said = sender("naru", "one").written(&unsubscribe());
        assert!(matches!(sender("naru", "one").read(&said), Ok(Heard::From(..))));
    }

    #[test]
    fn another_cluster_is_not_listened_to() {
        let said = sender("staging", "one").written(&unsubscribe());
        assert!(matches!(sender("naru", "two").read(&said), Ok(Heard::OfAnotherCluster)));
    }

    #[test]
    fn what_a_newer_server_says_is_not_understood_and_its_new_members_are_passed_over() {
        let two = sender("naru", "two");
        let said =
            |say| json!({"cluster": "naru", "from": "one", "run": "r", "say": say, "new": 1}).to_string();
        for say in
            [json!({"teleport": {}}), json!({"steer": {"teleport": {}}}), json!({"steer": {}}), json!(7)]
        {
            let heard = two.read(said(say).as_bytes());
            assert!(matches!(heard, Err(NotUnderstood::Unknown { .. })), "{heard:?}");
        }
        let say = json!({"steer": {"refresh": {"whom": {"user": "a", "new": 1}, "new": 2}}});
        assert!(matches!(two.read(said(say).as_bytes()), Ok(Heard::From(..))));
        for bytes in
            [&b""[..], b"hi", b"\xff", b"{}", b"[]", br#"{"cluster":"naru","from":"","run":"","say":{}}"#]
        {
            two.read(bytes).unwrap_err();
        }
    }
}
