//! `rpc`: what is asked of Naru itself, beyond what Centrifugo has: who has read what.

mod cursors;
mod inbox;
mod presence;
mod unread;

use naru_ledger::{Conversation, User};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    TOGETHER,
};

/// What is asked.
#[derive(Deserialize, ToSchema)]
#[schema(as = RpcRequest)]
pub(crate) struct Rpc {
    /// `inbox`: a user's conversations, the one that changed last first, with what is unread; params `{"user":…}`, and if
    /// wanted `before` (an offset) and `limit`. `unread`: the sums over all of them; params `{"user":…}`. `cursors`: what each
    /// of a user's devices has acknowledged, and how far the user is in a conversation; params
    /// `{"user":…,"conversation":…}`. `presence`: which of some users are connected; params `{"users":[…]}`.
    #[serde(default)]
    method: String,
    /// What the method is asked with.
    #[schema(value_type = Option<serde_json::Value>)]
    params: Option<Box<RawValue>>,
}

/// What the method answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct RpcResult {
    #[schema(value_type = serde_json::Value)]
    data: Box<RawValue>,
}

impl Method for Rpc {
    const NAME: &'static str = "rpc";
    const SUMMARY: &'static str =
        "Asks about inboxes: a user's conversations, what is unread, what each device has.";
    const GROUP: &'static str = TOGETHER;

    type Done = RpcResult;

    async fn call(self, api: &Api, _: &Scope) -> Result<RpcResult, Refusal> {
        let params = self.params.as_deref();
        let data = match self.method.as_str() {
            "inbox" => result(&inbox::call(api, read(params)?).await?),
            "unread" => result(&unread::call(api, read(params)?).await?),
            "cursors" => result(&cursors::call(api, read(params)?).await?),
            "presence" => result(&presence::call(api, read(params)?).await?),
            _ => return Err(Refusal::not_found()),
        };
        Ok(RpcResult { data })
    }
}

fn read<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Refusal> {
    serde_json::from_str(params.map_or("null", RawValue::get)).map_err(Refusal::bad)
}

fn result(data: &impl Serialize) -> Box<RawValue> {
    to_raw_value(data).expect("answers have text keys and no failing parts")
}

fn user(name: &str) -> Result<User, Refusal> {
    User::parse(name).map_err(Refusal::bad)
}

fn conversation(id: &str) -> Result<Conversation, Refusal> {
    Conversation::parse(id).map_err(Refusal::bad)
}
