use std::collections::BTreeSet;
use std::time::Duration;

use naru_ledger::answer::{
    Appended, Changed, Content, Delivered, Entry, How, Page, Pointer, PointerKind, Resumed, Text, Traced,
    Written,
};
use naru_ledger::op::{
    Ack, Append, Change, Delete, Deliver, Edit, From, History, Membership, Read, Recipient, Resume, Run,
    Said, ServerIs, Sweep, What, Within,
};
use naru_ledger::{
    Answer, Body, ClientId, Conversation, Device, Epoch, Kind, Level, Millis, Mode, Op, Position, Role, Room,
    Seq, Server, Useq, User, Version,
};
use redis::Value;

use super::answer;
use super::request;
use crate::error::BusError;

fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

fn at(id: &str) -> Conversation {
    Conversation::parse(id).unwrap()
}

fn id(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

fn append(said: Said) -> Append {
    let level = Level::Fsync;
    Append { conversation: at("room:a"), sender: user("alice"), client_id: id("c1"), said, level }
}

fn message(mentions: &[&str]) -> Append {
    let mentions = mentions.iter().map(|name| user(name)).collect();
    append(Said::Message { body: Body::from(b"{}".as_slice()), mentions })
}

fn history(from: From) -> Op {
    Op::History(History { conversation: at("room:a"), reader: None, from, limit: 9, bytes: None })
}

/// Its words, those with spaces in quotes.
fn words(op: &Op) -> String {
    let request = request(op);
    let arguments = request.arguments().map(|argument| match std::str::from_utf8(argument).unwrap() {
        word if word.is_empty() || word.contains(' ') => format!("{word:?}"),
        word => word.to_owned(),
    });
    [request.name.to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_operation_has_the_words_its_documentation_says() {
    let run = Run { server: Server::parse("s1").unwrap(), epoch: Epoch::parse("e1").unwrap() };
    let device = Device::parse("phone").unwrap();
    let body = Body::from(b"{}".as_slice());
    let to = [("alice", false), ("bob", true)];
    let to = to.map(|(name, mentioned)| Recipient { user: user(name), mentioned });
    let deliver = Deliver {
        conversation: at("room:a"),
        seq: Seq(7),
        count: 5,
        sender: user("alice"),
        kind: Kind::Message,
        mode: Mode::FanOut,
        to: to.into(),
    };
    let resume = |from| Op::Resume(Resume { user: user("bob"), device: device.clone(), from, limit: 50 });
    let ack = |within| Op::Ack(Ack { user: user("bob"), device: device.clone(), useq: Useq(3), within });
    let member = |change| {
        Op::Membership(Membership { room: Room::parse("room:a").unwrap(), user: user("bob"), change })
    };
    let server = |lease| Op::Server(ServerIs { run: run.clone(), lease });
    let (conversation, sender, client_id, target, level) =
        (at("room:a"), user("alice"), id("c2"), Seq(1), Level::Replica);
    let edit = Edit { conversation, sender, client_id, target, body: body.clone(), level };
    let Edit { conversation, sender, client_id, .. } = edit.clone();
    let delete = Delete { conversation, sender, client_id, target, level: Level::Fsync };
    let sent = What::Sent { sender: user("alice"), client_id: id("c 1") };
    let trace = |what| Op::Trace { conversation: at("room:a"), what };
    let sweep = Sweep {
        server: run.server.clone(),
        older_than: Duration::from_secs(1),
        limit: 100,
        lease: Duration::from_millis(2500),
    };
    for (op, expected) in [
        (Op::Append(message(&[])), "NARU.APPEND room:a alice c1 {}"),
        (Op::Send(message(&["bob", "eve"])), "NARU.SEND room:a alice c1 {} MENTION 2 bob eve"),
        (
            Op::Append(append(Said::Reaction { target: Seq(3), body: body.clone() })),
            "NARU.APPEND room:a alice c1 {} KIND reaction TARGET 3",
        ),
        (
            Op::Append(Append { level: Level::Memory, ..append(Said::System { body }) }),
            "NARU.APPEND room:a alice c1 {} KIND system LEVEL memory",
        ),
        (Op::Edit(edit), "NARU.EDIT room:a alice c2 1 {} LEVEL replica"),
        (Op::Delete(delete), "NARU.DELETE room:a alice c2 1"),
        (Op::Deliver(deliver.clone()), "NARU.DELIVER room:a 7 5 alice USERS 2 alice bob MENTIONED 1 bob"),
        (
            Op::Deliver(Deliver { kind: Kind::Join, mode: Mode::Broadcast, to: Vec::new(), ..deliver }),
            "NARU.DELIVER room:a 7 5 alice USERS 0 KIND join MODE broadcast",
        ),
        (Op::Done { conversation: at("dm:a:b"), seq: Seq(2) }, "NARU.DONE dm:a:b 2"),
        (Op::Sweep(sweep), "NARU.SWEEP s1 1000 100 2500"),
        (resume(None), "NARU.RESUME bob phone \"\" 0 50"),
        (resume(Some(Position { epoch: run.epoch.clone(), useq: Useq(9) })), "NARU.RESUME bob phone e1 9 50"),
        (
            Op::Changed { user: user("bob"), device: device.clone(), after: Useq(4), limit: 10 },
            "NARU.CHANGED bob phone 4 10",
        ),
        (Op::Conversations { user: user("bob"), before: None, limit: 10 }, "NARU.CONVERSATIONS bob 0 10"),
        (ack(None), "NARU.ACK bob phone 3"),
        (
            ack(Some(Within { conversation: at("dm:a:b"), seq: Seq(8) })),
            "NARU.ACK bob phone 3 WITHIN dm:a:b 8",
        ),
        (
            Op::Read(Read { user: user("bob"), conversation: at("dm:a:b"), seq: Seq(8), count: 6 }),
            "NARU.READ bob dm:a:b 8 6",
        ),
        (Op::Mark { conversation: at("dm:a:b"), user: user("b"), seq: Seq(8) }, "NARU.MARK dm:a:b b 8"),
        (history(From::Newest), "NARU.HISTORY room:a \"\" BEFORE 0 9"),
        (history(From::Before(Seq(4))), "NARU.HISTORY room:a \"\" BEFORE 4 9"),
        (
            Op::History(History {
                conversation: at("room:a"),
                reader: Some(user("bob")),
                from: From::After(Seq(4)),
                limit: 9,
                bytes: Some(1000),
            }),
            "NARU.HISTORY room:a bob AFTER 4 9 1000",
        ),
        (member(Change::Make), "NARU.MAKE room:a bob"),
        (member(Change::Join(Role::Owner)), "NARU.JOIN room:a bob owner"),
        (member(Change::Leave), "NARU.LEAVE room:a bob"),
        (member(Change::Role(Role::Reader)), "NARU.ROLE room:a bob reader"),
        (Op::Members { conversation: at("room:a"), after: None, limit: 20 }, "NARU.MEMBERS room:a \"\" 20"),
        (server(None), "NARU.SERVER s1 e1 \"\""),
        (server(Some(Duration::from_secs(15))), "NARU.SERVER s1 e1 15000"),
        (Op::Route { run: run.clone(), users: vec![user("a"), user("b")] }, "NARU.ROUTE s1 e1 a b"),
        (Op::Unroute { run: run.clone(), users: vec![user("a")] }, "NARU.UNROUTE s1 e1 a"),
        (Op::Presence { users: vec![user("a")] }, "NARU.PRESENCE a"),
        (trace(What::Seq(Seq(3))), "NARU.TRACE room:a 3"),
        (trace(sent), "NARU.TRACE room:a alice \"c 1\""),
        (Op::Standing { user: user("bob"), conversation: at("room:a") }, "NARU.STANDING bob room:a"),
    ] {
        assert_eq!(words(&op), expected);
    }
}

fn bulk(text: &str) -> Value {
    Value::BulkString(text.into())
}

fn array<const N: usize>(values: [Value; N]) -> Value {
    Value::Array(values.into())
}

const INT: fn(i64) -> Value = Value::Int;

#[test]
fn a_reply_reads_as_the_answer_it_is() {
    let append = Op::Append(message(&[]));
    let reply = [INT(7), INT(1_700), INT(6), INT(5), INT(1), INT(2), bulk("broadcast"), bulk("memory")];
    let appended = Appended {
        seq: Seq(7),
        at: Millis(1_700),
        prev: Seq(6),
        count: 5,
        repeat: true,
        version: Version(2),
        mode: Mode::Broadcast,
        level: Level::Memory,
    };
    assert_eq!(answer(&append, array(reply)), Ok(Answer::Appended(appended)));

    let pointers = array([
        array([INT(3), bulk("dm:a:b"), INT(1), INT(2), bulk("message")]),
        array([INT(4), bulk("dm:a:b"), INT(2), INT(2), bulk("read")]),
    ]);
    let (user_b, device) = (user("b"), Device::default());
    let resume = Op::Resume(Resume { user: user_b.clone(), device, from: None, limit: 2 });
    let reply = [bulk("e1"), INT(2), INT(9), INT(2), bulk("ring"), INT(1), pointers, array([])];
    let pointer = |useq, after, kind| Pointer {
        useq: Useq(useq),
        conversation: at("dm:a:b"),
        after: Seq(after),
        seq: Seq(2),
        kind,
    };
    let resumed = Resumed {
        epoch: Epoch::parse("e1").unwrap(),
        cursor: Useq(2),
        head: Useq(9),
        start: Useq(2),
        how: How::Ring,
        more: true,
        pointers: vec![pointer(3, 1, PointerKind::Entry(Kind::Message)), pointer(4, 2, PointerKind::Read)],
        channels: Vec::new(),
    };
    assert_eq!(answer(&resume, array(reply)), Ok(Answer::Resumed(resumed)));

    let delivery = array([bulk("b"), INT(3), INT(1), array([bulk("s1"), bulk("s2")])]);
    let deliver = Op::Deliver(Deliver {
        conversation: at("dm:a:b"),
        seq: Seq(2),
        count: 2,
        sender: user("a"),
        kind: Kind::Message,
        mode: Mode::FanOut,
        to: Vec::new(),
    });
    let servers = ["s1", "s2"].map(|name| Server::parse(name).unwrap()).into();
    let delivered = Delivered { user: user_b.clone(), useq: Useq(3), after: Seq(1), servers };
    assert_eq!(answer(&deliver, array([delivery])), Ok(Answer::Delivered(vec![delivered])));

    let change = Op::Membership(Membership {
        room: Room::parse("room:a").unwrap(),
        user: user_b,
        change: Change::Leave,
    });
    let reply = [INT(3), INT(8), INT(1), INT(1_700), INT(7), INT(5), bulk("fanout"), INT(0)];
    let written = Written { seq: Seq(8), at: Millis(1_700), prev: Seq(7), count: 5, switched: None };
    let changed = Changed { version: Version(3), mode: Mode::FanOut, written: Some(written) };
    assert_eq!(answer(&change, array(reply)), Ok(Answer::Changed(changed)));

    let trace = Op::Trace { conversation: at("room:a"), what: What::Seq(Seq(1)) };
    let reply = [INT(0), INT(0), INT(0), INT(0), bulk("fanout"), INT(0), Value::Nil];
    let traced = Traced {
        head: Seq::ZERO,
        fanned_out: Seq::ZERO,
        trimmed: Seq::ZERO,
        version: Version::ZERO,
        mode: Mode::FanOut,
        done: false,
        entry: None,
    };
    assert_eq!(answer(&trace, array(reply)), Ok(Answer::Traced(traced)));
}

#[test]
fn an_entry_of_each_kind_is_read() {
    let body = || Body::from(br#"{"a": 1}"#.as_slice());
    let said = Text::AsSaid(body());
    let edited = Text::Edited { body: body(), by: Seq(9) };
    let mentions: BTreeSet<User> = ["b", "c"].map(user).into();
    for (rest, client_id, content) in [
        (
            r#""kind":"message","from":"a","id":"c1","at":5,"mentions":["b","c"],"body":{"a": 1}"#,
            Some("c1"),
            Content::Message { text: said.clone(), mentions },
        ),
        (
            r#""kind":"message","from":"a","id":"c1","at":5,"changed":9"#,
            Some("c1"),
            Content::Message { text: Text::Deleted { by: Seq(9) }, mentions: BTreeSet::new() },
        ),
        (
            r#""kind":"reaction","from":"a","id":"c1","at":5,"target":3,"changed":9,"body":{"a": 1}"#,
            Some("c1"),
            Content::Reaction { target: Seq(3), text: edited },
        ),
        (
            r#""kind":"system","from":"a","id":"c1","at":5,"body":{"a": 1}"#,
            Some("c1"),
            Content::System { text: said },
        ),
        (
            r#""kind":"edit","from":"a","id":"c1","at":5,"target":3,"body":{"a": 1}"#,
            Some("c1"),
            Content::Edit { target: Seq(3), body: Some(body()) },
        ),
        (
            r#""kind":"delete","from":"a","id":"c1","at":5,"target":3"#,
            Some("c1"),
            Content::Delete { target: Seq(3) },
        ),
        (r#""kind":"join","from":"a","at":5,"role":"owner""#, None, Content::Join { role: Role::Owner }),
        (r#""kind":"leave","from":"a","at":5"#, None, Content::Leave),
        (r#""kind":"role","from":"a","at":5,"role":"reader""#, None, Content::Role { role: Role::Reader }),
        (r#""kind":"broadcast","from":"a","at":5"#, None, Content::Broadcast),
    ] {
        let json = format!(r#"{{"conversation":"room:a","seq":7,"prev":6,"count":5,{rest}}}"#);
        let entry = Entry {
            conversation: at("room:a"),
            seq: Seq(7),
            prev: Seq(6),
            count: 5,
            at: Millis(5),
            sender: user("a"),
            client_id: client_id.map(id),
            content,
        };
        let page = Page { trimmed: Seq(1), head: Seq(7), more: false, entries: vec![entry] };
        let reply = array([INT(1), INT(7), INT(0), array([bulk(&json)])]);
        assert_eq!(answer(&history(From::Newest), reply), Ok(Answer::Page(page)));
    }
}

#[test]
fn a_reply_of_another_shape_is_a_protocol_error_not_a_panic() {
    let done = Op::Done { conversation: at("dm:a:b"), seq: Seq(2) };
    let page = |json: &str| array([INT(1), INT(7), INT(0), array([bulk(json)])]);
    let start = r#"{"conversation":"room:a","seq":7,"prev":6,"count":5,"from":"a","at":5,"#;
    for (op, reply) in [
        (done.clone(), Value::Nil),
        (done, INT(-1)),
        (Op::Append(message(&[])), array([INT(1)])),
        (Op::Presence { users: Vec::new() }, array([INT(1)])),
        (history(From::Newest), page("{}")),
        (history(From::Newest), page(&format!(r#"{start}"kind":"message"}}"#))),
        (history(From::Newest), page(&format!(r#"{start}"kind":"join","role":"king"}}"#))),
        (history(From::Newest), page(&format!(r#"{start}"kind":"shout","body":1}}"#))),
    ] {
        assert!(matches!(answer(&op, reply), Err(BusError::Protocol(_))), "{op:?}");
    }
}
