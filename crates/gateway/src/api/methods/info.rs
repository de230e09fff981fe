//! `info`: how the servers are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    LOOKING,
};
use crate::nodes::{Answer, Load, NodeInfo, Question};

/// Nothing is asked for.
#[derive(Deserialize, ToSchema)]
#[schema(as = InfoRequest)]
pub(crate) struct Info {}

/// The servers that have answered in time.
#[derive(Serialize, ToSchema)]
pub(crate) struct InfoResult {
    nodes: Vec<Node>,
}

/// One server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Node {
    /// Names this start of the server.
    uid: String,
    name: String,
    version: String,
    /// Connections that have signed in.
    num_clients: u64,
    /// Users, each counted once.
    num_users: u64,
    /// Subscriptions to channels. Inboxes and rooms do not count.
    num_subs: u64,
    /// Channels that somebody here is subscribed to.
    num_channels: u64,
    /// Seconds.
    uptime: u64,
    /// What it takes of its machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<NodeProcess>,
}

/// What a server takes of its machine.
#[derive(Serialize, ToSchema)]
pub(crate) struct NodeProcess {
    /// Percent of one processor, since `info` was asked before; 0 in the first second.
    cpu: f64,
    /// Bytes of memory that are resident.
    rss: u64,
}

impl From<NodeInfo> for Node {
    fn from(info: NodeInfo) -> Node {
        let NodeInfo { uid, name, version, num_clients, num_users, num_subs, num_channels, uptime, process } =
            info;
        let process = process.map(|Load { cpu, rss }| NodeProcess { cpu: cpu as f64 / 10.0, rss });
        Node { uid, name, version, num_clients, num_users, num_subs, num_channels, uptime, process }
    }
}

impl Method for Info {
    const NAME: &'static str = "info";
    const SUMMARY: &'static str = "Which servers there are, and what they hold.";
    const GROUP: &'static str = LOOKING;

    type Done = InfoResult;

    async fn call(self, api: &Api, _: &Scope) -> Result<InfoResult, Refusal> {
        let survey = api.nodes.ask_all(Question::Info).await?;
        survey.warn_if_incomplete();
        let nodes = survey.answers.into_iter().filter_map(|(_, answer)| match answer {
            Answer::Info(info) => Some(info.into()),
            Answer::Channels(_) => None,
        });
        Ok(InfoResult { nodes: nodes.collect() })
    }
}
