//! What both encodings have in common.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::{
    command::*,
    encoding::{Encoding, Malformed},
    flavour::Flavour,
    json,
    message::*,
    push::{JoinLeave, Message, Push, Subscribe, What},
    reply::*,
};
use crate::codes::{Code, Refused, Unsubscribed};

fn commands(encoding: Encoding, frame: &[u8]) -> Vec<Result<Command, Malformed>> {
    encoding.commands(Bytes::copy_from_slice(frame)).collect()
}

fn all_good(encoding: Encoding, frame: &[u8]) -> bool {
    commands(encoding, frame).iter().all(Result::is_ok)
}

fn request(line: &str) -> Request {
    let mut commands = commands(Encoding::Json, line.as_bytes());
    assert_eq!(commands.len(), 1);
    commands.remove(0).unwrap().request()
}

fn in_json(message: impl Into<Reply>) -> String {
    let mut text = Vec::new();
    json::write(&mut text, &message.into());
    String::from_utf8(text).unwrap()
}

fn payload(json: &'static str) -> Bytes {
    Bytes::from_static(json.as_bytes())
}

#[test]
fn a_json_frame_holds_one_command_a_line() {
    let count = |frame: &str| commands(Encoding::Json, frame.as_bytes()).len();
    assert_eq!(count("{}"), 1);
    assert_eq!(count("{}\n"), 1);
    assert_eq!(count("{}\n{}\n"), 2);
    assert!(all_good(Encoding::Json, b"{}\r\n{\"id\":1}\n"));
    for frame in [
        "",
        "\n",
        "{}\n\n",
        "\n{}",
        "{}\n\n{}",
        "{",
        "[]",
        "[1]",
        "1",
        "null",
        "{}{}",
        "{\"id\":-1}",
        "{\"id\":\"1\"}",
        "{\"id\":1.0}",
        "{\"id\":1e0}",
        "{\"id\":4294967296}",
        "{\"id\":null}",
        "{\"id\":1,\"id\":1}",
        "{\"id\":1,\"rpc\":{},\"rpc\":{}}",
        "{\"id\":1,\"publish\":{\"channel\":\"a\",\"channel\":\"b\"}}",
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":{},\"a\":{}}}}",
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":[]}}}",
        "{\"id\":1,\"rpc\":[]}",
        "{\"id\":1,\"subscribe\":{\"recover\":1}}",
        "{\"id\":1,\"subscribe\":{\"offset\":1.5}}",
        "{\"id\":1,\"subscribe\":{\"offset\":-1}}",
        "{\"id\":1,\"rpc\":{\"data\":}}",
    ] {
        assert!(!all_good(Encoding::Json, frame.as_bytes()), "{frame:?}");
    }
}

#[test]
fn a_json_command_is_not_nested_deep() {
    let line =
        |depth: usize| format!(r#"{{"id":1,"rpc":{{"data":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(all_good(Encoding::Json, line(30).as_bytes()));
    assert!(!all_good(Encoding::Json, line(31).as_bytes()));
    assert!(!all_good(Encoding::Json, line(60_000).as_bytes()));
    assert!(!all_good(Encoding::Json, "{\"x\":".repeat(20_000).as_bytes()));
}

#[test]
fn a_protobuf_frame_holds_commands_one_after_the_other() {
    let count = |frame: &[u8]| commands(Encoding::Protobuf, frame).len();
    assert_eq!(count(&[0]), 1);
    assert_eq!(count(&[0, 2, 8, 1]), 2);
    assert!(all_good(Encoding::Protobuf, &[0, 2, 8, 1]));
    for frame in [&[][..], &[1], &[2, 8], &[2, 8, 1, 1], &[255; 11], &[3, 0x0a, 1, b'x']] {
        assert!(!all_good(Encoding::Protobuf, frame), "{frame:?}");
    }
    // Field 100 is nobody's.
    assert!(all_good(Encoding::Protobuf, &[5, 8, 1, 0xa0, 6, 7]));
}

#[test]
fn nothing_but_an_id_of_zero_is_a_pong() {
    assert!(matches!(request("{}"), Request::Pong));
    assert!(matches!(request(r#"{"rpc":{"method":"a"}}"#), Request::Pong));
    assert!(matches!(request(r#"{"send":{"data":1}}"#), Request::Send));
    assert!(matches!(request(r#"{"id":1}"#), Request::Unknown));
    assert!(matches!(request(r#"{"id":1,"ping":{}}"#), Request::Ping));
    assert!(matches!(request(r#"{"id":1,"ping":null}"#), Request::Unknown));
    let pong = commands(Encoding::Protobuf, &[0]).remove(0).unwrap();
    assert!(matches!(pong.request(), Request::Pong));
}

#[test]
fn the_first_request_in_the_schemas_order_counts() {
    let line = r#"{"rpc":{"method":"a"},"id":4294967295,"publish":{"channel":"c"}}"#;
    assert!(matches!(request(line), Request::Publish(publish) if publish.channel == "c"));
    let both = Command {
        id: 1,
        rpc: Some(RpcRequest::default()),
        publish: Some(PublishRequest::default()),
        ..Default::default()
    };
    let both = commands(Encoding::Protobuf, &both.encode_length_delimited_to_vec()).remove(0).unwrap();
    assert!(matches!(both.request(), Request::Publish(_)));
}

#[test]
fn payloads_are_kept_as_they_are_and_null_is_one() {
    let publish = |line: &str| match request(line) {
        Request::Publish(publish) => publish.data,
        other => panic!("{other:?}"),
    };
    assert_eq!(publish(r#"{"id":1,"publish":{"data":{"a": 1.50}}}"#), r#"{"a": 1.50}"#);
    assert_eq!(publish(r#"{"id":1,"publish":{"data":{"a":1,"a":2}}}"#), r#"{"a":1,"a":2}"#);
    assert_eq!(publish(r#"{"id":1,"publish":{"data":null}}"#), "null");
    assert_eq!(publish(r#"{"id":1,"publish":{}}"#), "");
}

#[test]
fn newer_members_are_ignored() {
    let line = r#"{"id":1,"new":{},"connect":{"token":"t","name":"js","flag":9,
        "subs":{"inbox:a":{"recover":true,"offset":3,"epoch":"e","x":1}},"headers":{}}}"#
        .replace('\n', " ");
    match request(&line) {
        Request::Connect(connect) => {
            assert_eq!((&*connect.token, &*connect.name), ("t", "js"));
            let standing = &connect.subs["inbox:a"];
            assert_eq!((standing.recover, standing.offset, &*standing.epoch), (true, 3, "e"));
        }
        other => panic!("{other:?}"),
    }
    let filtered = |line| matches!(request(line), Request::Subscribe(subscribe) if subscribe.tf.is_some());
    assert!(filtered(r#"{"id":1,"subscribe":{"tf":{"op":"and","nodes":[{}]}}}"#));
    assert!(!filtered(r#"{"id":1,"subscribe":{"tf":null}}"#));
}

#[test]
fn an_empty_result_is_still_there() {
    let reply = |outcome| in_json(Reply::to(7, outcome));
    assert_eq!(reply(Outcome::Publish(Empty {})), r#"{"id":7,"publish":{}}"#);
    assert_eq!(reply(Outcome::Unsubscribe(Empty {})), r#"{"id":7,"unsubscribe":{}}"#);
    assert_eq!(reply(Outcome::Subscribe(SubscribeResult::default())), r#"{"id":7,"subscribe":{}}"#);
    assert_eq!(reply(Outcome::Refresh(RefreshResult::default())), r#"{"id":7,"refresh":{}}"#);
    assert_eq!(reply(Outcome::SubRefresh(SubRefreshResult::default())), r#"{"id":7,"sub_refresh":{}}"#);
    let error = Error::from(Refused::from(Code::UnknownChannel));
    assert_eq!(reply(Outcome::Error(error)), r#"{"id":7,"error":{"code":102,"message":"unknown channel"}}"#);
    let data = payload(r#"{"offset": 1.0}"#);
    assert_eq!(reply(Outcome::Rpc(RpcResult { data })), r#"{"id":7,"rpc":{"data":{"offset": 1.0}}}"#);
    assert_eq!(Reply::to(7, Outcome::Publish(Empty {})).encode_to_vec(), [8, 7, 0x42, 0]);
    assert_eq!(in_json(Reply::default()), "{}");
}

#[test]
fn zero_values_are_left_out_but_for_the_named_ones() {
    let reply = |outcome| in_json(Reply::to(1, outcome));
    assert_eq!(reply(Outcome::Presence(PresenceResult::default())), r#"{"id":1,"presence":{"presence":{}}}"#);
    let presence = PresenceResult { presence: [("c".into(), ClientInfo::default())].into() };
    assert_eq!(
        reply(Outcome::Presence(presence)),
        r#"{"id":1,"presence":{"presence":{"c":{"user":"","client":""}}}}"#
    );
    assert_eq!(
        reply(Outcome::PresenceStats(PresenceStatsResult::default())),
        r#"{"id":1,"presence_stats":{"num_clients":0,"num_users":0}}"#
    );
    assert_eq!(
        reply(Outcome::History(HistoryResult::default())),
        r#"{"id":1,"history":{"publications":[],"epoch":"","offset":0}}"#
    );
    let result = ConnectResult {
        client: "c".into(),
        version: "Naru".into(),
        data: payload(r#"{"server":"s"}"#),
        subs: vec![ServerSide {
            channel: "inbox:a".into(),
            result: SubscribeResult {
                recoverable: true,
                positioned: true,
                epoch: "e".into(),
                ..Default::default()
            },
        }],
        ping: 25,
        pong: true,
        ..Default::default()
    };
    assert_eq!(
        reply(Outcome::Connect(Box::new(result))),
        r#"{"id":1,"connect":{"client":"c","version":"Naru","data":{"server":"s"},"subs":{"inbox:a":{"recoverable":true,"epoch":"e","positioned":true}},"ping":25,"pong":true}}"#
    );
}

#[test]
fn pushes_have_a_channel_and_what_it_is_about() {
    let at = |offset| {
        in_json(Push::publication(
            "inbox:a",
            Publication { data: payload("1"), offset, ..Default::default() },
        ))
    };
    assert_eq!(at(0), r#"{"push":{"channel":"inbox:a","pub":{"data":1}}}"#);
    assert_eq!(at(2), r#"{"push":{"channel":"inbox:a","pub":{"data":1,"offset":2}}}"#);
    assert_eq!(in_json(Push::subscribe("room:a")), r#"{"push":{"channel":"room:a","subscribe":{}}}"#);
    assert_eq!(
        in_json(Push::unsubscribe("room:a", Unsubscribed::Server)),
        r#"{"push":{"channel":"room:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#
    );
    assert_eq!(
        in_json(Push::disconnect(3001, "shutdown")),
        r#"{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}"#
    );
}

/// The numbers of Protobuf's fields, from the protocol's document, by hand.
#[test]
fn fields_have_the_protocols_numbers() {
    let numbers = |message: Vec<u8>| {
        let mut numbers = Vec::new();
        let mut rest = &message[..];
        while !rest.is_empty() {
            let (number, wire) = prost::encoding::decode_key(&mut rest).unwrap();
            prost::encoding::skip_field(wire, number, &mut rest, prost::encoding::DecodeContext::default())
                .unwrap();
            numbers.push(number);
        }
        numbers.dedup();
        numbers
    };
    let (text, some) = (|| "x".to_owned(), payload("1"));
    let info =
        || ClientInfo { user: text(), client: text(), conn_info: some.clone(), chan_info: some.clone() };
    let publication = || Publication {
        data: some.clone(),
        info: Some(info()),
        offset: 1,
        tags: HashMap::from([(text(), text())]),
        delta: true,
        time: 1,
        epoch: text(),
    };
    let error = Error { code: 1, message: text(), temporary: true };
    assert_eq!(numbers(error.encode_to_vec()), [1, 2, 3]);
    assert_eq!(numbers(info().encode_to_vec()), [1, 2, 3, 4]);
    assert_eq!(numbers(publication().encode_to_vec()), [4, 5, 6, 7, 8, 9, 14]);
    let connect = ConnectRequest {
        token: text(),
        data: some.clone(),
        subs: HashMap::from([(text(), SubscribeRequest::default())]),
        name: text(),
        version: text(),
        headers: HashMap::from([(text(), text())]),
    };
    assert_eq!(numbers(connect.encode_to_vec()), [1, 2, 3, 4, 5, 6]);
    let subscribe = SubscribeRequest {
        channel: text(),
        token: text(),
        recover: true,
        epoch: text(),
        offset: 1,
        data: some.clone(),
        positioned: true,
        recoverable: true,
        join_leave: true,
        delta: text(),
        tf: Some(Empty {}),
        flag: 1,
        kind: 1,
    };
    assert_eq!(numbers(subscribe.encode_to_vec()), [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(numbers(PublishRequest { channel: text(), data: some.clone() }.encode_to_vec()), [1, 2]);
    let since = Some(StreamPosition { offset: 1, epoch: text() });
    assert_eq!(numbers(since.as_ref().unwrap().encode_to_vec()), [1, 2]);
    let history = HistoryRequest { channel: text(), limit: 1, since, reverse: true };
    assert_eq!(numbers(history.encode_to_vec()), [1, 7, 8, 9]);
    assert_eq!(numbers(RpcRequest { data: some.clone(), method: text() }.encode_to_vec()), [1, 2]);
    let refresh = SubRefreshRequest { channel: text(), token: text(), kind: 1 };
    assert_eq!(numbers(refresh.encode_to_vec()), [1, 2, 3]);
    let command = Command {
        id: 1,
        connect: Some(connect),
        subscribe: Some(subscribe),
        unsubscribe: Some(UnsubscribeRequest::default()),
        publish: Some(PublishRequest::default()),
        presence: Some(PresenceRequest::default()),
        presence_stats: Some(PresenceStatsRequest::default()),
        history: Some(history),
        ping: Some(Empty {}),
        send: Some(SendRequest::default()),
        rpc: Some(RpcRequest::default()),
        refresh: Some(RefreshRequest::default()),
        sub_refresh: Some(refresh),
    };
    assert_eq!(numbers(command.encode_to_vec()), [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

    let subscribed = SubscribeResult {
        expires: true,
        ttl: 1,
        recoverable: true,
        epoch: text(),
        publications: vec![publication()],
        recovered: true,
        offset: 1,
        positioned: true,
        data: some.clone(),
        was_recovering: true,
        delta: true,
    };
    assert_eq!(numbers(subscribed.encode_to_vec()), [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13]);
    let connected = ConnectResult {
        client: text(),
        version: text(),
        expires: true,
        ttl: 1,
        data: some.clone(),
        subs: vec![(text(), SubscribeResult::default()).into()],
        ping: 1,
        pong: true,
        session: text(),
        node: text(),
        time: 1,
    };
    assert_eq!(numbers(connected.encode_to_vec()), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    // An empty result is there all the same.
    let plain = ServerSide { channel: "a".into(), result: SubscribeResult::default() };
    assert_eq!(plain.encode_to_vec(), b"\x0a\x01a\x12\x00");
    let history = HistoryResult { publications: vec![publication()], epoch: text(), offset: 1 };
    assert_eq!(numbers(history.encode_to_vec()), [1, 2, 3]);
    let presence = PresenceResult { presence: [(text(), info())].into() };
    assert_eq!(numbers(presence.encode_to_vec()), [1]);
    let stats = PresenceStatsResult { num_clients: 1, num_users: 1 };
    assert_eq!(numbers(stats.encode_to_vec()), [1, 2]);
    let refreshed = RefreshResult { client: text(), version: text(), expires: true, ttl: 1 };
    assert_eq!(numbers(refreshed.encode_to_vec()), [1, 2, 3, 4]);
    assert_eq!(numbers(SubRefreshResult { expires: true, ttl: 1 }.encode_to_vec()), [1, 2]);
    for (outcome, number) in [
        (Outcome::Error(Error::default()), 2),
        (Outcome::Push(Push::default()), 4),
        (Outcome::Connect(Box::default()), 5),
        (Outcome::Subscribe(subscribed), 6),
        (Outcome::Unsubscribe(Empty {}), 7),
        (Outcome::Publish(Empty {}), 8),
        (Outcome::Presence(presence), 9),
        (Outcome::PresenceStats(stats), 10),
        (Outcome::History(history), 11),
        (Outcome::Rpc(RpcResult::default()), 13),
        (Outcome::Refresh(refreshed), 14),
        (Outcome::SubRefresh(SubRefreshResult::default()), 15),
    ] {
        assert_eq!(numbers(Reply::to(1, outcome).encode_to_vec()), [1, number]);
    }

    let subscribe =
        Subscribe { recoverable: true, epoch: text(), offset: 1, positioned: true, data: some.clone() };
    assert_eq!(numbers(subscribe.encode_to_vec()), [1, 4, 5, 6, 7]);
    let join = JoinLeave { info: Some(info()) };
    assert_eq!(numbers(join.encode_to_vec()), [1]);
    let ended = Push::unsubscribe("a", Unsubscribed::Server);
    let Some(What::Unsubscribe(unsubscribe)) = &ended.what else { panic!() };
    assert_eq!(numbers(unsubscribe.encode_to_vec()), [2, 3]);
    let closed = Push::disconnect(3001, "shutdown");
    let Some(What::Disconnect(disconnect)) = &closed.what else { panic!() };
    assert_eq!(numbers(disconnect.encode_to_vec()), [1, 2]);
    assert_eq!(numbers(closed.encode_to_vec()), [11]);
    for (what, number) in [
        (What::Publication(publication()), 4),
        (What::Join(join.clone()), 5),
        (What::Leave(join), 6),
        (What::Unsubscribe(unsubscribe.clone()), 7),
        (What::Message(Message { data: some.clone() }), 8),
        (What::Subscribe(subscribe), 9),
        (What::Refresh(super::push::Refresh { expires: true, ttl: 1 }), 12),
    ] {
        assert_eq!(numbers(Push { channel: text(), what: Some(what) }.encode_to_vec()), [2, number]);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), ".{0,12}", "[a-z:#$\"\\\\\n]{1,8}"]
}

/// A payload that is JSON, or none.
fn some_json() -> impl Strategy<Value = Bytes> {
    let value = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        text().prop_map(Into::into),
        prop::collection::vec(text(), 0..3).prop_map(Into::into),
    ];
    prop_oneof![Just(Bytes::new()), value.prop_map(|value| Bytes::from(value.to_string()))]
}

prop_compose! {
    fn subscribe()(
        channel in text(), token in text(), epoch in text(), delta in text(), data in some_json(),
        offset in any::<u64>(), flag in any::<i64>(), kind in any::<i32>(), switches in any::<[bool; 5]>(),
    ) -> SubscribeRequest {
        let [recover, positioned, recoverable, join_leave, filtered] = switches;
        let tf = filtered.then_some(Empty {});
        SubscribeRequest {
            channel, token, recover, epoch, offset, data, positioned, recoverable, join_leave, delta, tf, flag, kind,
        }
    }
}

fn command() -> impl Strategy<Value = Command> {
    let set = |command: Command| Just(command);
    let subs = prop::collection::hash_map(text(), subscribe(), 0..3);
    let headers = prop::collection::hash_map(text(), text(), 0..3);
    let connect = (text(), some_json(), subs, text(), text(), headers).prop_map(
        |(token, data, subs, name, version, headers)| ConnectRequest {
            token,
            data,
            subs,
            name,
            version,
            headers,
        },
    );
    let since = prop::option::of((any::<u64>(), text()))
        .prop_map(|since| since.map(|(offset, epoch)| StreamPosition { offset, epoch }));
    let history = (text(), any::<i32>(), since, any::<bool>())
        .prop_map(|(channel, limit, since, reverse)| HistoryRequest { channel, limit, since, reverse });
    let one = prop_oneof![
        connect.prop_map(|connect| Command { connect: Some(connect), ..Default::default() }),
        subscribe().prop_map(|subscribe| Command { subscribe: Some(subscribe), ..Default::default() }),
        history.prop_map(|history| Command { history: Some(history), ..Default::default() }),
        (text(), some_json()).prop_map(|(channel, data)| Command {
            publish: Some(PublishRequest { channel, data }),
            ..Default::default()
        }),
        (text(), some_json()).prop_map(|(method, data)| Command {
            rpc: Some(RpcRequest { method, data }),
            ..Default::default()
        }),
        (text(), text(), any::<i32>()).prop_map(|(channel, token, kind)| Command {
            sub_refresh: Some(SubRefreshRequest { channel, token, kind }),
            ..Default::default()
        }),
        set(Command { ping: Some(Empty {}), ..Default::default() }),
        set(Command::default()),
    ];
    (any::<u32>(), one).prop_map(|(id, command)| Command { id, ..command })
}

prop_compose! {
    fn publication()(
        data in some_json(), offset in any::<u64>(), time in any::<i64>(), epoch in text(), delta in any::<bool>(),
        tags in prop::collection::hash_map(text(), text(), 0..2),
        info in prop::option::of((text(), text(), some_json(), some_json())),
    ) -> Publication {
        let info = info.map(|(user, client, conn_info, chan_info)| ClientInfo { user, client, conn_info, chan_info });
        Publication { data, info, offset, tags, delta, time, epoch }
    }
}

fn reply() -> impl Strategy<Value = Reply> {
    let publications = || prop::collection::vec(publication(), 0..3);
    let pushed = (text(), publication()).prop_map(|(channel, one)| Push::publication(channel, one).into());
    let history = (publications(), text(), any::<u64>())
        .prop_map(|(publications, epoch, offset)| HistoryResult { publications, epoch, offset });
    let subscribed = (publications(), text(), any::<u64>(), any::<[bool; 6]>(), any::<u32>(), some_json())
        .prop_map(|(publications, epoch, offset, switches, ttl, data)| {
            let [expires, recoverable, recovered, positioned, was_recovering, delta] = switches;
            SubscribeResult {
                expires,
                ttl,
                recoverable,
                epoch,
                publications,
                recovered,
                offset,
                positioned,
                data,
                was_recovering,
                delta,
            }
        });
    prop_oneof![
        pushed,
        history.prop_map(|history| Reply::to(1, Outcome::History(history))),
        (any::<u32>(), subscribed).prop_map(|(id, one)| Reply::to(id, Outcome::Subscribe(one))),
        some_json().prop_map(|data| Reply::to(1, Outcome::Rpc(RpcResult { data }))),
        Just(Reply::default()),
    ]
}

proptest! {
    #[test]
    fn both_forms_of_commands_are_read_as_they_were_written(all in prop::collection::vec(command(), 1..4)) {
        let protobuf: Vec<u8> = all.iter().flat_map(Command::encode_length_delimited_to_vec).collect();
        let lines: Vec<_> = all
            .iter()
            .map(|command| {
                let mut line = Vec::new();
                json::write(&mut line, command);
                line
            })
            .collect();
        let all: Vec<_> = all.into_iter().map(Ok).collect();
        prop_assert_eq!(&commands(Encoding::Protobuf, &protobuf), &all);
        prop_assert_eq!(&commands(Encoding::Json, &lines.join(&b'\n')), &all);
    }

    #[test]
    fn both_forms_of_replies_say_the_same(reply in reply()) {
        let read = Reply::decode(&*reply.encode_to_vec()).unwrap();
        prop_assert_eq!(&read, &reply);
        let text = in_json(reply.clone());
        prop_assert!(!text.contains(['\n', '\r']));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        if let Some(Outcome::Push(Push { what: Some(What::Publication(publication)), .. })) = &reply.outcome {
            let told = &value["push"]["pub"];
            prop_assert_eq!(told["offset"].as_u64().unwrap_or(0), publication.offset);
            prop_assert_eq!(told["time"].as_i64().unwrap_or(0), publication.time);
            prop_assert_eq!(told["delta"].as_bool().unwrap_or(false), publication.delta);
            prop_assert_eq!(told["info"].is_object(), publication.info.is_some());
        }
    }

    #[test]
    fn no_bytes_make_reading_panic_or_go_on_for_ever(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let all = commands(encoding, &frame);
            prop_assert!(!all.is_empty() && all.len() <= frame.len() + 1);
            prop_assert!(all.iter().rev().skip(1).all(Result::is_ok));
            all.into_iter().flatten().for_each(|command| drop(command.request()));
        }
    }

    #[test]
    fn frames_of_every_flavour_hold_one_message(reply in reply()) {
        for flavour in [
            Flavour::WebSocketJson,
            Flavour::WebSocketProtobuf,
            Flavour::StreamJson,
            Flavour::StreamProtobuf,
            Flavour::Events,
        ] {
            let held = super::flavour::held(flavour, &flavour.frame(&reply));
            let expected = match flavour.encoding() {
                Encoding::Json => in_json(reply.clone()).into_bytes(),
                Encoding::Protobuf => reply.encode_length_delimited_to_vec(),
            };
            prop_assert_eq!(held, expected);
        }
    }
}
