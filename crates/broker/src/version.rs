/// The version of Naru.
pub(crate) const NARU_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The Redis version whose commands and replies are the measure here; clients derive from it what they may use.
pub(crate) const REDIS_VERSION: &str = "7.4.0";
