//! The sections of a configuration.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use naru_gateway::{api, auth, limits, metrics, namespaces, proxy};
use serde::{Deserialize, Deserializer, de::Error as _};

/// All of it. Whatever is not said has its default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve) struct File {
    pub(in crate::serve) server: Server,
    pub(in crate::serve) broker: Broker,
    pub(in crate::serve) token: auth::Settings,
    pub(in crate::serve) subscription_token: Option<auth::Settings>,
    pub(in crate::serve) inbox: Inbox,
    pub(in crate::serve) rooms: Rooms,
    pub(in crate::serve) channel: namespaces::Settings,
    pub(in crate::serve) client: proxy::Client,
    pub(in crate::serve) rpc: proxy::Rpc,
    pub(in crate::serve) proxies: Vec<proxy::Named>,
    pub(in crate::serve) outbound: Outbound,
    pub(in crate::serve) http_api: api::Settings,
    pub(in crate::serve) limits: limits::Settings,
    pub(in crate::serve) metrics: metrics::Settings,
}

/// The chat server itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve) struct Server {
    pub(in crate::serve) name: Option<String>,
    pub(in crate::serve) cluster: Option<String>,
    pub(in crate::serve) bind: Option<IpAddr>,
    pub(in crate::serve) port: Option<u16>,
    #[serde(deserialize_with = "cores")]
    pub(in crate::serve) cores: Option<u16>,
    #[serde(deserialize_with = "origins")]
    pub(in crate::serve) origins: Vec<String>,
    #[serde(deserialize_with = "drain")]
    pub(in crate::serve) drain: Option<Duration>,
}

/// The broker, here or elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub(in crate::serve) struct Broker {
    pub(in crate::serve) url: Option<String>,
    pub(in crate::serve) tls_ca_cert_file: Option<PathBuf>,
    pub(in crate::serve) tls_cert_file: Option<PathBuf>,
    pub(in crate::serve) tls_key_file: Option<PathBuf>,
    pub(in crate::serve) data: Option<PathBuf>,
    pub(in crate::serve) resp_port: Option<u16>,
    pub(in crate::serve) set: BTreeMap<String, Parameter>,
}

/// What comes to everybody who has signed in, without being asked for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve) struct Inbox {
    pub(in crate::serve) enabled: bool,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox { enabled: true }
    }
}

/// What is asked of other servers than the broker: back ends, and who publishes keys of tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve) struct Outbound {
    pub(in crate::serve) tls_ca_cert_file: Option<PathBuf>,
}

/// Rooms that users may make or join by themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve) struct Rooms {
    pub(in crate::serve) new: Vec<String>,
    pub(in crate::serve) open: Vec<String>,
}

/// What a parameter of the broker is set to: a text, a number or a truth, as `CONFIG SET` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) struct Parameter(pub(in crate::serve) String);

impl<'de> Deserialize<'de> for Broker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Broker, D::Error> {
        // Not itself: with `remote`, serde's own is an associated function of the same name.
        let broker = Broker::deserialize(deserializer)?;
        broker.check().map_err(D::Error::custom)?;
        Ok(broker)
    }
}

impl Broker {
    fn check(&self) -> Result<(), &'static str> {
        if self.url.is_some() && self.data.is_some() {
            return Err(
                "data is a folder for a broker inside, and url names one elsewhere: keep one of them",
            );
        }
        if self.url.is_some() && self.resp_port.is_some() {
            return Err("resp_port is of a broker inside, and url names one elsewhere: keep one of them");
        }
        let has_files = [&self.tls_ca_cert_file, &self.tls_cert_file, &self.tls_key_file];
        if self.url.is_none() && has_files.iter().any(|file| file.is_some()) {
            return Err(
                "tls_… are for a broker elsewhere that is reached by TLS: url = \"rediss://host:port\"",
            );
        }
        if self.tls_cert_file.is_some() != self.tls_key_file.is_some() {
            return Err("tls_cert_file and tls_key_file belong together: give both");
        }
        for (name, Parameter(value)) in &self.set {
            crate::broker::parse_set(&format!("{name}={value}")).map_err(|_| {
                "set has a name or a value that CONFIG SET would not take; `naru cli CONFIG GET '*'` shows what there is"
            })?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parameter, D::Error> {
        struct AsText;
        impl serde::de::Visitor<'_> for AsText {
            type Value = Parameter;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text in quotes, a whole number, or true or false")
            }

            fn visit_str<E>(self, text: &str) -> Result<Parameter, E> {
                Ok(Parameter(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Parameter, E> {
                Ok(Parameter(number.to_string()))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Parameter, E> {
                Ok(Parameter(if truth { "yes" } else { "no" }.to_owned()))
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

fn cores<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    match u16::deserialize(deserializer)? {
        cores @ 1..=256 => Ok(Some(cores)),
        _ => Err(D::Error::custom("it takes a whole number from 1 to 256")),
    }
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let all = Vec::<String>::deserialize(deserializer)?;
    all.iter().map(|one| crate::serve::origin(one)).collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn drain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::serve::drain_time(&text).map(Some).map_err(D::Error::custom)
}
