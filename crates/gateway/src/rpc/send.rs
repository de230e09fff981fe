//! `send`: a message to a person, kept until they have it.

use std::{borrow::Cow, rc::Rc};

use naru_bus::first::{self, NewMessage};
use naru_ledger::{ClientId, User, limits::BODY_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    codes::{Failure, Refused},
    crossing,
    session::{Later, Session},
};

const FORM: &str = r#"{"to":"@bob","id":"<client id>","body":{…}}"#;

#[derive(Deserialize)]
struct Send<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Serialize)]
struct Sent {
    conversation: String,
    seq: u64,
    at: u64,
    duplicate: bool,
}

pub(super) fn call(session: &Rc<Session>, data: Option<&RawValue>) -> Result<Later, Failure> {
    let Send { to, id, body } = super::read(data, FORM)?;
    let to = recipient(&to)?;
    let id = ClientId::parse(&id).map_err(Refused::bad)?;
    if body.get().len() > BODY_BYTES_MAX {
        return Err(Refused::bad(format_args!(
            "the body has {} bytes, and at most {BODY_BYTES_MAX} are kept; put what is larger elsewhere and send a link",
            body.get().len()
        ))
        .into());
    }
    let from = session.member().user.clone();
    let message = NewMessage { from: from.clone(), to: to.clone(), id, body: body.to_owned() };
    let session = session.clone();
    Ok(Box::pin(async move {
        crossing::hand(&session.shared().server, &from, &to);
        let sent = session.shared().bus.first_send(message).await?;
        crossing::send(&session.shared().server, &from, &to, &sent);
        let first::Sent { conversation, seq, at, duplicate } = sent;
        Ok(super::result(&Sent { conversation, seq, at, duplicate }))
    }))
}

fn recipient(to: &str) -> Result<User, Refused> {
    let name = to
        .strip_prefix('@')
        .ok_or_else(|| Refused::bad(r#""to" is a user's name behind an @, as in "@bob""#))?;
    User::parse(name).map_err(Refused::bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_user_name_behind_an_at() {
        assert_eq!(recipient("@bob").unwrap().as_str(), "bob");
        assert_eq!(recipient("@@bob").unwrap().as_str(), "@bob");
        for to in ["", "@", "bob", " @bob", "@a\nb"] {
            recipient(to).unwrap_err();
        }
    }
}
