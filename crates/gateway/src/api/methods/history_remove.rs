//! `history_remove`: forgets what a channel keeps.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    Empty, LOOKING,
};

/// Of which channel.
#[derive(Deserialize, ToSchema)]
#[schema(as = HistoryRemoveRequest)]
pub(crate) struct HistoryRemove {
    /// The channel.
    #[serde(default)]
    channel: String,
}

impl Method for HistoryRemove {
    const NAME: &'static str = "history_remove";
    const SUMMARY: &'static str = "Forgets what a channel keeps. Offset and epoch stay.";
    const GROUP: &'static str = LOOKING;

    type Done = Empty;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        api.channel(&self.channel)?.namespace().history().ok_or(Refusal::not_available())?;
        api.bus.remove_stream(&self.channel).await?;
        Ok(Empty {})
    }
}
