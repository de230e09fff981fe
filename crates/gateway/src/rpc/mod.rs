//! What chat needs beyond the client protocol, as rpc methods: one file a family, one table entry a method.

use std::rc::Rc;

use serde::{Serialize, de::Deserialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    codes::{Code, Failure, Refused},
    protocol::{
        command::Rpc,
        reply::{Outcome, RpcResult},
    },
    session::{Later, Session},
};

mod ack;
mod history;
mod publish;
mod send;

/// Reads what a method is called with, and does it.
type Method = fn(&Rc<Session>, Option<&RawValue>) -> Result<Later, Failure>;

/// Whether a method's result may wait behind those of others. Large ones would add up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Shared,
    Alone,
}

const METHODS: [(&str, Method, Company); 4] = [
    ("send", send::call, Company::Shared),
    ("ack", ack::call, Company::Shared),
    ("publish", publish::call, Company::Shared),
    ("history", history::call, Company::Alone),
];

/// Calls a method. One we do not have is "not available", as the SDKs' own suite wants it.
pub(crate) fn call(session: &Rc<Session>, rpc: &Rpc<'_>) -> Result<Later, Failure> {
    let (_, method, _) =
        METHODS.iter().find(|(name, ..)| *name == rpc.method).ok_or(Failure::from(Code::NotAvailable))?;
    method(session, rpc.data)
}

/// Whether nothing else of this client may be under way beside the call.
pub(crate) fn is_alone(rpc: &Rpc<'_>) -> bool {
    METHODS.iter().any(|(name, _, company)| *name == rpc.method && *company == Company::Alone)
}

/// Reads a method's data; `form` says what it looks like.
fn read<'a, T: Deserialize<'a>>(data: Option<&'a RawValue>, form: &str) -> Result<T, Refused> {
    let data = data.map_or("null", RawValue::get);
    serde_json::from_str(data)
        .map_err(|error| Refused::bad(format_args!("{error}; the data has the form {form}")))
}

fn result(data: &impl Serialize) -> Outcome {
    let data = to_raw_value(data).expect("results have text keys and no failing parts");
    Outcome::Rpc(RpcResult { data })
}
