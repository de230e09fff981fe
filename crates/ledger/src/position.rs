//! Where something stands: in a log, in an inbox, in time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::Epoch;

macro_rules! counter {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first: nothing is there yet.
            pub const ZERO: $name = $name(0);

            /// The number after this one, which is the next to be given unless a [`Generation`](crate::Generation) lies between.
            pub fn next(self) -> $name {
                $name(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// A message's number in its conversation, from 1.
    Seq
);
counter!(
    /// An entry's number in a user's inbox, from 1. As a cursor: everything up to here.
    Useq
);

counter!(
    /// How often the members of a room have changed.
    Version
);

/// Where a client stands in an inbox: useq means nothing outside its epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The life of the ledger that gave the number.
    pub epoch: Epoch,
    /// The last number the client has seen.
    pub useq: Useq,
}

/// A moment: milliseconds since 1970 in UTC.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    /// How long ago `earlier` was; zero if it is still to come, as it may be after the clock stepped back.
    pub fn since(self, earlier: Millis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment this long after.
    pub fn after(self, duration: Duration) -> Millis {
        Millis(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
