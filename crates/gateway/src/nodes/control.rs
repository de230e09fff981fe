//! What one gateway says to others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Answer, Place, Question, payload::Base64};
use crate::{auth::Revocation, publication::Payload};

/// One thing that is said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Control {
    /// Do this with connections you hold.
    Steer(Steer),
    /// These tokens do not count any more.
    Revoke(Revocation),
    /// Take these commands as if the connection had sent them.
    Emulate(Emulate),
    /// Say this of yourself, with this id, to who asks.
    Ask { id: String, question: Question },
    /// A part of an answer; the last one says that there is no more.
    Answer { id: String, answer: Answer, more: bool },
}

/// What is to be done with connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Steer {
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Disconnect(Disconnect),
    Refresh(Refresh),
}

/// Whose connections: all of a user, or the one of them that has this client id, or this session secret. The empty user is
/// everybody who is anonymous.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whom {
    pub(crate) user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
}

impl Whom {
    /// Whether this connection is meant.
    pub(crate) fn has(&self, place: &Place<'_>) -> bool {
        let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        *self.user == **place.user
            && named(&self.client).is_none_or(|client| {
                uuid::Uuid::parse_str(&client).is_ok_and(|client| client == place.client)
            })
            && named(&self.session).is_none_or(|session| place.session == Some(&*session))
    }
}

/// Subscribes connections to a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscribe {
    pub(crate) whom: Whom,
    pub(crate) channel: String,
    /// What others in the channel are shown beside the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Payload>,
    /// What the client gets with the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Payload>,
    /// What was published after this is sent behind the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recover_since: Option<Since>,
    /// When the subscription ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expire_at: Option<u64>,
    #[serde(default)]
    pub(crate) overrides: Overrides,
}

/// A place in a channel's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Since {
    pub(crate) offset: u64,
    pub(crate) epoch: String,
}

/// What is otherwise for a subscription than its namespace says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Overrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) join_leave: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) force_recovery: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) force_positioning: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) force_push_join_leave: Option<bool>,
}

/// Ends subscriptions, whoever has begun them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unsubscribe {
    pub(crate) whom: Whom,
    pub(crate) channel: String,
}

/// Closes connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Disconnect {
    pub(crate) whom: Whom,
    pub(crate) code: u16,
    pub(crate) reason: String,
    /// Clients that are spared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) whitelist: BTreeSet<String>,
}

/// Moves when connections expire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) whom: Whom,
    /// They have expired already.
    #[serde(default)]
    pub(crate) expired: bool,
    /// In seconds since 1970; never without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expire_at: Option<u64>,
    /// What others are shown from now on beside the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Payload>,
}

/// Commands that have come for a connection by themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Emulate {
    /// The connection's secret.
    pub(crate) session: String,
    pub(crate) data: Base64,
}

impl Steer {
    /// Whose connections.
    pub(crate) fn whom(&self) -> &Whom {
        match self {
            Steer::Subscribe(steer) => &steer.whom,
            Steer::Unsubscribe(steer) => &steer.whom,
            Steer::Disconnect(steer) => &steer.whom,
            Steer::Refresh(steer) => &steer.whom,
        }
    }
}
