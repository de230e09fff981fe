//! Inbox and log entries as JSON, as they travel to gateways. A body was checked to be JSON when it came in and is
//! embedded as it is.

use naru_ledger::{Entry, Epoch, User};

/// `{"offset":7,"conversation":"dm:a:b","seq":1,"from":"a","to":"b","id":"c1","at":1700000000000,"body":{…}}`;
/// `offset` only for what was read from an inbox.
pub(super) fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(useq) = entry.useq {
        field(out, "offset");
        integer(out, useq.0);
        out.push(b',');
    }
    field(out, "conversation");
    string(out, entry.conversation.as_str());
    out.push(b',');
    field(out, "seq");
    integer(out, entry.seq.0);
    out.push(b',');
    for (name, value) in [("from", entry.from.as_str()), ("to", entry.to.as_str()), ("id", entry.id.as_str())]
    {
        field(out, name);
        string(out, value);
        out.push(b',');
    }
    field(out, "at");
    integer(out, entry.at.0);
    out.push(b',');
    field(out, "body");
    out.extend_from_slice(entry.body.as_bytes());
    out.push(b'}');
}

/// `{"user":"b","epoch":"…","entry":{…}}`: what the servers that hold a user are told of a new message.
pub(super) fn delivery(user: &User, epoch: &Epoch, entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.bytes() + 200);
    out.push(b'{');
    field(&mut out, "user");
    string(&mut out, user.as_str());
    out.push(b',');
    field(&mut out, "epoch");
    string(&mut out, epoch.as_str());
    out.push(b',');
    field(&mut out, "entry");
    write_entry(entry, &mut out);
    out.push(b'}');
    out
}

fn field(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text)
        .expect("a string is always JSON, and a vector takes all that is written");
}

fn integer(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use naru_ledger::{Append, ClientId, Direct, Ledger, Millis};

    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_strings() {
        let names = ["a\"},{\"from\":\"x", "\u{2028}\\"];
        let [alice, bob] = names.map(|name| User::parse(name).unwrap());
        let mut ledger = Ledger::new(Epoch::parse("e1").unwrap());
        let append = Append {
            conversation: Direct::between(&alice, &bob),
            sender: alice.clone(),
            client_id: ClientId::parse("\"").unwrap(),
            body: b"{\"text\":\"hi\"}".as_slice().into(),
        };
        let sent = ledger.send(append, Millis(5), &mut Vec::new()).unwrap();
        for delivery_ in sent.deliveries {
            let json = delivery(&delivery_.user, ledger.epoch(), &delivery_.entry);
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(value["user"], delivery_.user.as_str());
            assert_eq!(value["entry"]["from"], names[0]);
            assert_eq!(value["entry"]["to"], names[1]);
            assert_eq!(value["entry"]["offset"], 1);
            assert_eq!(value["entry"]["body"]["text"], "hi");
        }
    }
}
