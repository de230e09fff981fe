//! One command, one answer, in bounded time.

use std::future::Future;

use redis::Value;
use tokio::time::timeout;

use crate::connection::{Command, Connection};
use crate::error::BusError;
use crate::limits::CALL_TIMEOUT;

/// Asks a command; an error reply is [`BusError::Refused`].
pub(crate) async fn ask(connection: &Connection, command: &impl Command) -> Result<Value, BusError> {
    Ok(in_time(connection.call(command)).await?.extract_error()?)
}

/// Waits [`CALL_TIMEOUT`] for an answer.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    timeout(CALL_TIMEOUT, answer).await.map_err(|_| BusError::Unreachable)?
}
