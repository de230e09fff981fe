//! `presence`: which of some users are connected.

use serde::{Deserialize, Serialize};

use super::super::super::{Api, refusal::Refusal};
use crate::limits::MEMBERS_MAX;

#[derive(Deserialize)]
pub(super) struct Asked {
    users: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Presence {
    online: Vec<String>,
}

pub(super) async fn call(api: &Api, asked: Asked) -> Result<Presence, Refusal> {
    if asked.users.len() > MEMBERS_MAX {
        return Err(Refusal::bad(format_args!("at most {MEMBERS_MAX} users are asked for at once")));
    }
    let users: Vec<_> = asked.users.iter().map(|name| super::user(name)).collect::<Result<_, _>>()?;
    if users.is_empty() {
        return Ok(Presence { online: Vec::new() });
    }
    let present = api.bus.presence(users).await?;
    Ok(Presence { online: present.into_iter().map(|one| one.user.as_str().to_owned()).collect() })
}
