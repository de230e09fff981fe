//! The table of methods, and how one is called.

use std::pin::Pin;

use serde::{
    Serialize,
    de::{self, DeserializeOwned},
};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::{
    Api,
    keys::Scope,
    methods::{
        Batch, Broadcast, Channels, Disconnect, History, HistoryRemove, Info, InvalidateUserTokens, Presence,
        PresenceStats, Publish, Refresh, RevokeToken, Rpc, Subscribe, Unsubscribe,
    },
    openapi::{Described, described},
    refusal::Refusal,
};

/// One method: what it is asked with, and what it does.
pub(crate) trait Method: DeserializeOwned + ToSchema + Send + 'static {
    /// As it stands in the address.
    const NAME: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;
    /// The group it is shown in.
    const GROUP: &'static str;

    /// Whether what it answers stands by itself, and not as a `result`.
    const IS_BARE: bool = false;

    /// What it answers.
    type Done: Serialize + ToSchema;

    /// The channels it names, so that a key can be for some only.
    fn channels(&self) -> Vec<&str> {
        Vec::new()
    }

    fn call(self, api: &Api, scope: &Scope) -> impl Future<Output = Result<Self::Done, Refusal>> + Send;
}

/// How a call comes to nothing.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The parameters do not have the method's form.
    Malformed(serde_json::Error),
    Refused(Refusal),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Refused(refusal)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        match fault {
            Fault::Malformed(error) => Refusal::bad(error),
            Fault::Refused(refusal) => refusal,
        }
    }
}

/// What a method has answered, as JSON.
pub(crate) type Called<'a> = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Fault>> + Send + 'a>>;

type Run = for<'a> fn(&'a Api, &'a Scope, &'a [u8]) -> Called<'a>;

/// A method as the table has it.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) is_bare: bool,
    run: Run,
    pub(crate) describe: fn() -> Described,
}

pub(crate) static METHODS: [Entry; 16] = [
    entry::<Publish>(),
    entry::<Broadcast>(),
    entry::<Subscribe>(),
    entry::<Unsubscribe>(),
    entry::<Disconnect>(),
    entry::<Refresh>(),
    entry::<RevokeToken>(),
    entry::<InvalidateUserTokens>(),
    entry::<Presence>(),
    entry::<PresenceStats>(),
    entry::<History>(),
    entry::<HistoryRemove>(),
    entry::<Channels>(),
    entry::<Info>(),
    entry::<Batch>(),
    entry::<Rpc>(),
];

const fn entry<M: Method>() -> Entry {
    Entry { name: M::NAME, is_bare: M::IS_BARE, run: run::<M>, describe: described::<M> }
}

impl Entry {
    pub(crate) fn find(name: &str) -> Option<&'static Entry> {
        METHODS.iter().find(|entry| entry.name == name)
    }

    pub(crate) fn call<'a>(&self, api: &'a Api, scope: &'a Scope, params: &'a [u8]) -> Called<'a> {
        (self.run)(api, scope, params)
    }
}

/// Whether there is such a method.
pub(crate) fn is_known(name: &str) -> bool {
    Entry::find(name).is_some()
}

impl Api {
    /// Calls a method with its parameters. None if there is no such method.
    pub(crate) fn call<'a>(&'a self, scope: &'a Scope, name: &str, params: &'a [u8]) -> Option<Called<'a>> {
        Some(Entry::find(name)?.call(self, scope, params))
    }
}

fn run<'a, M: Method>(api: &'a Api, scope: &'a Scope, params: &'a [u8]) -> Called<'a> {
    Box::pin(async move {
        // Serde would read a list as well, as the members in their order.
        if !params.trim_ascii_start().starts_with(b"{") {
            return Err(Fault::Malformed(de::Error::custom("what is asked with is one JSON object")));
        }
        let method: M = serde_json::from_slice(params).map_err(Fault::Malformed)?;
        // A batch is as good as what is in it, and each of these is looked at.
        let may = M::NAME == Batch::NAME || scope.may_call(M::NAME);
        if !may || !method.channels().into_iter().all(|channel| scope.may_name(channel)) {
            tracing::debug!(key = scope.name, method = M::NAME, "a key may not be used for this");
            return Err(Refusal::permission_denied().into());
        }
        let done = method.call(api, scope).await?;
        Ok(to_raw_value(&done).expect("answers have text keys and no failing parts"))
    })
}
