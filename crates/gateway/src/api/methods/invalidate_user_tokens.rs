//! `invalidate_user_tokens`: calls back all tokens of a user that were made before some time.

use naru_ledger::User;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    Empty, STEERING,
};
use crate::auth::{Revoke, unix_seconds};

/// Whose tokens not to accept any more.
#[derive(Deserialize, ToSchema)]
#[schema(as = InvalidateUserTokensRequest)]
pub(crate) struct InvalidateUserTokens {
    /// Whose.
    #[serde(default)]
    user: String,
    /// Tokens whose `iat` is before this, in seconds since 1970, and those that have none. Unless given, all that there are by now.
    issued_before: Option<u64>,
    /// When that need not be known any more, in seconds since 1970: when the last of these tokens ends. A year from now, at most,
    /// if it is not said.
    expire_at: Option<u64>,
}

impl Method for InvalidateUserTokens {
    const NAME: &'static str = "invalidate_user_tokens";
    const SUMMARY: &'static str = "Calls back all tokens of a user that were made before some time: their connections are closed, as with revoke_token.";
    const GROUP: &'static str = STEERING;

    type Done = Empty;

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        User::parse(&self.user).map_err(Refusal::bad)?;
        // Tokens have whole seconds: what was made in this one is there already.
        let issued_before = self.issued_before.unwrap_or_else(|| unix_seconds() + 1);
        api.revoke(Revoke::User { user: self.user, issued_before }, self.expire_at).await
    }
}
