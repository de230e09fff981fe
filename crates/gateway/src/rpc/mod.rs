//! What chat needs beyond the client protocol, as rpc methods: one file a method, one table entry each.

use std::rc::Rc;

use naru_ledger::{Body, ClientId, Conversation, Direct, Level, Seq, User};
use serde::{Serialize, de::Deserialize};
use serde_json::value::RawValue;

use crate::{
    codes::{Code, Failure, Refused},
    limits::OFFSET_MAX,
    protocol::{
        command::RpcRequest,
        json,
        reply::{Outcome, RpcResult},
    },
    sabotage,
    session::{Later, Session},
};

mod ack;
mod conversations;
mod delete;
mod edit;
mod history;
mod presence;
mod publish;
mod read;
mod room;
mod send;
mod stored;

/// Reads what a method is called with, and does it.
type Method = fn(&Rc<Session>, &[u8]) -> Result<Later, Failure>;

/// Whether a method's result may wait behind those of others. Large ones would add up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Shared,
    Alone,
}

const METHODS: [(&str, Method, Company); 13] = [
    ("send", send::call, Company::Shared),
    ("edit", edit::call, Company::Shared),
    ("delete", delete::call, Company::Shared),
    ("ack", ack::call, Company::Shared),
    ("read", read::call, Company::Shared),
    ("publish", publish::call, Company::Shared),
    ("history", history::call, Company::Alone),
    ("conversations", conversations::call, Company::Alone),
    ("presence", presence::call, Company::Alone),
    ("room.join", room::join::call, Company::Shared),
    ("room.leave", room::leave::call, Company::Shared),
    ("room.role", room::role::call, Company::Shared),
    ("room.members", room::members::call, Company::Alone),
];

/// The rpc methods that are the server's own.
pub fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(name, ..)| *name)
}

/// Calls a method. One we do not have is the application's, or "not available", as the SDKs' own suite wants it; those we have are
/// of inboxes and conversations, and so for who has a name.
pub(crate) fn call(session: &Rc<Session>, rpc: &RpcRequest) -> Result<Later, Failure> {
    let Some((_, method, _)) = METHODS.iter().find(|(name, ..)| *name == rpc.method) else {
        let is_theirs = session.shared().backend.has_method(&rpc.method);
        return if is_theirs { Ok(session.call_application(rpc)) } else { Err(Code::NotAvailable.into()) };
    };
    if session.signed_in().is_none() {
        let code = if session.shared().inboxes { Code::PermissionDenied } else { Code::NotAvailable };
        return Err(code.into());
    }
    method(session, &rpc.data)
}

/// Whether a call is first of all for the application.
pub(crate) fn asks_application(session: &Session, rpc: &RpcRequest) -> bool {
    if rpc.method == "publish" {
        return publish::asks_application(session, &rpc.data);
    }
    !METHODS.iter().any(|(name, ..)| *name == rpc.method) && session.shared().backend.has_method(&rpc.method)
}

/// Whether nothing else of this client may be under way beside the call.
pub(crate) fn is_alone(rpc: &RpcRequest) -> bool {
    METHODS.iter().any(|(name, _, company)| *name == rpc.method && *company == Company::Alone)
}

/// Reads a method's data; `form` says what it looks like.
fn read<'a, T: Deserialize<'a>>(data: &'a [u8], form: &str) -> Result<T, Refused> {
    let data = if data.is_empty() { b"null" } else { data };
    serde_json::from_slice(data)
        .map_err(|error| Refused::bad(format_args!("{error}; the data has the form {form}")))
}

fn result(data: &impl Serialize) -> Outcome {
    Outcome::Rpc(RpcResult { data: json::payload_of(data) })
}

/// Where something is to be said: to a user behind an `@`, or in a conversation.
fn place(to: &str, from: &User) -> Result<Conversation, Refused> {
    match to.strip_prefix('@') {
        Some(name) => Ok(Direct::between(from, &user(name)?).into()),
        None => Conversation::parse(to).map_err(|_| {
            Refused::bad(
                r#""to" is a user's name behind an @, as in "@bob", or a conversation, as in "room:general""#,
            )
        }),
    }
}

fn conversation(id: &str) -> Result<Conversation, Refused> {
    Conversation::parse(id).map_err(Refused::bad)
}

fn user(name: &str) -> Result<User, Refused> {
    User::parse(name).map_err(Refused::bad)
}

fn client_id(id: &str) -> Result<ClientId, Refused> {
    if sabotage::is_due("forget-id") {
        return ClientId::parse(&format!("{id}~")).map_err(Refused::bad);
    }
    ClientId::parse(id).map_err(Refused::bad)
}

/// A number a client has been given. One that is too high for it is nobody's.
fn number(number: u64) -> Result<u64, Refused> {
    if number <= OFFSET_MAX {
        Ok(number)
    } else {
        Err(Refused::bad("no offset or sequence number is that high"))
    }
}

fn seq(seq: u64) -> Result<Seq, Refused> {
    number(seq).map(Seq)
}

fn body(body: &RawValue) -> Body {
    body.get().as_bytes().into()
}

/// What something is to survive: what is asked for, or else what the broker gives without waiting longer.
fn level(session: &Session, asked: Option<&str>) -> Result<Level, Refused> {
    match asked {
        Some(word) => Level::parse(word).map_err(Refused::bad),
        None => Ok(session.shared().bus.level()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_user_name_behind_an_at_or_a_conversation() {
        let alice = User::parse("alice").unwrap();
        let place = |to: &str| place(to, &alice).map(|conversation| conversation.as_str().to_owned());
        assert_eq!(place("@bob").unwrap(), "dm:alice:bob");
        assert_eq!(place("@@bob").unwrap(), "dm:@bob:alice");
        assert_eq!(place("room:general").unwrap(), "room:general");
        assert_eq!(place("dm:alice:bob").unwrap(), "dm:alice:bob");
        for to in ["", "@", "bob", " @bob", "@a\nb", "room:", "dm:bob:alice"] {
            place(to).unwrap_err();
        }
    }
}
