//! Running scripts.

use redis::Value;

use super::library::{Library, Script};
use crate::ask::in_time;
use crate::connection::Connection;
use crate::error::BusError;
use crate::wire::Request;

/// One script to be run.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The partitions it touches, which say in which slot.
    pub(super) keys: Vec<String>,
    /// What comes before the request's own arguments.
    pub(super) given: Vec<String>,
    /// The script is that of the command's name.
    pub(super) request: Request,
}

/// Runs scripts, all on their way at once, by the names under which a server knows them; those that it does not know it is given.
/// Their answers, in the same order; the first refusal ends it, though the others may have been done.
pub(super) async fn run(
    library: &Library,
    connection: &Connection,
    calls: &[Call],
) -> Result<Vec<Value>, BusError> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = redis::pipe();
    for call in calls {
        add(&mut pipeline, "EVALSHA", &script(library, call)?.sha, call);
    }
    let mut values = in_time(connection.pipeline(&pipeline)).await?;
    let unknown: Vec<usize> = (0..values.len()).filter(|i| is_unknown(&values[*i])).collect();
    if !unknown.is_empty() {
        let mut pipeline = redis::pipe();
        for i in &unknown {
            add(&mut pipeline, "EVAL", &script(library, &calls[*i])?.text, &calls[*i]);
        }
        let given = in_time(connection.pipeline(&pipeline)).await?;
        for (i, value) in unknown.into_iter().zip(given) {
            values[i] = value;
        }
    }
    values.into_iter().map(|value| Ok(value.extract_error()?)).collect()
}

fn script<'a>(library: &'a Library, call: &Call) -> Result<&'a Script, BusError> {
    let name = call.request.name;
    let unknown = || BusError::Unusable(format!("there is no script for {name}"));
    library.script(name).ok_or_else(unknown)
}

fn add(pipeline: &mut redis::Pipeline, how: &str, what: &str, call: &Call) {
    pipeline.cmd(how).arg(what).arg(call.keys.len()).arg(&call.keys).arg(&call.given);
    for argument in call.request.arguments() {
        pipeline.arg(argument);
    }
}

fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
}
