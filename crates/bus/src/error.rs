//! Why a call came to nothing, by what happens next.

use naru_ledger::answer::Refused;
use redis::RedisError;

/// Why a call on a [`Bus`](crate::Bus) came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody's fault, and temporary: the broker is not there. Nothing was executed, or its outcome is unknown;
    /// asking again is safe for every ledger step.
    #[error("the broker cannot be reached for the moment; try again")]
    Unreachable,
    /// The broker understood and will not. Asking the same again gets the same answer, unless the code says
    /// that the broker is in trouble (`IOERR`, `DISKFULL`, `LOADING`).
    #[error("{code} {message}")]
    Refused {
        /// The first word of the error reply, as `ERR`, `FORBIDDEN`, `INVALID`, `TOOBIG`.
        code: String,
        /// The rest of it.
        message: String,
    },
    /// The broker's reply is not what this version expects.
    #[error("the broker's answer is not understood ({0}); run the same version of naru on both sides")]
    Protocol(String),
    /// The operator's fault: what is there can keep no ledger, or nothing is there. The text says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The operator's fault: the address of the broker.
    #[error("{0}")]
    BadTarget(String),
}

impl From<RedisError> for BusError {
    fn from(error: RedisError) -> BusError {
        match error.code() {
            Some(code) => BusError::Refused {
                code: code.to_owned(),
                message: error.detail().unwrap_or_default().to_owned(),
            },
            None => BusError::Unreachable,
        }
    }
}

impl From<Refused> for BusError {
    /// As a broker says it.
    fn from(refused: Refused) -> BusError {
        BusError::Refused { code: refused.code().to_owned(), message: refused.to_string() }
    }
}
