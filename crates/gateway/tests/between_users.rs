//! One user against another: whatever mallory can say, in bob's names and with what may be known of bob, shows nothing of
//! bob's and changes nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use naru_gateway::{COMMANDS, Gateway, RoomRules, namespaces, rpc_methods};
use serde_json::{Map, Value, json};
use support::{
    API_KEY, Client, Harbour, PATIENCE, eventually,
    far_end::{By, FarEnd},
    signed, token,
};

/// What is in all that only bob, and those whom bob says it to, may see.
const SECRET: &str = "for bob's eyes";

/// What becomes of an attempt.
#[derive(Clone, Debug)]
enum Comes {
    /// An error with one of the codes of what one may not have.
    Refused,
    /// The end of mallory's connection.
    Ended(u16),
    /// An answer, which is mallory's own: as that to this, which names nobody.
    As(Value),
    /// It is done, with mallory's own things.
    Done,
}
use Comes::{As, Done, Ended, Refused};

/// A command of mallory's, as the request that it is; an rpc is one with its method.
struct Attempt {
    command: &'static str,
    request: Value,
    comes: Comes,
}

/// Bob's things, mallory, and what is known of bob.
struct Scene {
    gateway: Gateway,
    /// Mallory's name.
    mallory: String,
    /// Bob's telephone, which has acknowledged some of the inbox.
    phone: Client,
    /// What bob's telephone was told when it connected: the client's id, and the secret of its session.
    connected: Value,
    /// Looks at what is there, as bob.
    looking: Client,
    carol: Client,
    /// The conversation of bob and mallory.
    shared: String,
    _harbour: Harbour,
}

/// Conversations that mallory is not in, or not any more.
const OTHERS: [&str; 4] = ["dm:bob:carol", "room:bobs", "room:many", "room:former"];

/// Channels that bob follows, or whose names have something of bob's.
const CHANNELS: [&str; 10] = [
    "inbox:bob",
    "room:bobs",
    "room:many",
    "room:former",
    "dm:bob:carol",
    "team:x#bob,carol",
    "team:#bob",
    "closed:bobs",
    "naru:control",
    "naru:one",
];

/// Those with a history.
const KEPT: [&str; 3] = ["team:x#bob,carol", "team:#bob", "closed:bobs"];

/// A token of bob's for a channel of bob's.
fn bobs_ticket() -> String {
    signed(json!({"sub": "bob", "channel": "closed:bobs"}))
}

fn room(name: &str) -> Value {
    json!({"conversation": name})
}

fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// Asks the server API.
fn api(address: SocketAddr, method: &str, params: &Value) -> Value {
    let (status, body) =
        post(address, &format!("/api/{method}"), &format!("X-API-Key: {API_KEY}\r\n"), &params.to_string());
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert!(answer["error"].is_null(), "{method} {params}: {answer}");
    // A batch's is bare.
    answer.get("result").unwrap_or(&answer).clone()
}

fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}");
    // In one piece: the server waits for what is missing, and the kernel with it for an answer to what was there.
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Scene {
    fn set(mallory: &str) -> Scene {
        // A third member makes a room one of many.
        let harbour = Harbour::open_with(|limits| limits.members_max = 2);
        let gateway = harbour.gateway_with("one", |options| {
            let rights = json!({
                "presence": true, "join_leave": true, "history_size": 100, "history_ttl": "1h",
                "allow_publish_for_subscriber": true, "allow_history_for_subscriber": true,
                "allow_presence_for_subscriber": true, "allow_positioning": true, "allow_recovery": true,
            });
            let channels = json!({
                "subscribe_to_user_personal_channel": {"enabled": true, "personal_channel_namespace": "team"},
                "namespaces": [
                    with(rights.clone(), json!({"name": "team", "allow_user_limited_channels": true})),
                    with(rights, json!({"name": "closed"})),
                ],
            });
            options.namespaces = serde_json::from_value::<namespaces::Settings>(channels).unwrap().into();
            options.rooms = RoomRules { made: vec!["*".into()], open: vec![] };
        });
        let address = gateway.address();
        let (mut phone, connected) =
            Client::connect_with(address, "bob", json!({"data": {"device": "phone"}}));
        let mut looking = Client::connect_with(address, "bob", json!({"data": {"device": "desk"}})).0;
        let (mut carol, mut other) = (Client::connect(address, "carol"), Client::connect(address, mallory));

        let secret = || json!({"text": SECRET});
        for (name, members) in
            [("room:bobs", &["carol"][..]), ("room:many", &["carol", "dave"]), ("room:shared", &[mallory])]
        {
            phone.rpc("room.join", room(name));
            for member in members {
                phone.rpc("room.join", with(room(name), json!({"user": member})));
            }
        }
        for (name, n) in [("room:bobs", 1), ("room:many", 2)] {
            let said = json!({"to": name, "id": format!("c{n}"), "body": secret(), "mentions": ["bob"]});
            carol.rpc("send", said);
            phone.rpc("send", json!({"to": name, "id": format!("b{n}"), "body": secret()}));
        }
        phone.rpc("send", json!({"to": "room:shared", "id": "b3", "body": {"text": "for two"}}));
        phone.rpc("room.join", room("room:former"));
        phone.rpc("room.join", with(room("room:former"), json!({"user": mallory})));
        phone.rpc("room.leave", with(room("room:former"), json!({"user": mallory})));
        phone.rpc("send", json!({"to": "room:former", "id": "b4", "body": secret()}));
        for n in 0..4 {
            let said = json!({"to": "@bob", "id": format!("d{n}"), "body": secret(), "mentions": ["bob"]});
            carol.rpc("send", said);
        }
        phone.rpc("send", json!({"to": "@carol", "id": "b5", "body": secret()}));
        carol.rpc("send", json!({"to": "@bob", "id": "d5", "body": secret()}));
        // Of what mallory has said bob has read some; of what bob has said, mallory.
        let shared = other.send("bob", "m1", "hello")["conversation"].as_str().unwrap().to_owned();
        other.send("bob", "m2", "are you there?");
        phone.rpc("send", json!({"to": shared, "id": "b6", "body": {"text": "yes"}}));
        phone.rpc("send", json!({"to": shared, "id": "b7", "body": {"text": "what is it?"}}));
        other.send("bob", "m3", "nothing");
        other.send("bob", "m4", "nothing at all");
        phone.rpc("read", json!({"conversation": shared, "seq": 5}));
        phone.rpc("ack", json!({"offset": 7}));
        looking.rpc("ack", json!({"offset": 3}));

        for (channel, request) in [
            ("team:x#bob,carol", json!({})),
            ("closed:bobs", json!({"token": bobs_ticket(), "data": secret()})),
        ] {
            let reply =
                phone.ask("subscribe", with(request, json!({"channel": channel, "recoverable": true})));
            assert!(reply["error"].is_null(), "{reply}");
            assert!(phone.ask("publish", json!({"channel": channel, "data": secret()}))["error"].is_null());
        }
        api(address, "publish", &json!({"channel": "team:#bob", "data": secret()}));
        other.leave();
        let mallory = mallory.to_owned();
        Scene { gateway, mallory, phone, connected, looking, carol, shared, _harbour: harbour }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Bob's conversations.
    fn conversations(&self) -> Vec<String> {
        OTHERS.iter().copied().chain([self.shared.as_str(), "room:shared"]).map(str::to_owned).collect()
    }

    /// All that is bob's: inbox, unread counts, cursors, conversations with what was said and how far bob has read, roles,
    /// channels with what is kept of them and who is there, connections.
    fn bobs(&mut self) -> Map<String, Value> {
        // Who answers no pings is not there for long.
        for client in [&mut self.phone, &mut self.carol] {
            client.refused("ping", json!({}));
        }
        let rpc = |method: &str, params: Value| json!({"rpc": {"method": method, "params": params}});
        let mut asked = vec![
            rpc("inbox", json!({"user": "bob", "limit": 100})),
            rpc("unread", json!({"user": "bob"})),
            rpc("presence", json!({"users": ["bob", "carol"]})),
        ];
        let conversations = self.conversations();
        asked.extend(
            conversations.iter().map(|it| rpc("cursors", json!({"user": "bob", "conversation": it}))),
        );
        for channel in KEPT {
            asked.push(json!({"history": {"channel": channel, "limit": 100}}));
            asked.push(json!({"presence": {"channel": channel}}));
        }
        let mut told = api(self.address(), "batch", &json!({"commands": asked, "parallel": true}));
        let mut all = Map::new();
        for (asked, told) in asked.iter().zip(told["replies"].as_array_mut().unwrap()) {
            assert!(told["error"].is_null(), "{asked}: {told}");
            let devices = told.pointer_mut("/rpc/data/devices").and_then(Value::as_array_mut);
            for device in devices.into_iter().flatten() {
                device.as_object_mut().unwrap().remove("seen");
            }
            all.insert(asked.to_string(), told.take());
        }
        for conversation in conversations {
            let page = self.looking.rpc("history", json!({"conversation": conversation, "limit": 100}));
            all.insert(format!("history {conversation}"), page);
            if conversation.starts_with("room:") {
                let mut page = self.looking.rpc("room.members", room(&conversation));
                // How far the others have read is theirs.
                for member in page["members"].as_array_mut().unwrap() {
                    if member["user"] != "bob" {
                        member.as_object_mut().unwrap().remove("read");
                    }
                }
                all.insert(format!("members {conversation}"), page);
            }
        }
        all.insert("conversations".into(), self.looking.rpc("conversations", json!({"limit": 100})));
        all
    }

    /// A connection of mallory's, by name.
    fn mallory(&self, device: &str) -> Client {
        Client::connect_with(self.address(), &self.mallory, json!({"data": {"device": device}})).0
    }

    /// All that mallory can say about bob.
    fn attempts(&self) -> Vec<Attempt> {
        let mut all = Vec::new();
        let mut tries = |command, comes: Comes, requests: Vec<Value>| {
            all.extend(requests.into_iter().map(|request| Attempt {
                command,
                request,
                comes: comes.clone(),
            }));
        };
        let epoch = &self.connected["subs"]["inbox:bob"]["epoch"];
        let from_the_start = json!({"recover": true, "offset": 0, "epoch": epoch});
        let own = token(&self.mallory);
        let bobs = token("bob");
        // The claims of the one with the signature of the other.
        let forged = {
            let (claims, signature) = (bobs.rsplit_once('.').unwrap().0, own.rsplit_once('.').unwrap().1);
            format!("{claims}.{signature}")
        };
        let subs: Map<_, _> = CHANNELS.iter().map(|it| ((*it).to_owned(), from_the_start.clone())).collect();
        tries(
            "connect",
            Done,
            vec![
                json!({"token": own, "subs": subs, "data": {"device": "phone", "user": "bob"}, "name": "bob"}),
                json!({"token": own, "headers": {"sub": "bob", "x-user": "bob", "x-forwarded-user": "bob"}, "user": "bob"}),
            ],
        );
        tries("connect", Ended(3500), vec![json!({"token": bobs_ticket()}), json!({"token": forged})]);
        tries("refresh", Ended(3500), [&bobs, &forged, &bobs_ticket()].map(|it| json!({"token": it})).into());

        // Bob's, which is good; the others are none for this channel.
        let elsewhere = signed(json!({"sub": self.mallory, "channel": "closed:other"}));
        for (ticket, comes) in [(bobs_ticket(), Ended(3500)), (forged, Refused), (elsewhere, Ended(3500))] {
            let subscribe = json!({"channel": "closed:bobs", "token": ticket});
            tries("subscribe", comes, vec![subscribe.clone()]);
            tries("sub_refresh", Refused, vec![subscribe]);
        }
        for channel in CHANNELS.into_iter().chain([self.shared.as_str()]) {
            let named = json!({"channel": channel});
            tries(
                "subscribe",
                Refused,
                vec![
                    named.clone(),
                    with(named.clone(), from_the_start.clone()),
                    with(
                        named.clone(),
                        json!({"user": "bob", "client": self.connected["client"], "join_leave": true}),
                    ),
                ],
            );
            tries("unsubscribe", As(json!({"channel": "team:none"})), vec![named.clone()]);
            let kept = json!({"limit": 100, "since": {"offset": 0, "epoch": epoch}});
            tries(
                "history",
                Refused,
                vec![named.clone(), with(named.clone(), kept), with(named.clone(), json!({"limit": -1}))],
            );
            tries("presence", Refused, vec![named.clone()]);
            tries("presence_stats", Refused, vec![named.clone()]);
            let publication = with(named.clone(), json!({"data": {"text": "forged"}}));
            let as_bob = with(publication.clone(), json!({"info": {"user": "bob"}}));
            tries("publish", Refused, vec![publication.clone(), as_bob]);
            tries("rpc publish", Refused, vec![publication]);
        }
        tries("ping", Refused, vec![json!({"user": "bob"})]);
        tries("send", Ended(3508), vec![json!({"data": {"user": "bob"}})]);

        let mallory = self.mallory.as_str();
        let said = json!({"id": "forged", "body": {"text": "forged"}, "from": "bob", "sender": "bob", "user": "bob"});
        for name in OTHERS {
            let (place, one) = (room(name), |seq: u64| json!({"conversation": name, "seq": seq}));
            let about = |user: &str, role: &str| json!({"conversation": name, "user": user, "role": role});
            tries(
                "rpc send",
                Refused,
                vec![
                    with(json!({"to": name}), said.clone()),
                    with(json!({"to": name, "kind": "reaction", "target": 1}), said.clone()),
                ],
            );
            let target = with(json!({"conversation": name, "target": 1}), said.clone());
            tries("rpc edit", Refused, vec![target.clone()]);
            tries("rpc delete", Refused, vec![target]);
            if name != "room:former" {
                tries("rpc read", Refused, vec![one(1), with(one(9), json!({"user": "bob"}))]);
            }
            tries(
                "rpc history",
                Refused,
                vec![
                    place.clone(),
                    with(place.clone(), json!({"after": 0, "reader": "bob", "user": "bob"})),
                    with(place.clone(), json!({"before": 100})),
                ],
            );
            tries("rpc presence", Refused, vec![place.clone()]);
            tries(
                "rpc room.join",
                Refused,
                vec![place.clone(), about(mallory, "owner"), about("bob", "reader"), about("dave", "member")],
            );
            tries("rpc room.leave", Refused, vec![about("bob", ""), about("carol", "")]);
            tries("rpc room.role", Refused, vec![about("bob", "reader"), about(mallory, "owner")]);
            tries("rpc room.members", Refused, vec![place.clone(), with(place, json!({"after": "a"}))]);
        }
        // Where both are: what bob has said and where bob stands there stay bob's.
        for name in [self.shared.as_str(), "room:shared"] {
            let of_bobs = if name == "room:shared" { 3 } else { 4 };
            let target =
                json!({"conversation": name, "target": of_bobs, "id": "forged", "body": 1, "sender": "bob"});
            tries("rpc edit", Refused, vec![target.clone()]);
            tries("rpc delete", Refused, vec![target]);
            let read = json!({"conversation": name, "seq": 3});
            tries("rpc read", As(read.clone()), vec![with(read, json!({"user": "bob", "device": "phone"}))]);
            let page = room(name);
            tries("rpc history", As(page.clone()), vec![with(page, json!({"reader": "bob", "user": "bob"}))]);
            for (method, role) in
                [("rpc room.join", "reader"), ("rpc room.role", "reader"), ("rpc room.leave", "")]
            {
                tries(method, Refused, vec![json!({"conversation": name, "user": "bob", "role": role})]);
            }
        }
        tries(
            "rpc room.members",
            As(room("room:shared")),
            vec![with(room("room:shared"), json!({"user": "bob"}))],
        );
        tries("rpc presence", Refused, vec![json!({"users": ["bob"]}), room("dm:bob:dave"), room("dm:bob")]);
        tries(
            "rpc conversations",
            As(json!({})),
            vec![json!({"user": "bob"}), json!({"inbox": "bob", "channel": "inbox:bob"})],
        );
        // Acknowledged is what is mallory's, as far as it goes.
        tries(
            "rpc ack",
            As(json!({"offset": 0})),
            vec![
                with(json!({"offset": 0}), json!({"user": "bob", "device": "phone"})),
                json!({"offset": 0, "within": {"conversation": "dm:bob:carol", "seq": 5}, "user": "bob"}),
            ],
        );
        tries(
            "rpc ack",
            As(json!({"offset": 1_000})),
            vec![json!({"offset": 1_000, "user": "bob", "device": "phone", "channel": "inbox:bob"})],
        );
        // What the server API has, and what there is not.
        for method in [
            "inbox",
            "unread",
            "cursors",
            "disconnect",
            "history_remove",
            "invalidate_user_tokens",
            "draft",
            "",
        ] {
            let call = json!({"user": "bob", "conversation": "dm:bob:carol", "channel": "inbox:bob"});
            tries("rpc", Refused, vec![json!({"method": method, "data": call})]);
        }
        all
    }

    /// Posts commands for a session of bob's by what may be known of it: nothing is done. By what only bob knows it is.
    fn post_for_bob(&mut self) {
        let address = self.address();
        let page = FarEnd::connect(By::Stream, address, "bob");
        let before = self.bobs();
        let data = json!({"conversation": "dm:bob:carol", "seq": 6});
        let read = json!({"id": 9, "rpc": {"method": "read", "data": data}}).to_string();
        let post_for = |session: &str, node: &str| {
            let body = json!({"node": node, "session": session, "data": read}).to_string();
            post(address, "/emulation", "", &body)
        };
        let shorter = &page.session[..page.session.len() - 1];
        let client = self.connected["client"].as_str().unwrap();
        for session in
            [client, "bob", "inbox:bob", "*", shorter, &format!("{shorter}~"), &format!("{shorter}*")]
        {
            for node in ["one", "two", "*", ""] {
                let (status, answer) = post_for(session, node);
                assert!([204, 400, 404].contains(&status) && !answer.contains(SECRET), "{status} {answer}");
            }
        }
        assert_eq!(self.bobs(), before);
        assert_eq!(post_for(&page.session, &page.node).0, 204);
        eventually("bob's own is done", || self.bobs() != before);
    }
}

/// Says it, and answers what was heard up to the answer, or how the connection ended.
fn say(client: &mut Client, command: &str, request: &Value) -> (Vec<Value>, Option<Option<(u16, String)>>) {
    let id = match command.split_once(' ') {
        Some((rpc, method)) => client.command(rpc, json!({"method": method, "data": request})),
        None => client.command(command, request.clone()),
    };
    let mut heard = Vec::new();
    loop {
        match client.try_next() {
            Ok(message) => {
                let is_answer = message["id"] == id;
                heard.push(message);
                if is_answer {
                    return (heard, None);
                }
            }
            Err(ended) => return (heard, Some(ended)),
        }
    }
}

fn without_id(mut reply: Value) -> Value {
    reply.as_object_mut().unwrap().remove("id");
    reply
}

impl Attempt {
    /// Makes it on a connection, and sees that it comes to what it should.
    fn make(&self, client: &mut Client) -> bool {
        let Attempt { command, request, comes } = self;
        let shown = format!("{command} {request}");
        let (mut heard, ended) = say(client, command, request);
        assert!(!json!(heard).to_string().contains(SECRET), "{shown} shows {heard:?}");
        let Some(reply) = heard.pop().filter(|_| ended.is_none()) else {
            let code = ended.flatten().map(|(code, _)| code);
            assert!(matches!(comes, Ended(wanted) if code == Some(*wanted)), "{shown} ends with {code:?}");
            return false;
        };
        match comes {
            Refused => {
                let code = reply["error"]["code"].as_u64();
                assert!(matches!(code, Some(102 | 103 | 107 | 108)), "{shown} is answered {reply}");
            }
            Ended(_) => panic!("{shown} is answered {reply}"),
            As(own) => {
                assert!(reply["error"].is_null(), "{shown} is answered {reply}");
                let (mut plain, _) = say(client, command, own);
                assert_eq!(without_id(reply), without_id(plain.pop().unwrap()), "{shown}");
            }
            Done => assert!(reply["error"].is_null(), "{shown} is answered {reply}"),
        }
        true
    }
}

#[test]
fn nothing_one_user_says_shows_or_changes_what_is_anothers() {
    let ping = Attempt { command: "ping", request: json!({}), comes: Refused };
    for name in ["mallory", "bob:carol", "Bob", "inbox:bob"] {
        let mut scene = Scene::set(name);
        let (attempts, before) = (scene.attempts(), scene.bobs());
        assert!(json!(before).to_string().matches(SECRET).count() > 10, "there is something to be seen");
        let mut there = Vec::new();
        let commands = attempts.iter().map(|attempt| attempt.command).collect::<BTreeSet<_>>();
        for (nth, command) in commands.into_iter().enumerate() {
            let mut client = None;
            for attempt in attempts.iter().filter(|attempt| attempt.command == command) {
                let connection = || match command {
                    "connect" => Client::open(scene.address()),
                    // Called as bob's is.
                    "rpc ack" => scene.mallory("phone"),
                    _ => scene.mallory("laptop"),
                };
                let mut own = client.take().unwrap_or_else(connection);
                let is_there = attempt.make(&mut own);
                match command {
                    "connect" => there.extend(is_there.then_some((command, own))),
                    _ => client = is_there.then_some(own),
                }
            }
            there.extend(client.filter(|_| command != "rpc ack").map(|client| (command, client)));
            // These have to answer pings too; at every tenth command, for they become many.
            for (_, client) in there.iter_mut().filter(|_| nth % 10 == 0) {
                assert!(ping.make(client), "it stays");
            }
            let now = scene.bobs();
            for (what, was) in &before {
                assert_eq!(now.get(what), Some(was), "{what} of bob's, after {command}");
            }
        }
        scene.post_for_bob();
        scene.hear_nothing_later(there);
    }
}

impl Scene {
    /// What bob's are told after all that has been tried does not come to any of mallory's connections.
    fn hear_nothing_later(mut self, there: Vec<(&str, Client)>) {
        let secret = json!({"text": SECRET});
        let Scene { phone, carol, .. } = &mut self;
        carol.rpc("send", json!({"to": "@bob", "id": "e1", "body": secret}));
        for (n, name) in ["room:bobs", "room:many", "room:former"].into_iter().enumerate() {
            phone.rpc("send", json!({"to": name, "id": format!("f{n}"), "body": secret}));
        }
        phone.rpc("read", json!({"conversation": "dm:bob:carol", "seq": 6}));
        for channel in KEPT {
            api(self.gateway.address(), "publish", &json!({"channel": channel, "data": secret}));
        }
        for channel in KEPT {
            self.phone.pushed(|push| push["channel"] == channel && push["pub"]["data"] == secret);
        }
        self.looking.pushed(|push| push["pub"]["data"]["id"] == "f2");
        self.phone.send(&self.mallory, "last", "that was all");
        for (command, mut client) in there {
            loop {
                let message = client.next();
                assert!(!message.to_string().contains(SECRET), "{command}: {message}");
                if message["push"]["pub"]["data"]["id"] == "last" {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_message_to_somebody_changes_what_it_is_about_and_nothing_else_of_theirs() {
    let mut scene = Scene::set("mallory");
    let before = scene.bobs();
    let mut mallory = scene.mallory("phone");
    // With an id that bob has used there, and as if it were bob's.
    let said =
        json!({"to": "@bob", "id": "b6", "body": 1, "from": "bob", "sender": "bob", "mentions": ["bob"]});
    assert_eq!(mallory.rpc("send", said)["duplicate"], false);
    let shared = scene.shared.clone();
    mallory.rpc("read", json!({"conversation": shared, "seq": 7}));
    mallory.rpc("ack", json!({"offset": 1_000}));
    eventually("it is in the inbox", || scene.bobs() != before);
    let after = scene.bobs();
    let page = &after[&format!("history {shared}")]["entries"];
    assert_eq!(page.as_array().unwrap().last().unwrap()["from"], "mallory");
    let row = |all: &Map<String, Value>, conversation: &str| -> Value {
        let rows = all["conversations"]["conversations"].as_array().unwrap();
        rows.iter().find(|row| row["conversation"] == conversation).unwrap().clone()
    };
    let (was, now) = (row(&before, &shared), row(&after, &shared));
    assert_eq!(now["read"], was["read"]);
    assert_eq!(now["unread"].as_u64(), was["unread"].as_u64().map(|it| it + 1));
    for other in scene.conversations().iter().filter(|it| **it != shared) {
        assert_eq!(row(&before, other), row(&after, other));
        for what in [format!("history {other}"), format!("members {other}")] {
            assert_eq!(before.get(&what), after.get(&what));
        }
    }
    let devices = |all: &Map<String, Value>| -> Vec<Value> {
        all.values().map(|told| told["rpc"]["data"]["devices"].clone()).filter(Value::is_array).collect()
    };
    assert_eq!(devices(&before).len(), scene.conversations().len());
    assert_eq!(devices(&after), devices(&before));
}

#[test]
fn no_command_and_no_method_is_left_out() {
    let tried: BTreeSet<_> = Scene::set("mallory").attempts().iter().map(|attempt| attempt.command).collect();
    let methods: Vec<_> = rpc_methods().map(|method| format!("rpc {method}")).collect();
    for operation in COMMANDS.into_iter().chain(methods.iter().map(String::as_str)) {
        assert!(tried.contains(operation), "{operation} is not tried between users");
    }
}
