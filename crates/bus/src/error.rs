//! Why a call came to nothing, by what happens next.

use naru_ledger::Level;
use naru_ledger::answer::Refused;
use redis::RedisError;

/// Why a call on a [`Bus`](crate::Bus) came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody's fault, and temporary: the broker is not there. Nothing was executed, or its outcome is unknown;
    /// asking again is safe for every ledger step.
    #[error("the broker cannot be reached for the moment; try again")]
    Unreachable,
    /// The broker's trouble, and temporary: it has no room, may not write, or is not ready; or what was written is not as safe
    /// as was asked for. So it is done, half done, or not; asking again is safe for every ledger step.
    #[error("{code} {message}")]
    Uncertain {
        /// The first word of the broker's error, as `OOM`, `READONLY`, `DISKFULL`; or `LEVEL`.
        code: String,
        /// The rest of it.
        message: String,
    },
    /// The broker understood and will not. Asking the same again gets the same answer.
    #[error("{code} {message}")]
    Refused {
        /// The first word of the error reply, as `ERR`, `FORBIDDEN`, `NOTFOUND`, `TOOBIG`.
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

/// What Redis, Valkey and Naru's broker say when they are in trouble that may pass: no memory, no disk, a replica by now, still
/// loading, a script that does not end, too few replicas.
const TROUBLE: [&str; 11] = [
    "BUSY",
    "CLUSTERDOWN",
    "DISKFULL",
    "IOERR",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
];

impl BusError {
    /// Whether asking the same again may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, BusError::Unreachable | BusError::Uncertain { .. })
    }

    /// Of channels Naru's broker says `OOM` where one of their bounds is reached, and then nothing is done; Redis and Valkey where
    /// their memory is full, which is trouble.
    pub(crate) fn of_channels(self) -> BusError {
        match self {
            BusError::Uncertain { code, message } if code == "OOM" => BusError::Refused { code, message },
            other => other,
        }
    }

    /// What was written has got only so far.
    pub(crate) fn only_reached(level: Level) -> BusError {
        let message = format!("it is done, but survives no more than level {level} says so far; try again");
        BusError::Uncertain { code: "LEVEL".to_owned(), message }
    }

    /// Nothing was written, since it can get no further than this.
    pub(crate) fn out_of_reach(level: Level, most: Level) -> BusError {
        let message =
            format!("the broker cannot give level {level}; ask for {most}, which is the most it can");
        BusError::Refused { code: "INVALID".to_owned(), message }
    }
}

impl From<RedisError> for BusError {
    fn from(error: RedisError) -> BusError {
        let Some(code) = error.code() else { return BusError::Unreachable };
        let (code, message) = (code.to_owned(), error.detail().unwrap_or_default().to_owned());
        if TROUBLE.contains(&code.as_str()) {
            BusError::Uncertain { code, message }
        } else {
            BusError::Refused { code, message }
        }
    }
}

impl From<Refused> for BusError {
    /// As a broker says it.
    fn from(refused: Refused) -> BusError {
        BusError::Refused { code: refused.code().to_owned(), message: refused.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reply: &str) -> BusError {
        let value = redis::parse_redis_value(reply.as_bytes()).unwrap();
        value.extract_error().unwrap_err().into()
    }

    #[test]
    fn trouble_that_may_pass_is_no_refusal() {
        for reply in [
            "-OOM command not allowed when used memory > 'maxmemory'.",
            "-READONLY You can't write against a read only replica.",
            "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "-LOADING Redis is loading the dataset in memory",
            "-CLUSTERDOWN Hash slot not served",
            "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "-NOREPLICAS Not enough good replicas to write.",
            "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "-TRYAGAIN Multiple keys request during rehashing of slot",
            "-DISKFULL there is no room",
            "-IOERR the log failed",
        ] {
            let error = said(&format!("{reply}\r\n"));
            assert!(matches!(error, BusError::Uncertain { .. }) && error.is_temporary(), "{error:?}");
            assert_eq!(format!("-{error}"), reply);
        }
        let refused = said("-FORBIDDEN only those who take part\r\n");
        assert!(matches!(&refused, BusError::Refused { code, .. } if code == "FORBIDDEN"), "{refused:?}");
        assert!(!refused.is_temporary());
    }

    #[test]
    fn a_bound_of_channels_is_no_trouble_that_passes() {
        let full = said("-OOM no more than 2 channels are kept\r\n").of_channels();
        assert!(matches!(&full, BusError::Refused { code, .. } if code == "OOM"), "{full:?}");
        assert!(said("-LOADING Redis is loading the dataset in memory\r\n").of_channels().is_temporary());
    }
}
