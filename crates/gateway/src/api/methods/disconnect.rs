//! `disconnect`: closes a user's connections.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    Empty, STEERING,
};
use crate::nodes::{self, Steer, Whom};

/// Whose connections to close, and how.
#[derive(Deserialize, ToSchema)]
#[schema(as = DisconnectRequest)]
pub(crate) struct Disconnect {
    /// Whose connections; the empty user is who is anonymous.
    #[serde(default)]
    user: String,
    /// Only the connection with this client id.
    client: Option<String>,
    /// Only the connection with this session id.
    session: Option<String>,
    /// Client ids of connections that are spared.
    whitelist: Option<BTreeSet<String>>,
    /// What the client is told; 3503, "force disconnect", unless given.
    disconnect: Option<DisconnectReason>,
}

/// What a client is told that is closed.
#[derive(Deserialize, ToSchema)]
pub(crate) struct DisconnectReason {
    /// 3000 to 4999; 0 for 3503. With 3500 to 3999 and 4500 to 4999 the client does not come back by itself.
    #[serde(default)]
    code: u16,
    /// At most 123 bytes.
    #[serde(default)]
    reason: String,
}

/// What a close frame has room for.
const REASON_BYTES_MAX: usize = 123;

impl Method for Disconnect {
    const NAME: &'static str = "disconnect";
    const SUMMARY: &'static str = "Closes a user's connections. Answered when it is accepted.";
    const GROUP: &'static str = STEERING;

    type Done = Empty;

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        let told = self
            .disconnect
            .filter(|told| told.code > 0)
            .unwrap_or(DisconnectReason { code: 3503, reason: "force disconnect".into() });
        if !(3000..=4999).contains(&told.code) || told.reason.len() > REASON_BYTES_MAX {
            return Err(Refusal::bad(format_args!(
                "a disconnect has a code from 3000 to 4999 and a reason of at most {REASON_BYTES_MAX} bytes"
            )));
        }
        let steer = nodes::Disconnect {
            whom: Whom { user: self.user, client: self.client, session: self.session },
            code: told.code,
            reason: told.reason,
            whitelist: self.whitelist.unwrap_or_default(),
        };
        api.nodes.steer(Steer::Disconnect(steer)).await?;
        Ok(Empty {})
    }
}
