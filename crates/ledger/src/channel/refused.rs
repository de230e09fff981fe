//! Why an operation on a channel was not done.

use crate::NameError;

/// Nothing was changed. As an error it is the [code](Refused::code), a space and the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The client's fault.
    #[error("{what} has at most {bytes_max} bytes; this one has {bytes}")]
    TooLarge {
        /// What is.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The client's fault.
    #[error("SIZE is at most {size_max}")]
    Size {
        /// What it may be.
        size_max: u32,
    },
    /// The client's fault.
    #[error("{what} is 1 to {ms_max} milliseconds")]
    Time {
        /// Which time.
        what: &'static str,
        /// What it may be.
        ms_max: u128,
    },
    /// The client's fault.
    #[error("{0}")]
    Key(NameError),
    /// Nobody's: what is there is more than may be told.
    #[error("more clients are present, or more is said of them, than may be told")]
    TooMany,
    /// Nobody's: there is no room until something is forgotten.
    #[error("no more than {most} {what} are kept: raise {parameter}, or have some be forgotten earlier")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: u64,
        /// What sets that.
        parameter: &'static str,
    },
}

impl Refused {
    /// The error's first word, which clients may go by.
    pub fn code(self) -> &'static str {
        match self {
            Refused::TooLarge { .. } => "TOOBIG",
            Refused::Size { .. } | Refused::Time { .. } | Refused::Key(_) => "INVALID",
            Refused::TooMany => "TOOMANY",
            Refused::Full { .. } => "OOM",
        }
    }
}
