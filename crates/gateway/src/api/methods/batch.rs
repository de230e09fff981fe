//! `batch`: several commands in one request.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal, room::Room},
    TOGETHER,
};
use crate::limits::{API_COMMANDS_AT_ONCE, API_COMMANDS_MAX};

/// Commands, each an object with one member that is named for its method.
#[derive(Deserialize, ToSchema)]
#[schema(as = BatchRequest)]
pub(crate) struct Batch {
    /// At most 128, such as `{"publish": {"channel": "news", "data": {}}}`.
    #[serde(default)]
    #[schema(value_type = Vec<HashMap<String, serde_json::Value>>)]
    commands: Vec<HashMap<String, Box<RawValue>>>,
    /// Whether they may be under way at the same time; otherwise each waits for the one before.
    parallel: Option<bool>,
}

/// What became of the commands, in their order.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchResult {
    /// Each an object with one member: the method's name with its result, or `error`.
    #[schema(value_type = Vec<HashMap<String, serde_json::Value>>)]
    replies: Vec<BatchReply>,
}

enum BatchReply {
    Done(String, Box<RawValue>),
    Refused(Refusal),
}

impl Serialize for BatchReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reply = serializer.serialize_map(Some(1))?;
        match self {
            BatchReply::Done(method, result) => reply.serialize_entry(method, result)?,
            BatchReply::Refused(refusal) => reply.serialize_entry("error", refusal)?,
        }
        reply.end()
    }
}

impl Method for Batch {
    const NAME: &'static str = "batch";
    const SUMMARY: &'static str = "Several commands in one request. One that fails does not stop the others.";
    const GROUP: &'static str = TOGETHER;
    const IS_BARE: bool = true;

    type Done = BatchResult;

    async fn call(self, api: &Api, scope: &Scope) -> Result<BatchResult, Refusal> {
        if self.commands.len() > API_COMMANDS_MAX {
            return Err(Refusal::bad(format_args!("a batch has at most {API_COMMANDS_MAX} commands")));
        }
        let at_once = if self.parallel.unwrap_or_default() { API_COMMANDS_AT_ONCE } else { 1 };
        let room = Room::new();
        let replies = stream::iter(self.commands)
            .map(|command| reply(api, scope, &room, command))
            .buffered(at_once)
            .collect()
            .await;
        Ok(BatchResult { replies })
    }
}

async fn reply(api: &Api, scope: &Scope, room: &Room, command: HashMap<String, Box<RawValue>>) -> BatchReply {
    let mut command = command.into_iter();
    let (Some((method, params)), None) = (command.next(), command.next()) else {
        return BatchReply::Refused(Refusal::bad("a command has one member, which is named for its method"));
    };
    if method == Batch::NAME {
        return BatchReply::Refused(Refusal::bad("there is no batch in a batch"));
    }
    match room.call(api, scope, &method, params.get().as_bytes()).await {
        Ok(result) => BatchReply::Done(method, result),
        Err(refusal) => BatchReply::Refused(refusal),
    }
}
