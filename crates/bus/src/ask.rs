//! One command, one answer, in bounded time.

use std::future::Future;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Value};
use tokio::time::timeout;

use crate::error::BusError;
use crate::limits::CALL_TIMEOUT;

/// Asks a command; an error reply is [`BusError::Refused`].
pub(crate) async fn ask(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, BusError> {
    Ok(in_time(connection.send_packed_command(command)).await?.extract_error()?)
}

/// Waits [`CALL_TIMEOUT`] for an answer.
pub(crate) async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> Result<T, BusError> {
    Ok(timeout(CALL_TIMEOUT, answer).await.map_err(|_| BusError::Unreachable)??)
}
