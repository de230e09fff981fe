//! The methods: one file each.

mod batch;
mod broadcast;
mod channels;
mod disconnect;
mod history;
mod history_remove;
mod info;
mod invalidate_user_tokens;
mod presence;
mod presence_stats;
mod publish;
mod refresh;
mod revoke_token;
mod rpc;
mod subscribe;
mod unsubscribe;

use serde::Serialize;
use utoipa::ToSchema;

pub(super) use batch::Batch;
pub(super) use broadcast::Broadcast;
pub(super) use channels::Channels;
pub(super) use disconnect::Disconnect;
pub(super) use history::History;
pub(super) use history_remove::HistoryRemove;
pub(super) use info::Info;
pub(super) use invalidate_user_tokens::InvalidateUserTokens;
pub(super) use presence::Presence;
pub(super) use presence_stats::PresenceStats;
pub(super) use publish::Publish;
pub(super) use refresh::Refresh;
pub(super) use revoke_token::RevokeToken;
pub(super) use rpc::Rpc;
pub(super) use subscribe::Subscribe;
pub(super) use unsubscribe::Unsubscribe;

/// `{}`
#[derive(Serialize, ToSchema)]
pub(crate) struct Empty {}

/// Groups of methods, as they are shown.
const PUBLISHING: &str = "Publishing";
const STEERING: &str = "Steering connections";
const LOOKING: &str = "Looking";
const TOGETHER: &str = "Together";

/// Whether a zero value may be left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
