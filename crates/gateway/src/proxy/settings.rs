//! The options of hooks: what is asked where, and with what.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{heard::Names, signature::SigningKey, told::Told};
use crate::{
    duration,
    limits::{PROXY_ANSWER_BYTES_MAX, PROXY_TIMEOUT, PROXY_TIMEOUT_MAX},
    outbound::Endpoint,
    secret::Secret,
};

/// Makes a table of a configuration that says how something is asked, with what it has beside that.
macro_rules! hooks {
    ($($(#[$doc:meta])* $visible:vis $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $visible struct $name {
            $($(#[$attribute])* pub(super) $field: $type,)*
            pub(super) endpoint: Url,
            pub(super) timeout: Timeout,
            pub(super) http_headers: HeaderNames,
            pub(super) emulated_headers: HeaderNames,
            pub(super) include_connection_meta: bool,
            pub(super) binary_encoding: bool,
            pub(super) http: Http,
        }

        impl $name {
            /// How it is asked, if it says where.
            pub(super) fn asking(&self) -> Option<Asking> {
                let Url(Some(url)) = &self.endpoint else { return None };
                Some(Asking {
                    endpoint: endpoint(url, self.timeout.0).expect("the address was looked at when it was read"),
                    timeout: self.timeout.0,
                    forwarded: Names { sent: self.http_headers.0.clone(), emulated: self.emulated_headers.0.clone() },
                    fixed: self.http.static_headers.0.clone(),
                    key: self.http.signing_secret.clone(),
                    includes_meta: self.include_connection_meta,
                    is_binary: self.binary_encoding,
                    transforms: self.http.status_to_code_transforms.clone(),
                })
            }
        }
    )*};
}

hooks! {
    /// Who may connect without a token.
    pub(super) Connect {
        enabled: bool,
    }
    /// Whose connection goes on.
    pub(super) Refresh {
        enabled: bool,
    }
    /// One that is meant where no other is named.
    pub(super) Unnamed {}
    /// One for namespaces to name.
    pub Named {
        name: String,
    }
}

/// The section `client`: hooks of connections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    pub(super) proxy: OfClients,
}

/// `client.proxy`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OfClients {
    pub(super) connect: Connect,
    pub(super) refresh: Refresh,
}

/// `channel.proxy`: hooks of the namespaces that name no other.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfChannels {
    pub(super) subscribe: Unnamed,
    pub(super) publish: Unnamed,
    pub(super) sub_refresh: Unnamed,
}

/// The section `rpc`: methods that are not ours.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rpc {
    pub(super) proxy: Unnamed,
    pub(super) without_namespace: Methods,
    pub(super) namespaces: Vec<Namespace>,
}

/// Methods without a namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Methods {
    pub(super) proxy_enabled: bool,
    pub(super) proxy_name: ProxyName,
}

/// Methods whose names begin with this and a colon.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Namespace {
    pub(super) name: String,
    pub(super) proxy_enabled: bool,
    pub(super) proxy_name: ProxyName,
}

/// Which hook is meant.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct ProxyName(pub(super) String);

impl Default for ProxyName {
    fn default() -> ProxyName {
        ProxyName(super::DEFAULT.into())
    }
}

/// Details of HTTP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) static_headers: StaticHeaders,
    pub(super) signing_secret: SigningKey,
    pub(super) status_to_code_transforms: Vec<Transform>,
}

/// What an answer without a usable body says by its status.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct Transform {
    #[serde(deserialize_with = "status")]
    pub(super) status_code: StatusCode,
    #[serde(default)]
    to_error: Option<super::answer::Error>,
    #[serde(default)]
    to_disconnect: Option<super::answer::Disconnect>,
}

/// An address that requests can be sent to.
#[derive(Clone, Debug, Default)]
pub(super) struct Url(Option<String>);

/// Time for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeout(Duration);

/// Headers that are passed on, in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct HeaderNames(BTreeSet<String>);

/// Headers that every request has. Their values may be keys, so they are not shown.
#[derive(Clone, Debug, Default)]
pub(super) struct StaticHeaders(HeaderMap);

/// Valid settings of one hook.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) endpoint: Endpoint,
    pub(super) timeout: Duration,
    pub(super) forwarded: Names,
    pub(super) fixed: HeaderMap,
    pub(super) key: SigningKey,
    pub(super) includes_meta: bool,
    pub(super) is_binary: bool,
    pub(super) transforms: Vec<Transform>,
}

impl Transform {
    /// What it stands for.
    pub(super) fn told(&self) -> Told {
        let told = match (&self.to_error, &self.to_disconnect) {
            (_, Some(disconnect)) => disconnect.told(),
            (Some(error), None) => error.told(),
            (None, None) => unreachable!("it was read with one of them"),
        };
        told.expect("its code was looked at when it was read")
    }
}

impl Default for Timeout {
    fn default() -> Timeout {
        Timeout(PROXY_TIMEOUT)
    }
}

impl<'de> Deserialize<'de> for Transform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Transform, D::Error> {
        // Not itself: with `remote`, serde's own is an associated function of the same name.
        let transform = Transform::deserialize(deserializer)?;
        let checked = match (&transform.to_error, &transform.to_disconnect) {
            (Some(error), None) => error.told(),
            (None, Some(disconnect)) => disconnect.told(),
            (None, None) | (Some(_), Some(_)) => {
                return Err(D::Error::custom("it has either to_error or to_disconnect"));
            }
        };
        checked.map_err(D::Error::custom)?;
        Ok(transform)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        let url = String::deserialize(deserializer)?;
        if url.is_empty() {
            return Ok(Url(None));
        }
        endpoint(&url, PROXY_TIMEOUT).map_err(D::Error::custom)?;
        Ok(Url(Some(url)))
    }
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timeout, D::Error> {
        let timeout = duration::deserialize(deserializer)?;
        if timeout.is_zero() || timeout > PROXY_TIMEOUT_MAX {
            return Err(D::Error::custom(format_args!(
                "it is more than nothing and at most {}",
                duration::written(PROXY_TIMEOUT_MAX)
            )));
        }
        Ok(Timeout(timeout))
    }
}

impl<'de> Deserialize<'de> for HeaderNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HeaderNames, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let names = names
            .iter()
            .map(|name| header_name(name).map(|name| name.as_str().to_owned()).map_err(D::Error::custom));
        names.collect::<Result<_, _>>().map(HeaderNames)
    }
}

impl<'de> Deserialize<'de> for StaticHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StaticHeaders, D::Error> {
        let given = BTreeMap::<String, Secret>::deserialize(deserializer)?;
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| D::Error::custom(format_args!("the value of {name} is no header's")))?;
            value.set_sensitive(true);
            headers.insert(header_name(&name).map_err(D::Error::custom)?, value);
        }
        Ok(StaticHeaders(headers))
    }
}

fn endpoint(url: &str, patience: Duration) -> Result<Endpoint, crate::outbound::BadEndpoint> {
    Endpoint::parse(url, patience, PROXY_ANSWER_BYTES_MAX)
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
    let status = u16::deserialize(deserializer)?;
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| (201..600).contains(&status.as_u16()))
        .ok_or_else(|| D::Error::custom("it is the status of a failure, as 404"))
}

/// A header that may be set: not those by which a request is framed and finds its way.
fn header_name(name: &str) -> Result<HeaderName, String> {
    const OURS: [&str; 9] = [
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "upgrade",
        "host",
        "te",
        "expect",
    ];
    let parsed: HeaderName = name.parse().map_err(|_| format!("{name:?} is no header's name"))?;
    if OURS.contains(&parsed.as_str()) || parsed.as_str().starts_with("sec-websocket-") {
        return Err(format!("{name} is about the request itself and cannot be passed on"));
    }
    Ok(parsed)
}
