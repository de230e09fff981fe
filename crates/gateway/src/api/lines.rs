//! The old form: commands one after the other in a body, and as many answers, one a line.

use serde::{Deserialize, de::Error as _};
use serde_json::{Deserializer, value::RawValue};

use super::{Api, http::Answered, keys::Scope, room::Room};
use crate::limits::API_COMMANDS_MAX;

#[derive(Deserialize)]
struct Command {
    method: String,
    params: Option<Box<RawValue>>,
}

/// Calls them in order. One that fails does not stop the rest; none is called if one of them is no command.
pub(super) async fn call(api: &Api, scope: &Scope, body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let commands = Deserializer::from_slice(body).into_iter().take(API_COMMANDS_MAX + 1);
    let commands: Vec<Command> = commands.collect::<Result<_, _>>()?;
    if commands.len() > API_COMMANDS_MAX {
        let why = format_args!("a request has at most {API_COMMANDS_MAX} commands");
        return Err(serde_json::Error::custom(why));
    }
    let room = Room::new();
    let mut answers = Vec::new();
    for Command { method, params } in &commands {
        let params = params.as_deref().map_or("{}", RawValue::get);
        let answered = match room.call(api, scope, method, params.as_bytes()).await {
            Ok(result) => Answered::Result(result),
            Err(refusal) => Answered::Error(refusal),
        };
        // None behind the last: cent.js takes what follows it for one more answer.
        if !answers.is_empty() {
            answers.push(b'\n');
        }
        serde_json::to_writer(&mut answers, &answered).expect("answers have text keys and no failing parts");
    }
    Ok(answers)
}
