//! What a token says, with a strict type for each claim. A claim that is doubled, or of another type, makes the whole token
//! invalid; claims that we do not know are nobody's.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Number, value::RawValue};

use super::capability::Match;

/// The end of the year 9999. Who writes milliseconds where seconds belong is past it, and told so, instead of getting tokens
/// that never end.
const LATEST: u64 = 253_402_300_799;

/// Seconds since 1970: whole ones, no text, no fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds(pub(super) u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        match u64::deserialize(deserializer)? {
            seconds if seconds <= LATEST => Ok(Seconds(seconds)),
            _ => Err(de::Error::custom("a time after the year 9999")),
        }
    }
}

/// The claims that all kinds of tokens have.
#[derive(Deserialize)]
pub(super) struct Registered {
    #[serde(default, deserialize_with = "present")]
    pub(super) exp: Option<Seconds>,
    #[serde(default, deserialize_with = "present")]
    pub(super) nbf: Option<Seconds>,
    #[serde(default, deserialize_with = "present")]
    pub(super) iat: Option<Moment>,
    #[serde(default, deserialize_with = "present")]
    pub(super) jti: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) aud: Option<Audience>,
    #[serde(default, deserialize_with = "present")]
    pub(super) iss: Option<String>,
}

/// When a token was made, in seconds since 1970. Fractions will do, as libraries write them.
pub(super) struct Moment(pub(super) u64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        match Number::deserialize(deserializer)?.as_f64() {
            Some(seconds) if (0.0..=LATEST as f64).contains(&seconds) => Ok(Moment(seconds as u64)),
            _ => Err(de::Error::custom("no time")),
        }
    }
}

/// Whom a token is for: one name or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self) -> &[String] {
        match self {
            Audience::One(name) => std::slice::from_ref(name),
            Audience::Several(names) => names,
        }
    }
}

/// Those of a connection token.
#[derive(Deserialize)]
pub(super) struct Connection {
    pub(super) sub: String,
    #[serde(default, deserialize_with = "present")]
    pub(super) expire_at: Option<Seconds>,
    pub(super) info: Option<Box<RawValue>>,
    pub(super) b64info: Option<String>,
    pub(super) channels: Option<Vec<String>>,
    pub(super) subs: Option<Distinct<Subscription>>,
    pub(super) meta: Option<Box<RawValue>>,
    pub(super) caps: Option<Vec<Capability>>,
    /// Makes it a subscription token, which opens no connection.
    #[serde(default, deserialize_with = "present")]
    pub(super) channel: Option<IgnoredAny>,
}

/// Those of a subscription token.
#[derive(Deserialize)]
pub(super) struct ForChannel {
    #[serde(default)]
    pub(super) sub: String,
    #[serde(default, deserialize_with = "present")]
    pub(super) channel: Option<String>,
    /// Older tokens name the one connection that they are for.
    #[serde(default, deserialize_with = "present")]
    pub(super) client: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) expire_at: Option<Seconds>,
    pub(super) info: Option<Box<RawValue>>,
    pub(super) b64info: Option<String>,
    pub(super) data: Option<Box<RawValue>>,
    pub(super) b64data: Option<String>,
    #[serde(rename = "override")]
    pub(super) overrides: Option<Overrides>,
}

/// What `subs` says of one channel.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Subscription {
    pub(super) info: Option<Box<RawValue>>,
    pub(super) b64info: Option<String>,
    pub(super) data: Option<Box<RawValue>>,
    pub(super) b64data: Option<String>,
    #[serde(rename = "override")]
    pub(super) overrides: Option<Overrides>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Overrides {
    pub(super) presence: Option<Switch>,
    pub(super) join_leave: Option<Switch>,
    pub(super) force_push_join_leave: Option<Switch>,
    pub(super) force_recovery: Option<Switch>,
    pub(super) force_positioning: Option<Switch>,
}

/// `{"value": true}`
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Switch {
    #[serde(default)]
    pub(super) value: bool,
}

/// One entry of `caps`.
#[derive(Deserialize)]
pub(super) struct Capability {
    pub(super) channels: Vec<String>,
    #[serde(default, rename = "match")]
    pub(super) matching: Match,
    pub(super) allow: Vec<super::capability::Right>,
}

/// A claim that has a value when it is there: `null` is no way to leave it out.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A map in which no key comes twice.
pub(super) struct Distinct<T>(pub(super) BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Distinct<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Distinct<T>, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Distinct<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distinct<T>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    if entries.insert(key, value).is_some() {
                        return Err(de::Error::custom("a key comes twice"));
                    }
                }
                Ok(Distinct(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}
