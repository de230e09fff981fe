//! What a connection may do in channels because its token says so, beside what the channels' namespaces allow.

use naru_fanout::matches;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::{claims, fault::Fault};
use crate::{
    limits::{
        CAPABILITIES_MAX, CAPABILITY_CHANNELS_MAX, CAPABILITY_PATTERNS_MAX, PATTERN_BYTES_MAX,
        PATTERN_COMPILED_BYTES_MAX,
    },
    namespaces::Caps,
};

/// Something that one may do in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(crate) enum Right {
    #[serde(rename = "sub")]
    Subscribe,
    #[serde(rename = "pub")]
    Publish,
    #[serde(rename = "prs")]
    Presence,
    #[serde(rename = "hst")]
    History,
}

/// How a capability names its channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Match {
    #[default]
    Exact,
    Wildcard,
    Regex,
}

/// All capabilities of a connection; none for most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities(Box<[Capability]>);

#[derive(Clone, Debug)]
struct Capability {
    channels: Channels,
    rights: Box<[Right]>,
}

#[derive(Clone, Debug)]
enum Channels {
    Exact(Box<[String]>),
    /// As `KEYS` of Redis takes them.
    Wildcard(Box<[String]>),
    Regex(Box<[Regex]>),
}

impl Capabilities {
    pub(super) fn read(claimed: Vec<claims::Capability>) -> Result<Capabilities, Fault> {
        let channels: usize = claimed.iter().map(|capability| capability.channels.len()).sum();
        if claimed.len() > CAPABILITIES_MAX || channels > CAPABILITY_CHANNELS_MAX {
            return Err(Fault::TooManyCapabilities);
        }
        let patterns = claimed.iter().filter(|capability| capability.matching == Match::Regex);
        if patterns.map(|capability| capability.channels.len()).sum::<usize>() > CAPABILITY_PATTERNS_MAX {
            return Err(Fault::TooManyCapabilities);
        }
        claimed.into_iter().map(Capability::read).collect::<Result<_, _>>().map(Capabilities)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them gives this right in this channel. Whoever asks has seen that the channel is one that clients
    /// may have at all.
    pub(super) fn allow(&self, channel: &str, right: Right) -> bool {
        self.0.iter().any(|capability| capability.rights.contains(&right) && capability.channels.has(channel))
    }

    /// What they give in this channel.
    pub(crate) fn in_channel(&self, channel: &str) -> Caps {
        if self.is_empty() {
            return Caps::default();
        }
        Caps {
            subscribe: self.allow(channel, Right::Subscribe),
            publish: self.allow(channel, Right::Publish),
            presence: self.allow(channel, Right::Presence),
            history: self.allow(channel, Right::History),
        }
    }
}

impl Capability {
    fn read(claimed: claims::Capability) -> Result<Capability, Fault> {
        let claims::Capability { channels, matching, allow } = claimed;
        if matching != Match::Exact && channels.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
            return Err(Fault::BadPattern);
        }
        let channels = match matching {
            Match::Exact => Channels::Exact(channels.into()),
            Match::Wildcard => Channels::Wildcard(channels.into()),
            Match::Regex => {
                let compiled = channels.iter().map(|pattern| whole(pattern).map_err(|_| Fault::BadPattern));
                Channels::Regex(compiled.collect::<Result<_, _>>()?)
            }
        };
        Ok(Capability { channels, rights: allow.into() })
    }
}

impl Channels {
    fn has(&self, channel: &str) -> bool {
        match self {
            Channels::Exact(names) => names.iter().any(|name| name == channel),
            Channels::Wildcard(globs) => {
                globs.iter().any(|glob| matches(glob.as_bytes(), channel.as_bytes()))
            }
            Channels::Regex(patterns) => patterns.iter().any(|pattern| pattern.is_match(channel)),
        }
    }
}

/// An expression that a whole text has to fit: `user-1` does not let in `superuser-12`.
pub(super) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: a closing bracket too many would get out of ours.
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_COMPILED_BYTES_MAX).build();
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests;
