//! `refresh`: moves when a user's connections expire.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    Empty, STEERING,
};
use crate::nodes::{self, Steer, Whom};

/// Whose connections, and until when.
#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshRequest)]
pub(crate) struct Refresh {
    /// Whose connections; the empty user is who is anonymous.
    #[serde(default)]
    user: String,
    /// Only the connection with this client id.
    client: Option<String>,
    /// Only the connection with this session id.
    session: Option<String>,
    /// They have expired: closed with 3005, so that the client comes back with a new token.
    expired: Option<bool>,
    /// When they expire, in seconds since 1970. Never, if this is 0 or absent.
    expire_at: Option<u64>,
    /// What others are shown from now on beside the user's name: any JSON.
    #[schema(value_type = Option<serde_json::Value>)]
    info: Option<Box<RawValue>>,
}

impl Method for Refresh {
    const NAME: &'static str = "refresh";
    const SUMMARY: &'static str =
        "Moves when a user's connections expire, or ends them now. Answered when it is accepted.";
    const GROUP: &'static str = STEERING;

    type Done = Empty;

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        let steer = nodes::Refresh {
            whom: Whom { user: self.user, client: self.client, session: self.session },
            expired: self.expired.unwrap_or_default(),
            expire_at: self.expire_at.filter(|&expire_at| expire_at > 0),
            info: given::payload("info", self.info, None)?,
        };
        api.nodes.steer(Steer::Refresh(steer)).await?;
        Ok(Empty {})
    }
}
