//! The names people and machines give: checked once, cheap to clone.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::limits::{CHANNEL_BYTES_MAX, EPOCH_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is no name. The texts tell a client what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is 1 to {bytes_max} bytes of UTF-8 without control characters; this one {fault}")]
pub struct NameError {
    what: &'static str,
    bytes_max: usize,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Empty,
    TooLong(usize),
    Control(char),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => write!(f, "is empty"),
            Fault::TooLong(bytes) => write!(f, "has {bytes} bytes"),
            Fault::Control(char) => write!(f, "contains U+{:04X}", u32::from(*char)),
        }
    }
}

pub(crate) fn check(what: &'static str, bytes_max: usize, text: &str) -> Result<(), NameError> {
    let fault = if text.is_empty() {
        Fault::Empty
    } else if text.len() > bytes_max {
        Fault::TooLong(text.len())
    } else if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    } else if let Some(char) = text.chars().find(|char| char.is_control()) {
        Fault::Control(char)
    } else {
        return Ok(());
    };
    Err(NameError { what, bytes_max, fault })
}

/// The name of a device that has none, which nearly all have: kept once.
static DEFAULT_DEVICE: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());

fn kept(text: &str) -> Arc<str> {
    if text == &**DEFAULT_DEVICE { DEFAULT_DEVICE.clone() } else { text.into() }
}

macro_rules! name {
    ($(#[$attribute:meta])* $name:ident, $what:literal, $bytes_max:expr) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text. Refused when it is empty, too long, or has control characters.
            pub fn parse(text: &str) -> Result<$name, NameError> {
                check($what, $bytes_max, text)?;
                Ok($name(kept(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as text that is kept once for all who share it.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_str(Parsed { what: $what, parse: $name::parse })
            }
        }
    };
}

name!(
    /// Someone who has an inbox: any UTF-8, 1 to 128 bytes, no control characters.
    User, "a user name", NAME_BYTES_MAX
);
name!(
    /// One of a user's devices, each with a cursor of its own. Same rules as a user name.
    Device, "a device name", NAME_BYTES_MAX
);
name!(
    /// The name a client gives a message, so that its retries are recognised. Same rules as a user name.
    ClientId, "a client message id", NAME_BYTES_MAX
);
name!(
    /// The node id of a gateway. Same rules as a user name.
    Server, "a server name", NAME_BYTES_MAX
);
name!(
    /// A channel that keeps something: 1 to 512 bytes, else the same rules.
    Channel, "a channel name", CHANNEL_BYTES_MAX
);
name!(
    /// Names one life of a ledger: positions of another epoch mean nothing in this one. 1 to 32 bytes.
    Epoch, "an epoch", EPOCH_BYTES_MAX
);

impl Default for Device {
    /// What a client that names no device is.
    fn default() -> Device {
        Device(DEFAULT_DEVICE.clone())
    }
}

/// Reads a text and parses it, so that what is stored meets the same rules as what comes from a client.
pub(crate) struct Parsed<F> {
    pub(crate) what: &'static str,
    pub(crate) parse: F,
}

impl<T, E, F> Visitor<'_> for Parsed<F>
where
    F: Fn(&str) -> Result<T, E>,
    E: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<D: Error>(self, text: &str) -> Result<T, D> {
        (self.parse)(text).map_err(D::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_any_text_of_1_to_128_bytes_without_control_characters() {
        for text in ["a", " ", "한국어", "a:b%c", "*", "{}", &"x".repeat(128), "\u{202e}"] {
            assert_eq!(User::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a\nb", "\0", "\u{7f}", "\u{85}", &"x".repeat(129), &"한".repeat(43)] {
            User::parse(text).unwrap_err();
        }
    }

    #[test]
    fn a_refused_name_is_told_the_rule_and_what_broke_it() {
        let rule = "a user name is 1 to 128 bytes of UTF-8 without control characters";
        assert_eq!(User::parse("").unwrap_err().to_string(), format!("{rule}; this one is empty"));
        assert_eq!(User::parse("a\n").unwrap_err().to_string(), format!("{rule}; this one contains U+000A"));
        let long = "x".repeat(200);
        assert_eq!(User::parse(&long).unwrap_err().to_string(), format!("{rule}; this one has 200 bytes"));
    }

    #[test]
    fn a_stored_name_meets_the_same_rules() {
        let bytes = postcard::to_allocvec("a\nb").unwrap();
        postcard::from_bytes::<User>(&bytes).unwrap_err();
        let bytes = postcard::to_allocvec("bob").unwrap();
        assert_eq!(postcard::from_bytes::<User>(&bytes).unwrap().as_str(), "bob");
    }
}
