//! What is wrong in a configuration, and where.

use std::fmt::{self, Display, Formatter};

use serde::de::{Error, Expected, Unexpected};

use super::tree::Place;
use crate::{nearest, wanted};

/// Something wrong. Values are not repeated: one may be a secret.
#[derive(Debug)]
pub(super) struct Fault {
    what: What,
    /// The innermost place that is known.
    place: Option<Place>,
    /// Keys that lead there, the innermost first.
    path: Vec<String>,
}

#[derive(Debug)]
enum What {
    Unknown { key: String, known: &'static [&'static str] },
    Other(String),
}

impl Fault {
    pub(super) fn new(what: impl Display) -> Fault {
        Fault { what: What::Other(what.to_string()), place: None, path: Vec::new() }
    }

    /// The same, found in what stands under `key` at `place`.
    pub(super) fn within(mut self, key: impl Into<String>, place: &Place) -> Fault {
        self.path.push(key.into());
        self.at(place)
    }

    pub(super) fn at(mut self, place: &Place) -> Fault {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// In one line, for what was read from a file of this name.
    pub(super) fn told(&self, file: &str) -> String {
        let place = match &self.place {
            Some(Place::Line(line)) => format!("{file}:{line}: "),
            Some(Place::Variable(name)) => format!("{name}: "),
            None => format!("{file}: "),
        };
        let path = self.path.iter().rev().fold(String::new(), |path, key| match key.as_str() {
            key if path.is_empty() || key.starts_with('[') => path + key,
            key => format!("{path}.{key}"),
        });
        match &self.what {
            What::Other(what) if path.is_empty() => format!("{place}{what}"),
            What::Other(what) => format!("{place}{path}: {what}"),
            What::Unknown { key, known } => {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let hint = match nearest::nearest(key, known.iter().copied()) {
                    Some(hint) => format!(": did you mean {hint}?"),
                    None => format!("; what there is: {}", known.join(", ")),
                };
                format!("{place}{path} is no setting{hint}")
            }
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told("the configuration"))
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: Display>(what: T) -> Fault {
        let what = what.to_string();
        Fault::new(wanted::instead_of(&what).unwrap_or(&what))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        Fault::new(format_args!("it takes {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        Fault::new(format_args!("it takes {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Fault {
        let words: Vec<_> = expected.iter().filter(|it| !it.is_empty()).map(|it| format!("{it:?}")).collect();
        Fault::new(match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("it takes {} or {last}", rest.join(", ")),
            _ => format!("it takes {}", words.concat()),
        })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Fault {
        Fault { what: What::Unknown { key: key.to_owned(), known }, place: None, path: Vec::new() }
    }

    fn missing_field(key: &'static str) -> Fault {
        Fault::new(format_args!("{key} is missing"))
    }
}
