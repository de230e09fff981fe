//! The old form: commands one after the other in a body, and as many answers, one a line.

use serde::Deserialize;
use serde_json::{Deserializer, value::RawValue};

use super::{Api, http::Answered, keys::Scope, refusal::Refusal};

#[derive(Deserialize)]
struct Command {
    method: String,
    params: Option<Box<RawValue>>,
}

/// Calls them in order. One that fails does not stop the rest; none is called if one of them is no command.
pub(super) async fn call(api: &Api, scope: &Scope, body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let commands: Vec<Command> = Deserializer::from_slice(body).into_iter().collect::<Result<_, _>>()?;
    let mut answers = Vec::new();
    for Command { method, params } in &commands {
        let params = params.as_deref().map_or("{}", RawValue::get);
        let answered = match api.call(scope, method, params.as_bytes()) {
            None => Answered::Error(Refusal::not_found()),
            Some(called) => match called.await {
                Ok(result) => Answered::Result(result),
                Err(fault) => Answered::Error(fault.into()),
            },
        };
        // None behind the last: cent.js takes what follows it for one more answer.
        if !answers.is_empty() {
            answers.push(b'\n');
        }
        serde_json::to_writer(&mut answers, &answered).expect("answers have text keys and no failing parts");
    }
    Ok(answers)
}
