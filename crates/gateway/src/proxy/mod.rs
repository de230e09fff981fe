//! The application's say in what clients do: it is asked by HTTP who may connect, subscribe and publish, whose connections and
//! subscriptions go on, and what methods answer that are not ours. Requests and answers have Centrifugo's form (docs/proxy.md).
//!
//! `settings.rs` is what the configuration says of it. [`Proxies`] are the valid settings, [`Backend`] asks. A place where is
//! asked is a **hook** (`hook.rs`); `question.rs` and `answer.rs` are the two directions.
//!
//! # Invariants
//!
//! - Nothing is allowed that the application did not allow in so many words: no answer, and one that is none, is a temporary
//!   error.
//! - What goes to the application of a client's headers is on a list of the configuration, and what a client only says that
//!   it would have sent on one of its own.
//! - A client waits for one hook at a time, each hook is asked by a bounded number at once, and none of them holds up what goes
//!   to the broker.
//! - No body, and no header's value, reaches a log.

mod answer;
mod counted;
mod health;
mod heard;
mod hook;
mod question;
mod settings;
mod signature;
mod told;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use counted::Counted;
pub(crate) use heard::Heard;
pub(crate) use question::Caller;
pub use settings::{Client, Named, OfChannels, Rpc};
pub(crate) use told::Told;

use self::{
    counted::Kind,
    hook::{Asker, Hook},
    question::Question,
};
use crate::{
    auth::{Fault, Granted, Identity, OfConnection, OfRefresh, OfSubscription, payload, unix_seconds},
    channels::is_reserved,
    codes::{Code, Disconnect, Failure},
    namespaces,
    outbound::Outbound,
    protocol::command::ConnectRequest,
    publication::Payload,
};

/// The hook that is meant where no other is named.
const DEFAULT: &str = "default";

/// Where the application is asked what: valid settings. None, by default.
#[derive(Debug, Default)]
pub struct Proxies {
    connect: Option<Hook>,
    refresh: Option<Hook>,
    subscribe: Hooks,
    publish: Hooks,
    sub_refresh: Hooks,
    rpc: Hooks,
    methods: Methods,
    wanted: heard::Wanted,
}

/// Hooks of one kind by their names.
type Hooks = HashMap<Box<str>, Arc<Hook>>;

/// Which methods are the application's.
#[derive(Debug, Default)]
struct Methods {
    without_namespace: Option<Arc<Hook>>,
    namespaces: HashMap<Box<str>, Arc<Hook>>,
}

/// Why settings are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Something is asked, and nobody has said where.
    #[error("{0} has no endpoint: say where to ask, as endpoint = \"https://app.example/naru\"")]
    NoEndpoint(&'static str),
    /// Something names a hook that is not there.
    #[error("{option} names the proxy {name:?}, which is not there: add it to [[proxies]]")]
    Unknown {
        /// What names it.
        option: String,
        /// The name.
        name: String,
    },
    /// Something is asked where everything is that names no other, and that has no endpoint.
    #[error("{0} is enabled, and neither names one of [[proxies]] nor has {1} an endpoint")]
    NoDefault(String, &'static str),
    /// A name that is none, or not one's own.
    #[error("{0}")]
    Name(String),
}

/// Asks the application.
pub(crate) struct Backend {
    proxies: Proxies,
    outbound: Outbound,
    counted: Counted,
}

/// What the application wants published instead.
#[derive(Default)]
pub(crate) struct Amended {
    pub(crate) data: Option<Payload>,
    pub(crate) skips_history: bool,
    pub(crate) tags: HashMap<String, String>,
    pub(crate) wants_delta: bool,
    pub(crate) key: Option<String>,
}

/// For how long a connection or subscription goes on.
pub(crate) struct Renewed {
    /// Seconds since 1970; none is for ever.
    pub(crate) expires_at: Option<u64>,
    /// What others are shown from now on.
    pub(crate) info: Option<Payload>,
    pub(crate) meta: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct OfPublication {
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
    skip_history: Option<bool>,
    tags: Option<HashMap<String, String>>,
    idempotency_key: Option<String>,
    delta: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OfRpc {
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
}

impl OfPublication {
    fn read(self) -> Result<Amended, Fault> {
        Ok(Amended {
            data: payload(self.data, self.b64data)?,
            skips_history: self.skip_history.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            wants_delta: self.delta.unwrap_or_default(),
            key: self.idempotency_key.filter(|key| !key.is_empty()),
        })
    }
}

impl Proxies {
    /// Checks that whatever is asked is asked somewhere.
    pub fn new(
        client: &Client,
        rpc: &Rpc,
        proxies: &[Named],
        channel: &namespaces::Settings,
    ) -> Result<Proxies, BadSettings> {
        let mut named = HashMap::new();
        for proxy in proxies {
            let name = &proxy.name;
            if name == DEFAULT || !namespaces::is_namespace(name) {
                return Err(BadSettings::Name(format!(
                    "proxies: {name:?} is no name for one: two or more of a-z A-Z 0-9 - _ . and not \"default\""
                )));
            }
            let asking = proxy.asking().ok_or(BadSettings::NoEndpoint("one of [[proxies]]"))?;
            if named.insert(name.as_str().into(), Arc::new(Hook::new(name, asking))).is_some() {
                return Err(BadSettings::Name(format!("two proxies have the name {name:?}")));
            }
        }
        let with = |place: &str, default: &settings::Unnamed| -> Hooks {
            let default = default.asking().map(|asking| (DEFAULT.into(), Arc::new(Hook::new(place, asking))));
            named.clone().into_iter().chain(default).collect()
        };
        let rpc_hooks = with("rpc.proxy", &rpc.proxy);
        let (connect, refresh) = (&client.proxy.connect, &client.proxy.refresh);
        let proxies = Proxies {
            connect: enabled("client.proxy.connect", connect.enabled, connect.asking())?,
            refresh: enabled("client.proxy.refresh", refresh.enabled, refresh.asking())?,
            subscribe: with("channel.proxy.subscribe", &channel.proxy.subscribe),
            publish: with("channel.proxy.publish", &channel.proxy.publish),
            sub_refresh: with("channel.proxy.sub_refresh", &channel.proxy.sub_refresh),
            methods: Methods::new(rpc, &rpc_hooks)?,
            rpc: rpc_hooks,
            wanted: heard::Wanted::default(),
        };
        proxies.cover(channel)?;
        Ok(proxies.listen())
    }

    /// Whether there is every hook that these namespaces name.
    fn cover(&self, channel: &namespaces::Settings) -> Result<(), BadSettings> {
        for (option, name) in channel.proxies() {
            let (hooks, place) = match option {
                "subscribe_proxy" => (&self.subscribe, "[channel.proxy.subscribe]"),
                "publish_proxy" => (&self.publish, "[channel.proxy.publish]"),
                "sub_refresh_proxy" => (&self.sub_refresh, "[channel.proxy.sub_refresh]"),
                option => unreachable!("namespaces have no {option}"),
            };
            find(hooks, name, option, place)?;
        }
        Ok(())
    }

    fn listen(mut self) -> Proxies {
        let later = [&self.subscribe, &self.publish, &self.sub_refresh, &self.rpc];
        for hook in later.into_iter().flat_map(HashMap::values).map(|hook| &**hook).chain(&self.refresh) {
            self.wanted.always(hook.forwarded());
        }
        if let Some(connect) = &self.connect {
            self.wanted.at_connect(connect.forwarded());
        }
        self
    }

    fn all(&self) -> impl Iterator<Item = &Hook> {
        let named = [&self.subscribe, &self.publish, &self.sub_refresh, &self.rpc];
        let named = named.into_iter().flat_map(HashMap::values).map(|hook| &**hook);
        self.connect.iter().chain(&self.refresh).chain(named)
    }

    /// Whether the application lets in who has no token.
    pub fn admit(&self) -> bool {
        self.connect.is_some()
    }

    /// Whether the application is asked by TLS, so that the gateway needs to know whom to believe.
    pub fn want_tls(&self) -> bool {
        self.all().any(Hook::is_encrypted)
    }
}

impl Methods {
    fn new(rpc: &Rpc, hooks: &Hooks) -> Result<Methods, BadSettings> {
        let hook = |option: &str, is_enabled: bool, name: &str| {
            if is_enabled { find(hooks, name, option, "[rpc.proxy]").map(Some) } else { Ok(None) }
        };
        let without = &rpc.without_namespace;
        let mut namespaces = HashMap::new();
        for namespace in &rpc.namespaces {
            let name = &namespace.name;
            if !namespaces::is_namespace(name) {
                return Err(BadSettings::Name(format!(
                    "rpc.namespaces: {name:?} is no name for one: two or more of a-z A-Z 0-9 - _ ."
                )));
            }
            let option = format!("proxy of the rpc namespace {name:?}");
            if let Some(hook) = hook(&option, namespace.proxy_enabled, &namespace.proxy_name.0)?
                && namespaces.insert(name.as_str().into(), hook).is_some()
            {
                return Err(BadSettings::Name(format!("two namespaces of rpc have the name {name:?}")));
            }
        }
        let name = &without.proxy_name.0;
        let without_namespace = hook("rpc.without_namespace.proxy", without.proxy_enabled, name)?;
        Ok(Methods { without_namespace, namespaces })
    }

    fn of(&self, method: &str) -> Option<&Hook> {
        match method.split_once(':') {
            Some((namespace, _)) => self.namespaces.get(namespace),
            None => self.without_namespace.as_ref(),
        }
        .map(|hook| &**hook)
    }
}

fn enabled(
    place: &'static str,
    is_enabled: bool,
    asking: Option<settings::Asking>,
) -> Result<Option<Hook>, BadSettings> {
    match (is_enabled, asking) {
        (true, None) => Err(BadSettings::NoEndpoint(place)),
        (true, Some(asking)) => Ok(Some(Hook::new(place, asking))),
        (false, _) => Ok(None),
    }
}

fn find(hooks: &Hooks, name: &str, option: &str, place: &'static str) -> Result<Arc<Hook>, BadSettings> {
    hooks.get(name).cloned().ok_or_else(|| match name {
        DEFAULT => BadSettings::NoDefault(option.to_owned(), place),
        name => BadSettings::Unknown { option: option.to_owned(), name: name.to_owned() },
    })
}

impl Backend {
    pub(crate) fn new(proxies: Proxies, outbound: Outbound) -> Backend {
        Backend { proxies, outbound, counted: Counted::default() }
    }

    /// What is counted of what is asked.
    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    fn asks(&self, kind: Kind) -> Asker<'_> {
        Asker { outbound: &self.outbound, counted: &self.counted, kind }
    }

    /// Whether there is every hook that these namespaces name.
    pub(crate) fn covers(&self, channel: &namespaces::Settings) -> Result<(), BadSettings> {
        self.proxies.cover(channel)
    }

    /// Keeps of a client's headers what hooks are to be told.
    pub(crate) fn hear(&self, headers: &HeaderMap) -> Heard {
        self.proxies.wanted.hear(headers)
    }

    /// Keeps of the headers that a client says it would have sent what hooks are to be told.
    pub(crate) fn emulate(&self, heard: &Heard, said: &HashMap<String, String>) {
        self.proxies.wanted.emulate(heard, said);
    }

    /// The client has connected: forgets what only connecting was about.
    pub(crate) fn forget(&self, heard: &Heard) {
        self.proxies.wanted.forget(heard);
    }

    /// Whether some hook is told what is kept beside a connection.
    pub(crate) fn wants_meta(&self) -> bool {
        self.proxies.all().any(Hook::includes_meta)
    }

    /// Whether the application says who connects with this token: with none, that is. Who has one is let in by it, or not at all.
    pub(crate) fn admits(&self, token: &str) -> bool {
        self.proxies.admit() && token.is_empty()
    }

    /// Who connects, and what is sent to it.
    pub(crate) async fn connect(
        &self,
        caller: Caller<'_>,
        connect: &ConnectRequest,
    ) -> Result<(Identity, Option<Payload>), Failure> {
        let hook = self.proxies.connect.as_ref().ok_or(Code::NotAvailable)?;
        let mut channels: Vec<&str> = connect.subs.keys().map(|name| &**name).collect();
        channels.retain(|name| !is_reserved(name));
        channels.sort_unstable();
        let question = Question {
            name: &connect.name,
            version: &connect.version,
            channels: &channels,
            data: Some(&connect.data),
            ..Question::default()
        };
        let asks = self.asks(Kind::Connect);
        let (identity, data) = hook.ask(asks, caller, question, OfConnection::read).await?;
        in_time(identity.expires_at)?;
        Ok((identity, data))
    }

    /// Whether the server itself asks whose connection goes on.
    pub(crate) fn refreshes(&self) -> bool {
        self.proxies.refresh.is_some()
    }

    /// Whether a connection goes on. [`Code::Internal`] if that cannot be said right now.
    pub(crate) async fn refresh(&self, caller: Caller<'_>) -> Result<Renewed, Failure> {
        let hook = self.proxies.refresh.as_ref().ok_or(Code::NotAvailable)?;
        self.renew(hook, Kind::Refresh, caller, Question::default()).await
    }

    /// The same for a subscription.
    pub(crate) async fn sub_refresh(
        &self,
        name: &str,
        caller: Caller<'_>,
        channel: &str,
    ) -> Result<Renewed, Failure> {
        let hook = self.proxies.sub_refresh.get(name).ok_or(Code::NotAvailable)?;
        self.renew(hook, Kind::SubRefresh, caller, Question { channel, ..Question::default() }).await
    }

    async fn renew(
        &self,
        hook: &Hook,
        kind: Kind,
        caller: Caller<'_>,
        question: Question<'_>,
    ) -> Result<Renewed, Failure> {
        let take = |mut said: OfRefresh| {
            let (is_over, expires_at) = (said.expired, said.expires_at());
            said.info().map(|info| (is_over, Renewed { expires_at, info, meta: said.meta }))
        };
        let (is_over, renewed) = hook.ask(self.asks(kind), caller, question, take).await?;
        if is_over || in_time(renewed.expires_at).is_err() {
            return Err(Disconnect::Expired.into());
        }
        Ok(renewed)
    }

    /// What somebody may subscribe to by the hook of this name, and until when.
    pub(crate) async fn subscribe(
        &self,
        name: &str,
        caller: Caller<'_>,
        channel: &str,
        data: &bytes::Bytes,
    ) -> Result<(Granted, Option<u64>), Failure> {
        let hook = self.proxies.subscribe.get(name).ok_or(Code::NotAvailable)?;
        let question = Question { channel, data: Some(data), ..Question::default() };
        let asks = self.asks(Kind::Subscribe);
        let (granted, expires_at) = hook.ask(asks, caller, question, OfSubscription::read).await?;
        in_time(expires_at)?;
        Ok((granted, expires_at))
    }

    /// What somebody may publish by the hook of this name.
    pub(crate) async fn publish(
        &self,
        name: &str,
        caller: Caller<'_>,
        channel: &str,
        data: &bytes::Bytes,
    ) -> Result<Amended, Failure> {
        let hook = self.proxies.publish.get(name).ok_or(Code::NotAvailable)?;
        let question = Question { channel, data: Some(data), ..Question::default() };
        hook.ask(self.asks(Kind::Publish), caller, question, OfPublication::read).await
    }

    /// Whether the application has to agree to some publications.
    pub(crate) fn hears_publications(&self) -> bool {
        !self.proxies.publish.is_empty()
    }

    /// Whether a method is the application's.
    pub(crate) fn has_method(&self, method: &str) -> bool {
        self.proxies.methods.of(method).is_some()
    }

    /// Calls a method of the application's.
    pub(crate) async fn rpc(
        &self,
        caller: Caller<'_>,
        method: &str,
        data: &bytes::Bytes,
    ) -> Result<Option<Payload>, Failure> {
        let hook = self.proxies.methods.of(method).ok_or(Code::NotAvailable)?;
        let question = Question { method, data: Some(data), ..Question::default() };
        hook.ask(self.asks(Kind::Rpc), caller, question, |said: OfRpc| payload(said.data, said.b64data)).await
    }
}

fn in_time(expires_at: Option<u64>) -> Result<(), Code> {
    if expires_at.is_some_and(|end| end <= unix_seconds()) { Err(Code::Expired) } else { Ok(()) }
}
