//! `send`: a message to a person or into a room, kept until everybody has it; or a reaction to one.

use std::{borrow::Cow, collections::BTreeSet, rc::Rc};

use naru_ledger::op::{Append, Said};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    codes::{Failure, Refused},
    crossing,
    session::{Later, Session},
};

const FORM: &str = r#"{"to":"@bob" or "room:general","id":"<client id>","body":{…}}, and if wanted "mentions":["carol"], "kind":"reaction" with "target":<seq>, "level":"memory", "fsync" or "replica""#;

#[derive(Deserialize)]
struct Send<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    target: Option<u64>,
    #[serde(default)]
    mentions: Vec<String>,
    #[serde(borrow)]
    level: Option<Cow<'a, str>>,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let send: Send<'_> = super::read(data, FORM)?;
    let sender = session.member().user.clone();
    let conversation = super::place(&send.to, &sender)?;
    let append = Append {
        conversation,
        sender,
        client_id: super::client_id(&send.id)?,
        level: super::level(session, send.level.as_deref())?,
        said: said(send)?,
    };
    let session = session.clone();
    Ok(Box::pin(async move {
        let Append { conversation, sender, .. } = &append;
        let server = &session.shared().server;
        crossing::hand(server, sender, conversation);
        let sent = session.shared().bus.send(&append).await?;
        crossing::send(server, sender, conversation, &sent);
        Ok(super::stored::result(conversation, &sent))
    }))
}

fn said(send: Send<'_>) -> Result<Said, Refused> {
    let Send { body, kind, target, mentions, .. } = send;
    let body = super::body(body);
    match (kind.as_deref().unwrap_or("message"), target) {
        ("message", None) => {
            let mentions: Result<BTreeSet<_>, _> = mentions.iter().map(|name| super::user(name)).collect();
            Ok(Said::Message { body, mentions: mentions? })
        }
        ("reaction", Some(target)) if mentions.is_empty() => {
            Ok(Said::Reaction { target: super::seq(target)?, body })
        }
        ("message" | "reaction", _) => Err(Refused::bad(
            "a reaction has a target, the seq of a message, and a message may have mentions",
        )),
        _ => Err(Refused::bad(r#"what clients send is of the kind "message" or "reaction""#)),
    }
}

#[cfg(test)]
mod tests {
    use naru_ledger::Seq;

    use super::*;

    fn read(more: &str) -> Result<Said, Refused> {
        let data = format!(r#"{{"to":"@bob","id":"1","body":{{}}{more}}}"#);
        said(serde_json::from_str(&data).unwrap())
    }

    #[test]
    fn a_message_may_mention_and_a_reaction_has_a_target() {
        assert!(matches!(read("").unwrap(), Said::Message { mentions, .. } if mentions.is_empty()));
        let mentions = read(r#","kind":"message","mentions":["bob","carol","bob"]"#).unwrap();
        assert!(matches!(mentions, Said::Message { mentions, .. } if mentions.len() == 2));
        let reaction = read(r#","kind":"reaction","target":3"#).unwrap();
        assert!(matches!(reaction, Said::Reaction { target: Seq(3), .. }));
        for more in [
            r#","target":3"#,
            r#","kind":"reaction""#,
            r#","kind":"reaction","target":3,"mentions":["bob"]"#,
            r#","kind":"system""#,
            r#","mentions":[""]"#,
        ] {
            read(more).unwrap_err();
        }
    }
}
