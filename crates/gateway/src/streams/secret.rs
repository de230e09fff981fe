use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Random bytes of a secret.
const SECRET_BYTES: usize = 24;

/// What a session's commands are sent with: nobody guesses it, and no two are the same.
pub(super) fn new() -> Result<Box<str>, getrandom::Error> {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random)?;
    Ok(URL_SAFE_NO_PAD.encode(random).into())
}
