//! The application's say, asked over HTTP of a back end that is made here.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod application;
mod clients;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::Write as _,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use naru_gateway::{
    Gateway, Options,
    namespaces::{Namespaces, Settings},
    proxy::{Client as Hooks, Named, Proxies, Rpc},
};
use serde_json::{Value, json};

use application::{Application, Asked, Reply};
use support::{
    Client, Harbour, PATIENCE, eventually,
    far_end::{By, FarEnd},
    token,
};

/// Takes the sections of a configuration, of which each hook has time enough, unless it says how much.
fn with(mut config: Value) -> impl FnOnce(&mut Options) {
    fn part<T: serde::de::DeserializeOwned>(config: &Value, name: &str, default: Value) -> T {
        serde_json::from_value(config.get(name).cloned().unwrap_or(default)).unwrap()
    }
    let patience = format!("{}s", PATIENCE.as_secs());
    for hook in [
        "/client/proxy/connect",
        "/client/proxy/refresh",
        "/channel/proxy/subscribe",
        "/channel/proxy/publish",
        "/channel/proxy/sub_refresh",
        "/rpc/proxy",
        "/proxies/0",
    ] {
        if let Some(Value::Object(hook)) = config.pointer_mut(hook) {
            hook.entry("timeout").or_insert_with(|| patience.clone().into());
        }
    }
    let client: Hooks = part(&config, "client", json!({}));
    let rpc: Rpc = part(&config, "rpc", json!({}));
    let named: Vec<Named> = part(&config, "proxies", json!([]));
    let channel: Settings = part(&config, "channel", json!({}));
    move |options| {
        options.proxies = Proxies::new(&client, &rpc, &named, &channel).unwrap();
        options.namespaces = Namespaces::from(channel);
    }
}

fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

/// Connects, and answers what the server said.
fn connected(gateway: &Gateway, request: Value) -> (Client, Value) {
    let mut client = Client::open(gateway.address());
    let reply = client.ask("connect", request);
    assert!(reply["error"].is_null(), "{reply}");
    (client, reply["connect"].clone())
}

#[test]
fn the_application_says_who_connects() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({
            "client": {"proxy": {"connect": {
                "enabled": true, "endpoint": application.at("/connect"),
                "http_headers": ["Cookie", "X-Fixed"],
                "http": {"static_headers": {"X-Fixed": "ours", "X-Key": "key"}},
            }}},
            "channel": {
                "proxy": {"subscribe": {
                    "endpoint": application.at("/subscribe"), "include_connection_meta": true,
                }},
                "namespaces": [{"name": "chat", "allow_publish_for_client": true, "subscribe_proxy_enabled": true}],
            },
        })),
    );
    let ends = in_seconds(1000);
    application.answer(
        "/connect",
        json!({"result": {
            "user": "ada", "expire_at": ends, "info": {"name": "Ada"}, "data": {"hello": 1}, "channels": ["news"],
            "subs": {"chat:own": {"data": [7], "info": {"role": "x"}}}, "meta": {"tenant": 7},
            "caps": [{"channels": ["team"], "allow": ["sub", "pub"]}],
        }}),
    );
    let headers = [("Cookie", "session=1"), ("Authorization", "Bearer secret"), ("X-Other", "o")];
    let mut ada = Client::open_with(one.address(), &headers);
    let request = json!({"name": "js", "version": "1", "data": {"device": "phone"}});
    let reply = ada.ask("connect", request)["connect"].clone();
    assert_eq!(reply["data"], json!({"hello": 1}));
    assert_eq!(reply["expires"], true);
    assert!((990..=1000).contains(&reply["ttl"].as_u64().unwrap()), "{reply}");
    assert_eq!(reply["subs"]["chat:own"]["data"], json!([7]));
    assert!(reply["subs"]["news"].is_object() && reply["subs"]["inbox:ada"].is_object(), "{reply}");

    let Asked { headers, body, .. } = application.asked("/connect");
    assert_eq!(
        body,
        json!({"client": reply["client"], "transport": "websocket", "protocol": "json", "encoding": "json",
            "name": "js", "version": "1", "data": {"device": "phone"}})
    );
    assert_eq!(headers["cookie"], "session=1");
    assert_eq!((&*headers["x-key"], &*headers["x-fixed"]), ("key", "ours"));
    assert_eq!(headers["content-type"], "application/json");
    assert!(!headers.contains_key("authorization") && !headers.contains_key("x-other"), "{headers:?}");

    ada.subscribe("team");
    ada.ask("publish", json!({"channel": "team", "data": 1}));
    let (_, publication) = ada.publication();
    assert_eq!(publication["info"]["user"], "ada");
    assert_eq!(publication["info"]["conn_info"], json!({"name": "Ada"}));
    ada.ask("publish", json!({"channel": "chat:own", "data": 1}));
    assert_eq!(ada.publication().1["info"]["chan_info"], json!({"role": "x"}));

    application.answer("/subscribe", json!({"result": {}}));
    ada.subscribe("chat:b");
    let Asked { body, headers, .. } = application.asked("/subscribe");
    assert_eq!((&body["meta"], &body["user"]), (&json!({"tenant": 7}), &json!("ada")));
    assert!(!headers.contains_key("cookie"), "only hooks that list it get it: {headers:?}");

    // Nobody in particular, with no name to have an inbox by.
    application.answer("/connect", json!({"result": {"user": ""}}));
    let (_, reply) = connected(&one, json!({}));
    assert_eq!((reply.get("subs"), reply.get("expires")), (None, None), "{reply}");
    one.stop();
}

#[test]
fn whoever_is_not_let_in_is_told_why() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({"client": {"proxy": {"connect": {
            "enabled": true, "endpoint": application.at("/connect"), "timeout": "6s",
            "http": {"status_to_code_transforms":
                [{"status_code": 404, "to_error": {"code": 404, "message": "who?"}}]},
        }}}})),
    );
    let refused = |reply: Reply| {
        application.reply("/connect", reply);
        Client::open(one.address()).ask("connect", json!({}))["error"].clone()
    };
    let error = |error: Value| refused(Reply::Json(json!({"error": error})));
    assert_eq!(error(json!({"code": 403, "message": "no"})), json!({"code": 403, "message": "no"}));
    assert_eq!(
        error(json!({"code": 1999, "message": "later", "temporary": true})),
        json!({"code": 1999, "message": "later", "temporary": true})
    );
    assert_eq!(refused(Reply::Text("404 Not Found", String::new())), json!({"code": 404, "message": "who?"}));
    let over = json!({"result": {"user": "a", "expire_at": in_seconds(0)}});
    assert_eq!(refused(Reply::Json(over))["code"], 110);

    application.answer("/connect", json!({"disconnect": {"code": 4501, "reason": "banned"}}));
    let mut client = Client::open(one.address());
    client.command("connect", json!({}));
    assert_eq!(client.closed(), Some((4501, "banned".to_owned())));

    // Whatever is none of the answers there are lets nobody in, and everybody come again.
    let large = json!({"result": {"user": "a", "data": "x".repeat(300 << 10)}}).to_string();
    for reply in [
        Reply::Nothing,
        Reply::Never,
        Reply::Text("200 OK", "<html>".into()),
        Reply::Text("503 Service Unavailable", json!({"result": {"user": "a"}}).to_string()),
        Reply::Text("302 Found", String::new()),
        Reply::Text("200 OK", large),
        Reply::Json(json!({})),
        Reply::Json(json!({"result": {}})),
        Reply::Json(json!({"result": {"user": 7}})),
        Reply::Json(json!({"result": {"user": "a\nb"}})),
        Reply::Json(json!({"result": {"user": "a", "b64info": "?"}})),
        Reply::Json(json!({"error": {"code": 7}})),
        Reply::Json(json!({"disconnect": {"code": 1000}})),
    ] {
        let error = refused(reply);
        assert_eq!((&error["code"], &error["temporary"]), (&json!(100), &json!(true)), "{error}");
    }
    // It is back.
    application.answer("/connect", json!({"result": {"user": "ada"}}));
    connected(&one, json!({}));
    one.stop();
}

#[test]
fn who_has_a_token_is_let_in_by_it_or_not_at_all() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({"client": {"proxy": {"connect": {
            "enabled": true, "endpoint": application.at("/connect"),
        }}}})),
    );
    application.answer("/connect", json!({"result": {"user": "guest"}}));
    let (_, reply) = connected(&one, json!({"token": token("alice")}));
    assert!(reply["subs"]["inbox:alice"].is_object(), "{reply}");
    let mut mallory = Client::open(one.address());
    mallory.command("connect", json!({"token": "a.b.c"}));
    assert_eq!(mallory.closed().map(|(code, _)| code), Some(3500));
    assert_eq!(application.count("/connect"), 0);
    let (_, reply) = connected(&one, json!({}));
    assert!(reply["subs"]["inbox:guest"].is_object(), "{reply}");
    assert_eq!(application.count("/connect"), 1);
    one.stop();
}

#[test]
fn namespaces_ask_their_own_hooks_who_subscribes() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({
            "proxies": [{"name": "billing", "endpoint": application.at("/billing"), "timeout": "6s"}],
            "channel": {
                "proxy": {"subscribe": {"endpoint": application.at("/subscribe")}},
                "namespaces": [
                    {"name": "chat", "subscribe_proxy_enabled": true, "history_size": 9, "history_ttl": "1m",
                        "allow_publish_for_subscriber": true},
                    {"name": "bills", "subscribe_proxy_enabled": true, "subscribe_proxy_name": "billing"},
                ],
            },
        })),
    );
    let mut alice = Client::connect(one.address(), "alice");
    let ends = in_seconds(500);
    application.answer(
        "/subscribe",
        json!({"result": {"info": {"role": "r"}, "data": {"topic": 1}, "expire_at": ends,
            "override": {"force_recovery": {"value": true}}}}),
    );
    let reply = alice.ask("subscribe", json!({"channel": "chat:a", "data": {"key": 1}}))["subscribe"].clone();
    assert_eq!((&reply["data"], &reply["expires"]), (&json!({"topic": 1}), &json!(true)), "{reply}");
    assert_eq!(reply["recoverable"], true, "{reply}");
    let body = application.asked("/subscribe").body;
    assert_eq!((&body["channel"], &body["user"]), (&json!("chat:a"), &json!("alice")));
    assert_eq!((&body["data"], body.get("meta")), (&json!({"key": 1}), None));
    alice.ask("publish", json!({"channel": "chat:a", "data": 1}));
    assert_eq!(alice.publication().1["info"]["chan_info"], json!({"role": "r"}));

    application.answer("/billing", json!({"error": {"code": 403, "message": "unpaid"}}));
    assert_eq!(alice.refused("subscribe", json!({"channel": "bills:1"})), (403, "unpaid".into()));
    assert_eq!(application.count("/subscribe"), 1);
    for reply in [Reply::Nothing, Reply::Never, Reply::Json(json!({"result": 1}))] {
        application.reply("/billing", reply);
        assert_eq!(alice.refused("subscribe", json!({"channel": "bills:1"})).0, 100);
    }
    application.answer("/billing", json!({"result": {}}));
    alice.subscribe("bills:1");
    application.answer("/billing", json!({"disconnect": {"code": 4000, "reason": "again"}}));
    alice.command("subscribe", json!({"channel": "bills:2"}));
    assert_eq!(alice.closed(), Some((4000, "again".to_owned())));
    one.stop();
}

#[test]
fn the_application_says_what_is_published() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({"channel": {
            "proxy": {"publish": {"endpoint": application.at("/publish"), "timeout": "5s"}},
            "namespaces": [{"name": "chat", "allow_subscribe_for_client": true, "publish_proxy_enabled": true,
                "publication_data_format": "json_object"}],
        }})),
    );
    let mut alice = Client::connect(one.address(), "alice");
    alice.subscribe("chat:a");
    application.answer("/publish", json!({"result": {"data": {"text": "HI"}, "tags": {"by": "app"}}}));
    let published = alice.ask("publish", json!({"channel": "chat:a", "data": {"text": "hi"}}));
    assert_eq!(published["publish"], json!({}), "{published}");
    let (_, publication) = alice.publication();
    assert_eq!((&publication["data"], &publication["tags"]), (&json!({"text": "HI"}), &json!({"by": "app"})));
    assert_eq!(application.asked("/publish").body["data"], json!({"text": "hi"}));

    application.answer("/publish", json!({"result": {"data": 7}}));
    assert_eq!(alice.refused("publish", json!({"channel": "chat:a", "data": {}})).0, 107);
    application.answer("/publish", json!({"error": {"code": 400, "message": "rude"}}));
    assert_eq!(alice.refused("publish", json!({"channel": "chat:a", "data": {}})), (400, "rude".into()));
    let by_rpc = json!({"method": "publish", "data": {"channel": "chat:a", "data": {}}});
    assert_eq!(alice.refused("rpc", by_rpc), (400, "rude".into()));
    application.answer("/publish", json!({}));
    assert_eq!(alice.refused("publish", json!({"channel": "chat:a", "data": {}})).0, 100);

    // In order, however long each takes; and other commands do not wait for it.
    application.reply("/publish", Reply::Echo(Duration::from_millis(150)));
    for n in 0..4 {
        alice.command("publish", json!({"channel": "chat:a", "data": {"n": n}}));
    }
    for n in 0..4 {
        assert_eq!(alice.pushed(|push| push["channel"] == "chat:a")["pub"]["data"], json!({"n": n}));
    }
    application.answer("/publish", json!({"disconnect": {"code": 4500, "reason": "spam"}}));
    let mut mallory = Client::connect(one.address(), "mallory");
    mallory.command("publish", json!({"channel": "chat:a", "data": {}}));
    assert_eq!(mallory.closed(), Some((4500, "spam".to_owned())));
    one.stop();
}

#[test]
fn methods_that_are_not_ours_are_the_applications() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({
            "proxies": [{"name": "billing", "endpoint": application.at("/billing")}],
            "rpc": {
                "proxy": {"endpoint": application.at("/rpc"), "timeout": "6s"},
                "without_namespace": {"proxy_enabled": true},
                "namespaces": [{"name": "bills", "proxy_enabled": true, "proxy_name": "billing"}],
            },
        })),
    );
    let mut alice = Client::connect(one.address(), "alice");
    application.reply("/rpc", Reply::Echo(Duration::ZERO));
    application.answer("/billing", json!({"result": {"data": "paid"}}));
    assert_eq!(alice.rpc("price", json!({"of": 1})), json!({"of": 1}));
    let body = application.asked("/rpc").body;
    assert_eq!((&body["method"], &body["user"]), (&json!("price"), &json!("alice")));
    assert_eq!(alice.rpc("bills:pay", json!(null)), "paid");
    assert_eq!(alice.refused("rpc", json!({"method": "other:pay"})).0, 108);
    // Our own stay ours.
    assert!(alice.rpc("conversations", json!({})).is_object());
    assert_eq!(application.count("/rpc"), 1);

    application.answer("/rpc", json!({"error": {"code": 401, "message": "who"}}));
    assert_eq!(alice.refused("rpc", json!({"method": ""})), (401, "who".into()));
    assert_eq!(application.asked("/rpc").body.get("method"), None);
    application.reply("/rpc", Reply::Never);
    assert_eq!(alice.refused("rpc", json!({"method": "price"})).0, 100);
    one.stop();

    let none = harbour.gateway("none");
    let mut alice = Client::connect(none.address(), "alice");
    assert_eq!(alice.refused("rpc", json!({"method": "price"})).0, 108);
    none.stop();
}

#[test]
fn the_application_prolongs_connections_and_subscriptions() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with(
        "one",
        with(json!({
            "client": {"proxy": {
                "connect": {"enabled": true, "endpoint": application.at("/connect")},
                "refresh": {"enabled": true, "endpoint": application.at("/refresh")},
            }},
            "channel": {
                "proxy": {
                    "subscribe": {"endpoint": application.at("/subscribe")},
                    "sub_refresh": {"endpoint": application.at("/sub_refresh")},
                },
                "namespaces": [{"name": "chat", "subscribe_proxy_enabled": true, "sub_refresh_proxy_enabled": true,
                    "allow_publish_for_client": true}],
            },
        })),
    );
    application.answer("/connect", json!({"result": {"user": "ada", "expire_at": in_seconds(4)}}));
    application.answer("/subscribe", json!({"result": {"expire_at": in_seconds(6)}}));
    let later = in_seconds(1000);
    application.answer("/refresh", json!({"result": {"expire_at": later, "info": {"is": "new"}}}));
    application.answer("/sub_refresh", json!({"result": {"expire_at": in_seconds(10)}}));
    let (mut ada, reply) = connected(&one, json!({}));
    assert_eq!((reply.get("expires"), reply.get("ttl")), (None, None), "{reply}");
    ada.subscribe("chat:a");
    eventually("both were asked about", || {
        application.count("/refresh") == 1 && application.count("/sub_refresh") >= 1
    });
    assert_eq!(application.asked("/refresh").body["user"], "ada");
    assert_eq!(application.asked("/sub_refresh").body["channel"], "chat:a");
    eventually("others see the new info", || {
        ada.ask("publish", json!({"channel": "chat:a", "data": 1}));
        ada.pushed(|push| push["channel"] == "chat:a")["pub"]["info"]["conn_info"] == json!({"is": "new"})
    });
    application.answer("/sub_refresh", json!({"result": {"expired": true}}));
    let ended = ada.pushed(|push| push.get("unsubscribe").is_some());
    assert_eq!((&ended["channel"], &ended["unsubscribe"]["code"]), (&json!("chat:a"), &json!(2501)));
    assert_eq!(application.count("/refresh"), 1);

    // That is not the client's business any more.
    application.answer("/subscribe", json!({"result": {}}));
    ada.subscribe("chat:b");
    ada.command("sub_refresh", json!({"channel": "chat:b", "token": "x"}));
    assert_eq!(ada.closed().map(|(code, _)| code), Some(3501));
    application.answer("/connect", json!({"result": {"user": "ada"}}));
    let (mut ada, _) = connected(&one, json!({}));
    ada.command("refresh", json!({"token": token("ada")}));
    assert_eq!(ada.closed().map(|(code, _)| code), Some(3501));

    for (answer, code) in [
        (json!({"result": {"expired": true}}), 3005),
        (json!({"error": {"code": 403}}), 3005),
        (json!({"disconnect": {"code": 4502, "reason": "gone"}}), 4502),
    ] {
        application.answer("/refresh", answer);
        application.answer("/connect", json!({"result": {"user": "ada", "expire_at": in_seconds(4)}}));
        let (mut ada, _) = connected(&one, json!({}));
        assert_eq!(ada.closed().map(|(code, _)| code), Some(code));
    }
    // While nobody answers, it stays.
    application.reply("/refresh", Reply::Nothing);
    let before = application.count("/refresh");
    application.answer("/connect", json!({"result": {"user": "ada", "expire_at": in_seconds(4)}}));
    let (mut ada, _) = connected(&one, json!({}));
    eventually("it was asked about", || application.count("/refresh") > before);
    assert_eq!(ada.ask("ping", json!({}))["error"]["code"], 108);
    one.stop();
}

#[test]
fn who_ends_a_subscription_that_is_on_its_way_is_not_held_up_for_ever() {
    let application = Application::start();
    let harbour = Harbour::open();
    let channel = json!({
        "proxy": {"subscribe": {"endpoint": application.at("/subscribe"), "timeout": "30s"}},
        "namespaces": [{"name": "chat", "subscribe_proxy_enabled": true}],
    });
    let one = harbour.gateway_with("one", with(json!({"channel": channel})));
    let subscribe = |id, channel| json!({"id": id, "subscribe": {"channel": channel}}).to_string();
    let unsubscribe = |id, channel| json!({"id": id, "unsubscribe": {"channel": channel}}).to_string();
    let publish = json!({"id": 102, "publish": {"channel": "chat:a", "data": 1}}).to_string();
    application.reply("/subscribe", Reply::Never);
    // In one message, or each in its own, with others between.
    let begun = Instant::now();
    let mut clients: Vec<Client> = [
        vec![[subscribe(101, "chat:a"), unsubscribe(103, "chat:a")].join("\n")],
        vec![subscribe(101, "chat:a"), publish, unsubscribe(103, "chat:a")],
        vec![subscribe(101, "chat:a"), unsubscribe(103, "chat:b")],
    ]
    .into_iter()
    .map(|messages| {
        let mut ada = Client::connect(one.address(), "ada");
        messages.into_iter().for_each(|message| ada.raw(message));
        ada
    })
    .collect();
    let mut ben = FarEnd::connect(By::Stream, one.address(), "ben");
    for command in [subscribe(101, "chat:a"), unsubscribe(103, "chat:a")] {
        assert_eq!(ben.post(one.address(), &command), 204);
    }
    let other = clients.pop().unwrap();
    for mut ada in clients {
        assert_eq!(ada.closed(), Some((3004, "internal server error".into())));
    }
    assert_eq!(ben.disconnected(), json!({"code": 3004, "reason": "internal server error"}));
    let taken = begun.elapsed();
    assert!(Duration::from_secs(5) <= taken && taken < Duration::from_secs(15), "{taken:?}");
    // Who waits for the end of another one waits on.
    other.stream().set_nonblocking(true).unwrap();
    let error = other.stream().peek(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    // One that comes in time is answered, and so is its end.
    application.reply("/subscribe", Reply::Echo(Duration::from_millis(500)));
    let mut cem = Client::connect(one.address(), "cem");
    cem.raw(subscribe(101, "chat:a"));
    cem.raw(unsubscribe(103, "chat:a"));
    assert!(cem.reply(101)["error"].is_null());
    assert_eq!(cem.reply(103)["unsubscribe"], json!({}));
    // What has come is looked at as far as a turn of the connection goes, of empty messages too, though one is no command.
    application.reply("/subscribe", Reply::Echo(Duration::from_secs(11)));
    let mut clients = [100, 20_000].map(|empty| {
        let mut dan = Client::connect(one.address(), "dan");
        dan.raw(subscribe(101, "chat:a"));
        (0..empty).for_each(|_| dan.raw(""));
        dan.raw(unsubscribe(103, "chat:a"));
        dan
    });
    assert_eq!(clients[0].closed().map(|(code, _)| code), Some(3004));
    assert!(clients[1].reply(101)["error"].is_null());
    assert_eq!(clients[1].closed().map(|(code, _)| code), Some(3501));
    one.stop();
}

#[test]
fn a_subscription_that_the_server_began_ends_with_its_connection_when_nobody_prolongs_it() {
    let application = Application::start();
    let harbour = Harbour::open();
    let channel = json!({
        "proxy": {"sub_refresh": {"endpoint": application.at("/sub_refresh")}},
        "namespaces": [{"name": "chat", "sub_refresh_proxy_enabled": true}],
    });
    let one = harbour.gateway_with("one", with(json!({"channel": channel})));
    application.answer("/sub_refresh", json!({"result": {"expired": true}}));
    let mut ada = Client::connect(one.address(), "ada");
    let body = json!({"user": "ada", "channel": "chat:a", "expire_at": in_seconds(4)}).to_string();
    let mut stream = std::net::TcpStream::connect(one.api_address()).unwrap();
    let head = format!("POST /api/subscribe HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\n", support::API_KEY);
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    assert_eq!(ada.pushed(|_| true), json!({"channel": "chat:a", "subscribe": {}}));
    // It comes back, and what is to be begun again is.
    assert_eq!(ada.closed(), Some((3006, "subscription expired".into())));
    one.stop();
}
