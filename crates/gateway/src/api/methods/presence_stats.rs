//! `presence_stats`: how many are in a channel.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    LOOKING,
};

/// In which channel.
#[derive(Deserialize, ToSchema)]
#[schema(as = PresenceStatsRequest)]
pub(crate) struct PresenceStats {
    /// The channel.
    #[serde(default)]
    channel: String,
}

/// How many are there.
#[derive(Serialize, ToSchema)]
pub(crate) struct PresenceStatsResult {
    /// Connections.
    num_clients: u64,
    /// Users, each counted once.
    num_users: u64,
}

impl Method for PresenceStats {
    const NAME: &'static str = "presence_stats";
    const SUMMARY: &'static str = "How many are in a channel, on all servers.";
    const GROUP: &'static str = LOOKING;

    type Done = PresenceStatsResult;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<PresenceStatsResult, Refusal> {
        if !api.channel(&self.channel)?.namespace().presence {
            return Err(Refusal::not_available());
        }
        let stats = api.bus.present_stats(&self.channel).await?;
        Ok(PresenceStatsResult { num_clients: stats.clients, num_users: stats.users })
    }
}
