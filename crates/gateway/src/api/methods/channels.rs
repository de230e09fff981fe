//! `channels`: which channels have subscribers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    LOOKING,
};
use crate::nodes::{Answer, Question};

/// Which of them.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChannelsRequest)]
pub(crate) struct Channels {
    /// A glob-style pattern of names, such as `news:*`.
    pattern: Option<String>,
}

/// Those there are. Inboxes and rooms are not among them.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelsResult {
    /// By name.
    channels: BTreeMap<String, ChannelInfo>,
}

/// What is known of a channel.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct ChannelInfo {
    /// Subscribers on all servers.
    num_clients: u64,
}

impl Method for Channels {
    const NAME: &'static str = "channels";
    const SUMMARY: &'static str =
        "Which channels have subscribers, on all servers. Expensive where there are many.";
    const GROUP: &'static str = LOOKING;

    type Done = ChannelsResult;

    async fn call(self, api: &Api, scope: &Scope) -> Result<ChannelsResult, Refusal> {
        let pattern = self.pattern.filter(|pattern| !pattern.is_empty());
        let survey = api.nodes.ask_all(Question::Channels { pattern }).await?;
        survey.warn_if_incomplete();
        let mut channels: BTreeMap<String, ChannelInfo> = BTreeMap::new();
        for (_, answer) in survey.answers {
            let Answer::Channels(here) = answer else { continue };
            for (channel, clients) in here {
                if scope.may_name_all() || scope.may_name(&channel) {
                    channels.entry(channel).or_default().num_clients += clients;
                }
            }
        }
        Ok(ChannelsResult { channels })
    }
}
