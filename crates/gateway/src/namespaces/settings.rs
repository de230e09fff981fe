//! The options of namespaces, and which of them go together.

use std::time::Duration;

use naru_ledger::channel::{SIZE_MAX, TTL_MAX};
use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    Counted, DataFormat,
    name::{Name, is_namespace},
};
use crate::{
    channels::is_reserved_namespace,
    codes::Refused,
    duration,
    limits::{
        BurstOfNothing, CHANNEL_BYTES_MAX, HISTORY_META_TTL, PUBLICATIONS, PUBLICATIONS_AT_ONCE, Rate,
        SUBSCRIPTIONS,
    },
    proxy::OfChannels,
};

/// The section `channel` of a configuration: options that go together.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", default = "Settings::closed", deny_unknown_fields)]
pub struct Settings {
    /// Of channels without a namespace.
    pub(super) without_namespace: Namespace,
    pub(super) namespaces: Vec<Namespace>,
    /// Of namespaces that say nothing of it.
    #[serde(deserialize_with = "duration::deserialize")]
    pub(super) history_meta_ttl: Duration,
    /// Of namespaces that say nothing of it.
    pub(super) publication_data_format: DataFormat,
    /// Bytes in a channel's name.
    pub(super) max_length: usize,
    pub(super) subscribe_to_user_personal_channel: PersonalChannel,
    /// Where is asked what namespaces name no other place for.
    pub(crate) proxy: OfChannels,
}

/// Whether the server subscribes every connection to a channel of its user's own: `#user`, or `namespace:#user`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersonalChannel {
    pub(super) enabled: bool,
    pub(super) personal_channel_namespace: String,
}

/// What the channels of one namespace are like. Unless told so, nobody may do anything in them.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Namespace {
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) counted: Counted,
    pub(crate) presence: bool,
    pub(crate) join_leave: bool,
    pub(crate) force_push_join_leave: bool,
    history_size: u32,
    #[serde(deserialize_with = "duration::deserialize")]
    history_ttl: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    history_meta_ttl: Duration,
    pub(crate) force_positioning: bool,
    pub(crate) allow_positioning: bool,
    pub(crate) force_recovery: bool,
    pub(crate) allow_recovery: bool,
    pub(crate) force_recovery_mode: RecoveryMode,
    pub(crate) allowed_delta_types: Vec<DeltaType>,
    pub(crate) delta_publish: bool,
    pub(crate) publication_data_format: DataFormat,
    pub(crate) allow_subscribe_for_client: bool,
    pub(crate) allow_subscribe_for_anonymous: bool,
    pub(crate) allow_publish_for_client: bool,
    pub(crate) allow_publish_for_subscriber: bool,
    pub(crate) allow_publish_for_anonymous: bool,
    pub(crate) allow_history_for_client: bool,
    pub(crate) allow_history_for_subscriber: bool,
    pub(crate) allow_history_for_anonymous: bool,
    pub(crate) allow_presence_for_client: bool,
    pub(crate) allow_presence_for_subscriber: bool,
    pub(crate) allow_presence_for_anonymous: bool,
    pub(crate) allow_user_limited_channels: bool,
    channel_regex: ChannelRegex,
    publish_rate_limit: Option<u32>,
    publish_rate_burst: u32,
    subscribe_rate_limit: Option<u32>,
    subscribe_rate_burst: u32,
    total_publish_rate_limit: u32,
    total_publish_rate_burst: u32,
    pub(crate) subscribe_proxy_enabled: bool,
    pub(crate) subscribe_proxy_name: String,
    pub(crate) publish_proxy_enabled: bool,
    pub(crate) publish_proxy_name: String,
    pub(crate) sub_refresh_proxy_enabled: bool,
    pub(crate) sub_refresh_proxy_name: String,
}

/// What is kept of what was published in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct History {
    /// Publications; at least one.
    pub(crate) size: u32,
    pub(crate) ttl: Duration,
    /// How long offset and epoch outlive the last use; not below `ttl`.
    pub(crate) meta_ttl: Duration,
}

/// What a subscription recovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RecoveryMode {
    /// All that it missed.
    #[default]
    #[serde(rename = "stream", alias = "")]
    Stream,
    /// The newest publication.
    #[serde(rename = "cache")]
    Cache,
}

/// How publications may be sent as what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum DeltaType {
    /// Fossil's format.
    #[serde(rename = "fossil")]
    Fossil,
}

/// What a channel's name behind the namespace has to match; none is ASCII.
#[derive(Clone, Debug, Default)]
struct ChannelRegex(Option<Regex>);

/// The proxy that is asked where no other is named.
const DEFAULT_PROXY: &str = "default";

impl Default for Settings {
    /// Without a configuration: `public:` is open to whoever has signed in, live, and nothing else is.
    fn default() -> Settings {
        let any = Regex::new("").expect("an empty pattern is a good one");
        let public = Namespace {
            name: "public".into(),
            allow_subscribe_for_client: true,
            allow_publish_for_client: true,
            channel_regex: ChannelRegex(Some(any)),
            ..Namespace::default()
        };
        Settings { namespaces: vec![public], ..Settings::closed() }
    }
}

impl Default for Namespace {
    fn default() -> Namespace {
        Namespace {
            counted: Counted::default(),
            name: String::new(),
            presence: false,
            join_leave: false,
            force_push_join_leave: false,
            history_size: 0,
            history_ttl: Duration::ZERO,
            history_meta_ttl: Duration::ZERO,
            force_positioning: false,
            allow_positioning: false,
            force_recovery: false,
            allow_recovery: false,
            force_recovery_mode: RecoveryMode::Stream,
            allowed_delta_types: Vec::new(),
            delta_publish: false,
            publication_data_format: DataFormat::Any,
            allow_subscribe_for_client: false,
            allow_subscribe_for_anonymous: false,
            allow_publish_for_client: false,
            allow_publish_for_subscriber: false,
            allow_publish_for_anonymous: false,
            allow_history_for_client: false,
            allow_history_for_subscriber: false,
            allow_history_for_anonymous: false,
            allow_presence_for_client: false,
            allow_presence_for_subscriber: false,
            allow_presence_for_anonymous: false,
            allow_user_limited_channels: false,
            channel_regex: ChannelRegex(None),
            publish_rate_limit: None,
            publish_rate_burst: 0,
            subscribe_rate_limit: None,
            subscribe_rate_burst: 0,
            total_publish_rate_limit: 0,
            total_publish_rate_burst: 0,
            subscribe_proxy_enabled: false,
            subscribe_proxy_name: DEFAULT_PROXY.into(),
            publish_proxy_enabled: false,
            publish_proxy_name: DEFAULT_PROXY.into(),
            sub_refresh_proxy_enabled: false,
            sub_refresh_proxy_name: DEFAULT_PROXY.into(),
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Settings, D::Error> {
        // Not itself: with `remote`, serde's own is an associated function of the same name.
        let mut settings = Settings::deserialize(deserializer)?;
        settings.complete().map_err(D::Error::custom)?;
        Ok(settings)
    }
}

impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Namespace, D::Error> {
        let namespace = Namespace::deserialize(deserializer)?;
        namespace.check().map_err(D::Error::custom)?;
        Ok(namespace)
    }
}

impl<'de> Deserialize<'de> for ChannelRegex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChannelRegex, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        if pattern.is_empty() {
            return Ok(ChannelRegex(None));
        }
        let regex = Regex::new(&pattern)
            .map_err(|error| D::Error::custom(format_args!("it is no regular expression: {error}")))?;
        Ok(ChannelRegex(Some(regex)))
    }
}

impl Settings {
    /// No namespaces, and nobody may do anything in channels without one.
    fn closed() -> Settings {
        Settings {
            without_namespace: Namespace::default(),
            namespaces: Vec::new(),
            history_meta_ttl: HISTORY_META_TTL,
            publication_data_format: DataFormat::Any,
            max_length: CHANNEL_BYTES_MAX,
            subscribe_to_user_personal_channel: PersonalChannel::default(),
            proxy: OfChannels::default(),
        }
    }

    /// Looks at the namespaces together, and gives them what they say nothing of.
    fn complete(&mut self) -> Result<(), String> {
        if !(1..=CHANNEL_BYTES_MAX).contains(&self.max_length) {
            return Err(format!("max_length is from 1 to {CHANNEL_BYTES_MAX}"));
        }
        if !self.without_namespace.name.is_empty() {
            return Err("without_namespace has no name: what has one is in [[channel.namespaces]]".into());
        }
        let (format, meta_ttl) = (self.publication_data_format, self.history_meta_ttl);
        self.without_namespace
            .inherit(format, meta_ttl)
            .map_err(|bad| format!("without_namespace: {bad}"))?;
        for place in 0..self.namespaces.len() {
            let (before, rest) = self.namespaces.split_at_mut(place);
            let [namespace, ..] = rest else { unreachable!("the place is one of theirs") };
            let name = namespace.name.clone();
            if name.is_empty() {
                return Err("a namespace has a name: name = \"chat\"; channels without one are \
                            [channel.without_namespace]"
                    .into());
            }
            if before.iter().any(|other| other.name == name) {
                return Err(format!("two namespaces have the name {name:?}: make them one"));
            }
            namespace.inherit(format, meta_ttl).map_err(|bad| format!("the namespace {name:?}: {bad}"))?;
        }
        let personal = &self.subscribe_to_user_personal_channel.personal_channel_namespace;
        if !personal.is_empty() && !self.namespaces.iter().any(|namespace| namespace.name == *personal) {
            return Err(format!(
                "subscribe_to_user_personal_channel names the namespace {personal:?}, which is not there: add it \
                 to [[channel.namespaces]]"
            ));
        }
        Ok(())
    }

    /// The proxies that namespaces name, with the option that names them.
    pub fn proxies(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [&self.without_namespace].into_iter().chain(&self.namespaces).flat_map(|namespace| {
            namespace.proxies().into_iter().filter(|proxy| proxy.1).map(|(option, _, name)| (option, name))
        })
    }
}

impl Namespace {
    /// What is kept of what is published; `None` is nothing.
    pub(crate) fn history(&self) -> Option<History> {
        let (size, ttl, meta_ttl) = (self.history_size, self.history_ttl, self.history_meta_ttl);
        (size > 0).then_some(History { size, ttl, meta_ttl })
    }

    /// How often one user may publish.
    pub(crate) fn publish_rate(&self) -> Option<Rate> {
        usual(self.publish_rate_limit, self.publish_rate_burst, (PUBLICATIONS, PUBLICATIONS_AT_ONCE))
    }

    /// How often one user may subscribe, whose connections may have so many channels.
    pub(crate) fn subscribe_rate(&self, channels_max: usize) -> Option<Rate> {
        let at_once = u32::try_from(channels_max).unwrap_or(u32::MAX).max(SUBSCRIPTIONS);
        usual(self.subscribe_rate_limit, self.subscribe_rate_burst, (SUBSCRIPTIONS, at_once))
    }

    /// How often all clients of a server together may publish.
    pub(crate) fn total_publish_rate(&self) -> Option<Rate> {
        rate(self.total_publish_rate_limit, self.total_publish_rate_burst)
    }

    /// Whether a client may write this name so: ASCII, or what the namespace's pattern takes.
    pub(super) fn check_name(&self, name: &Name<'_>) -> Result<(), Refused> {
        let is_good = match &self.channel_regex.0 {
            Some(regex) => regex.is_match(name.rest()),
            None => name.whole().is_ascii(),
        };
        if is_good {
            Ok(())
        } else {
            Err(Refused::bad("the channel's name is not as its namespace wants it"))
        }
    }

    fn proxies(&self) -> [(&'static str, bool, &str); 3] {
        [
            ("subscribe_proxy", self.subscribe_proxy_enabled, &self.subscribe_proxy_name),
            ("publish_proxy", self.publish_proxy_enabled, &self.publish_proxy_name),
            ("sub_refresh_proxy", self.sub_refresh_proxy_enabled, &self.sub_refresh_proxy_name),
        ]
    }

    fn inherit(&mut self, format: DataFormat, meta_ttl: Duration) -> Result<(), String> {
        if self.publication_data_format == DataFormat::Any {
            self.publication_data_format = format;
        }
        if self.history_meta_ttl.is_zero() {
            self.history_meta_ttl = meta_ttl;
        }
        if self.history_size > 0 && self.history_meta_ttl > TTL_MAX {
            return Err(too_long("history_meta_ttl"));
        }
        if self.history_size > 0 && self.history_meta_ttl < self.history_ttl {
            return Err(format!(
                "publications would outlive what is known of their numbers: make history_meta_ttl ({}) at least \
                 history_ttl ({})",
                duration::written(self.history_meta_ttl),
                duration::written(self.history_ttl)
            ));
        }
        Ok(())
    }

    /// Whether its options go together. What is refused here would do nothing, or not what it seems to say.
    fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        let has_history = self.history_size > 0;
        if has_history && self.history_ttl.is_zero() {
            return Err("history_size without history_ttl: say how long publications are kept, as history_ttl = \"1h\""
                .into());
        }
        // What is more, the broker would refuse each time.
        if self.history_size > SIZE_MAX {
            return Err(format!("history_size is at most {SIZE_MAX}: longer histories are those of rooms"));
        }
        if self.history_ttl > TTL_MAX {
            return Err(too_long("history_ttl"));
        }
        if has_history && self.history_ttl < Duration::from_millis(1) {
            return Err("history_ttl is at least 1ms".into());
        }
        if !has_history && !self.history_ttl.is_zero() {
            return Err(
                "history_ttl without history_size: say how many publications are kept, as history_size = 100"
                    .into(),
            );
        }
        if !has_history {
            let wanting = [
                ("history_meta_ttl", !self.history_meta_ttl.is_zero()),
                ("force_positioning", self.force_positioning),
                ("allow_positioning", self.allow_positioning),
                ("force_recovery", self.force_recovery),
                ("allow_recovery", self.allow_recovery),
                ("force_recovery_mode", self.force_recovery_mode != RecoveryMode::Stream),
                ("allow_history_for_client", self.allow_history_for_client),
                ("allow_history_for_subscriber", self.allow_history_for_subscriber),
            ];
            if let Some((option, _)) = wanting.into_iter().find(|(_, is_set)| *is_set) {
                return Err(format!("{option} without history: set history_size and history_ttl as well"));
            }
        }
        if self.force_push_join_leave && !self.join_leave {
            return Err("force_push_join_leave without join_leave: set join_leave = true as well".into());
        }
        if !self.presence && !self.join_leave {
            let wanting = [
                ("allow_presence_for_client", self.allow_presence_for_client),
                ("allow_presence_for_subscriber", self.allow_presence_for_subscriber),
            ];
            if let Some((option, _)) = wanting.into_iter().find(|(_, is_set)| *is_set) {
                return Err(format!(
                    "{option} without presence: set presence = true, or join_leave = true, as well"
                ));
            }
        }
        let anonymous = [
            ("subscribe", self.allow_subscribe_for_anonymous, self.allow_subscribe_for_client),
            (
                "publish",
                self.allow_publish_for_anonymous,
                self.allow_publish_for_client || self.allow_publish_for_subscriber,
            ),
            (
                "history",
                self.allow_history_for_anonymous,
                self.allow_history_for_client || self.allow_history_for_subscriber,
            ),
            (
                "presence",
                self.allow_presence_for_anonymous,
                self.allow_presence_for_client || self.allow_presence_for_subscriber,
            ),
        ];
        if let Some((right, ..)) = anonymous.into_iter().find(|(_, is_set, others)| *is_set && !others) {
            return Err(format!(
                "allow_{right}_for_anonymous lets the anonymous do what others may: set allow_{right}_for_client as well"
            ));
        }
        if self.delta_publish && self.allowed_delta_types.is_empty() {
            return Err("delta_publish without allowed_delta_types: no client could ask for deltas; set \
                        allowed_delta_types = [\"fossil\"] as well"
                .into());
        }
        for (option, limit, burst) in [
            ("publish_rate", self.publish_rate_limit.unwrap_or(PUBLICATIONS), self.publish_rate_burst),
            ("subscribe_rate", self.subscribe_rate_limit.unwrap_or(SUBSCRIPTIONS), self.subscribe_rate_burst),
            ("total_publish_rate", self.total_publish_rate_limit, self.total_publish_rate_burst),
        ] {
            if let Err(BurstOfNothing) = Rate::a_second(limit, burst) {
                return Err(format!(
                    "{option}_burst without {option}_limit: say how many in a second as well"
                ));
            }
        }
        let unused = self.proxies().into_iter().find(|(_, is_on, name)| !is_on && *name != DEFAULT_PROXY);
        if let Some((proxy, ..)) = unused {
            return Err(format!("{proxy}_name without {proxy}_enabled: set {proxy}_enabled = true as well"));
        }
        Ok(())
    }
}

/// As it is set; or so many in a second, and at once unless that is set.
fn usual(limit: Option<u32>, burst: u32, (usual, at_once): (u32, u32)) -> Option<Rate> {
    match limit {
        Some(limit) => rate(limit, burst),
        None => rate(usual, if burst == 0 { at_once } else { burst }),
    }
}

fn rate(limit: u32, burst: u32) -> Option<Rate> {
    Rate::a_second(limit, burst).expect("a burst of nothing is refused when it is read")
}

fn too_long(option: &str) -> String {
    format!("{option} is at most {} days: nothing is kept for longer", TTL_MAX.as_secs() / (24 * 60 * 60))
}

fn check_name(name: &str) -> Result<(), String> {
    // Channels without a namespace have the same options; whether a name is missing is seen where they are.
    if name.is_empty() {
        return Ok(());
    }
    if !is_namespace(name) {
        return Err(format!("the namespace {name:?}: its name is two or more of a-z A-Z 0-9 - _ ."));
    }
    if is_reserved_namespace(name) {
        return Err(format!("the namespace {name:?} is Naru's own: choose another name"));
    }
    Ok(())
}
