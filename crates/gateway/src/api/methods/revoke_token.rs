//! `revoke_token`: calls one token back.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    Empty, STEERING,
};
use crate::{auth::Revoke, limits::TOKEN_ID_BYTES_MAX};

/// Which token not to accept any more.
#[derive(Deserialize, ToSchema)]
#[schema(as = RevokeTokenRequest)]
pub(crate) struct RevokeToken {
    /// The token's `jti`.
    #[serde(default)]
    uid: String,
    /// When that need not be known any more, in seconds since 1970: when the token ends. A year from now, at most, if it is not
    /// said.
    expire_at: Option<u64>,
}

impl Method for RevokeToken {
    const NAME: &'static str = "revoke_token";
    const SUMMARY: &'static str =
        "Calls a token back: whoever is connected with it is closed, and nobody connects with it any more.";
    const GROUP: &'static str = STEERING;

    type Done = Empty;

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        if self.uid.is_empty() || self.uid.len() > TOKEN_ID_BYTES_MAX {
            return Err(Refusal::bad(format_args!(
                "uid is the jti of a token, of at most {TOKEN_ID_BYTES_MAX} bytes"
            )));
        }
        api.revoke(Revoke::token(&self.uid), self.expire_at).await
    }
}
