//! Clients of every kind, what is passed on of theirs, and what each hears when the application fails.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use naru_gateway::{Gateway, metrics};
use serde_json::{Value, json};

use crate::{
    application::{Application, Reply},
    support::{
        Client, Harbour, eventually,
        far_end::{Answer, By, FarEnd, post},
        protobuf::{Command, Connect, Publish, Rpc, Speaker, Subscribe},
        token,
    },
    with,
};

/// All hooks a client can meet by commands, each with options of its own.
fn everything(application: &Application, more: &Value) -> Value {
    let hook = |path: &str| {
        let mut hook = more.clone();
        hook["endpoint"] = application.at(path).into();
        hook
    };
    let mut connect = hook("/connect");
    connect["enabled"] = true.into();
    json!({
        "client": {"proxy": {"connect": connect}},
        "channel": {
            "proxy": {"subscribe": hook("/subscribe"), "publish": hook("/publish")},
            "namespaces": [{"name": "chat", "subscribe_proxy_enabled": true, "publish_proxy_enabled": true,
                "publication_data_format": "binary"}],
        },
        "rpc": {"proxy": hook("/rpc"), "without_namespace": {"proxy_enabled": true}},
    })
}

fn come(by: By, gateway: &Gateway, request: &Value) -> FarEnd {
    let frame = json!({"id": 1, "connect": request}).to_string();
    let request = match by {
        By::Stream => post("/connection/http_stream", "application/json", frame.as_bytes()),
        By::Events => {
            let frame: String = frame.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let head = "HTTP/1.1\r\nhost: chat.example\r\ncookie: c=1\r\n\r\n";
            format!("GET /connection/sse?cf_connect={frame} {head}").into()
        }
    };
    FarEnd::connected(by, Answer::to(gateway.address(), &request))
}

#[test]
fn who_comes_by_plain_http_is_asked_about_as_anybody_else() {
    let application = Application::start();
    let harbour = Harbour::open();
    let more = json!({"http_headers": ["Cookie", "X-User"], "emulated_headers": ["Authorization", "Cookie"]});
    let one = harbour.gateway_with("one", with(everything(&application, &more)));
    application.answer("/subscribe", json!({"result": {}}));
    application.answer("/publish", json!({"result": {}}));
    for (by, transport) in [(By::Stream, "http_stream"), (By::Events, "sse")] {
        let headers =
            json!({"authorization": "Bearer t", "X-User": "admin", "X-Other": "o", "Cookie": "said"});
        let mut client = come(by, &one, &json!({"headers": headers, "data": {"n": 1}}));
        let asked = application.asked("/connect");
        assert_eq!((&asked.body["transport"], &asked.body["protocol"]), (&json!(transport), &json!("json")));
        assert_eq!(asked.body["data"], json!({"n": 1}));
        let reply = client.ask(one.address(), "subscribe", json!({"channel": "chat:a"}));
        assert!(reply["subscribe"].is_object(), "{reply}");
        let reply = client.ask(one.address(), "publish", json!({"channel": "chat:a", "data": 7}));
        assert!(reply["publish"].is_object(), "{reply}");
        assert_eq!(application.asked("/publish").body["data"], 7);
        for path in ["/connect", "/subscribe", "/publish"] {
            let headers = application.asked(path).headers;
            assert_eq!(headers["authorization"], "Bearer t", "{path}");
            // Only a request has what http_headers lists; and what it has wins over what is said.
            assert!(!headers.contains_key("x-user") && !headers.contains_key("x-other"), "{headers:?}");
            assert_eq!(headers["cookie"], if by == By::Events { "c=1" } else { "said" });
        }
    }
    // What is said with a token is passed on to the hooks that are asked later, and to no connect hook.
    let before = application.count("/connect");
    let mut alice = Client::open(one.address());
    alice.ask("connect", json!({"token": token("alice"), "headers": {"Authorization": "Bearer u"}}));
    alice.subscribe("chat:a");
    assert_eq!(application.asked("/subscribe").headers["authorization"], "Bearer u");
    assert_eq!(application.count("/connect"), before);
    one.stop();
}

#[test]
fn who_is_not_let_in_by_plain_http_is_told_the_same() {
    let application = Application::start();
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", with(everything(&application, &json!({}))));
    let refused = |answer: Value| {
        application.answer("/connect", answer);
        let request = post("/connection/http_stream", "application/json", br#"{"id":1,"connect":{}}"#);
        let mut answer = Answer::to(one.address(), &request);
        serde_json::from_slice::<Value>(&answer.chunk().unwrap()).unwrap()
    };
    let reply = refused(json!({"error": {"code": 403, "message": "no"}}));
    assert_eq!(reply, json!({"id": 1, "error": {"code": 403, "message": "no"}}));
    let reply = refused(json!({"disconnect": {"code": 4501, "reason": "banned"}}));
    assert_eq!(reply["push"]["disconnect"], json!({"code": 4501, "reason": "banned"}));
    one.stop();
}

#[test]
fn bytes_of_protobuf_clients_go_to_the_application_and_come_back() {
    const BYTES: [u8; 4] = [0, 255, b'"', 7];
    let application = Application::start();
    let harbour = Harbour::open();
    for is_binary in [false, true] {
        let more = json!({"emulated_headers": ["x-a"], "binary_encoding": is_binary});
        let one = harbour.gateway_with("one", with(everything(&application, &more)));
        let base64 = STANDARD.encode(BYTES);
        application.answer("/connect", json!({"result": {"user": "ada", "b64data": base64}}));
        application.answer("/subscribe", json!({"result": {"b64data": base64}}));
        application.answer("/publish", json!({"result": {"b64data": base64}}));
        application.answer("/rpc", json!({"result": {"b64data": base64}}));
        let mut ada = Speaker::open(&one);

        let headers = [("X-A".to_owned(), "a".to_owned())].into();
        let connect = Some(Connect { data: BYTES.into(), headers, ..Default::default() });
        let reply = ada.ask(Command { connect, ..Default::default() });
        assert_eq!(reply.connect.unwrap_or_else(|| panic!("{:?}", reply.error)).data, BYTES);
        let asked = application.asked("/connect");
        assert_eq!((&asked.body["protocol"], &asked.headers["x-a"]), (&json!("protobuf"), &"a".to_owned()));
        assert_eq!(asked.body["encoding"], if is_binary { "binary" } else { "json" });

        let subscribe = Some(Subscribe { channel: "chat:a".into(), data: b"[1]".into() });
        let reply = ada.ask(Command { subscribe, ..Default::default() });
        assert_eq!(reply.subscribe.unwrap().data, BYTES);
        // What is JSON is passed on as that, unless all goes as bytes.
        let body = application.asked("/subscribe").body;
        if is_binary {
            assert_eq!((body.get("data"), &body["b64data"]), (None, &json!(STANDARD.encode("[1]"))));
        } else {
            assert_eq!((&body["data"], body.get("b64data")), (&json!([1]), None));
        }

        let rpc = Some(Rpc { data: BYTES.into(), method: "price".into() });
        assert_eq!(ada.ask(Command { rpc, ..Default::default() }).rpc.unwrap().data, BYTES);
        let publish = Some(Publish { channel: "chat:a".into(), data: vec![1, 2] });
        assert_eq!(ada.ask(Command { publish, ..Default::default() }).error, None);
        assert_eq!(ada.publication().1.data, BYTES);
        assert_eq!(application.asked("/publish").body["b64data"], STANDARD.encode([1, 2]));
        for path in ["/connect", "/rpc"] {
            let body = application.asked(path).body;
            assert_eq!((body.get("data"), &body["b64data"]), (None, &json!(base64)), "{path}");
        }
        one.stop();
    }
}

#[test]
fn each_way_to_fail_has_its_code_whatever_is_asked() {
    let application = Application::start();
    let harbour = Harbour::open();
    let transforms = json!([
        {"status_code": 402, "to_error": {"code": 402, "message": "unpaid"}},
        {"status_code": 503, "to_disconnect": {"code": 4003, "reason": "busy"}},
    ]);
    let more = json!({"timeout": "6s", "http": {"status_to_code_transforms": transforms}});
    let one = harbour.gateway_with("one", with(everything(&application, &more)));
    let text = |status, text: &str| Reply::Text(status, text.into());
    let result = json!({"result": {}}).to_string();
    let mut alice = Client::connect(one.address(), "alice");
    for (path, command, request) in [
        ("/subscribe", "subscribe", json!({"channel": "chat:a"})),
        ("/publish", "publish", json!({"channel": "chat:a", "data": 1})),
        ("/rpc", "rpc", json!({"method": "price"})),
    ] {
        for (reply, code, is_temporary) in [
            (Reply::Never, 100, true),
            (Reply::Nothing, 100, true),
            (text("403 Forbidden", &result), 100, true),
            (text("500 Internal Server Error", &result), 100, true),
            (text("200 OK", "{"), 100, true),
            (text("200 OK", "[]"), 100, true),
            (text("200 OK", r#"{"result":[]}"#), 100, true),
            (text("200 OK", r#"{"error":{}}"#), 100, true),
            (text("200 OK", r#"{"error":{"code":99}}"#), 100, true),
            (text("200 OK", &"x".repeat(300 << 10)), 100, true),
            (text("402 Payment Required", &result), 402, false),
            (text("200 OK", r#"{"error":{"code":1000,"message":"m"}}"#), 1000, false),
        ] {
            application.reply(path, reply);
            let error = alice.ask(command, request.clone())["error"].clone();
            assert_eq!(error["code"], code, "{path} {error}");
            assert_eq!(error["temporary"].as_bool().unwrap_or_default(), is_temporary, "{path} {error}");
        }
        application.reply(path, text("503 Service Unavailable", ""));
        let mut bob = Client::connect(one.address(), "bob");
        bob.command(command, request);
        assert_eq!(bob.closed(), Some((4003, "busy".to_owned())), "{path}");
    }
    one.stop();
}

#[test]
fn requests_are_signed_over_what_clients_and_settings_give() {
    let application = Application::start();
    let harbour = Harbour::open();
    let key = [7_u8; 32];
    let forged = json!({"webhook-signature": "v1,forged"});
    let more = json!({
        "emulated_headers": ["webhook-id", "webhook-signature"],
        "http": {"static_headers": forged, "signing_secret": format!("whsec_{}", STANDARD.encode(key))},
    });
    let one = harbour.gateway_with("one", with(everything(&application, &more)));
    let mut client = Client::open(one.address());
    client.ask("connect", json!({"headers": {"webhook-id": "mine", "webhook-signature": "v1,mine"}}));
    application.answer("/rpc", json!({"result": {}}));
    client.ask("rpc", json!({"method": "price", "data": "안녕"}));
    let mut ids = Vec::new();
    for path in ["/connect", "/rpc"] {
        let asked = application.asked(path);
        let (id, time) = (&asked.headers["webhook-id"], &asked.headers["webhook-timestamp"]);
        let signed = [format!("{id}.{time}.").as_bytes(), &asked.bytes].concat();
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        assert_eq!(asked.headers["webhook-signature"], format!("v1,{}", STANDARD.encode(signature)));
        assert!(crate::in_seconds(0) - time.parse::<u64>().unwrap() < 60);
        ids.push(id.clone());
    }
    assert!(ids[0] != ids[1] && ids[0] != "mine", "{ids:?}");
    eventually("it is asked once for each", || application.count("/rpc") == 1);
    one.stop();
}

#[test]
fn what_is_asked_is_counted_by_hook_and_outcome() {
    let application = Application::start();
    let harbour = Harbour::open();
    let hooks = with(everything(&application, &json!({"timeout": "6s"})));
    let one = harbour.gateway_with("one", |options| {
        hooks(options);
        let settings = json!({"on_clients_port": true, "token": "t"});
        options.metrics = serde_json::from_value::<metrics::Settings>(settings).unwrap().try_into().unwrap();
    });
    let mut client = Client::open(one.address());
    client.ask("connect", json!({}));
    for reply in [
        Reply::Never,
        Reply::Nothing,
        Reply::Text("403 Forbidden", String::new()),
        Reply::Text("200 OK", "{".into()),
        // It has the right form, and says what cannot be.
        Reply::Json(json!({"result": {"b64data": "?"}})),
        Reply::Json(json!({"error": {"code": 400}})),
        Reply::Json(json!({"result": {}})),
    ] {
        application.reply("/rpc", reply);
        client.ask("rpc", json!({"method": "price"}));
    }
    let request = b"GET /metrics HTTP/1.1\r\nhost: chat.example\r\nauthorization: Bearer t\r\n\r\n";
    let (page, _) = Answer::to(one.address(), request).body();
    let page = String::from_utf8(page).unwrap();
    let counted: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("naru_proxy_calls_total{hook=\"")?.split_once(' '))
        .filter(|(_, count)| *count != "0")
        .collect();
    assert_eq!(
        counted,
        [
            ("connect\",outcome=\"result\"}", "1"),
            ("rpc\",outcome=\"result\"}", "1"),
            ("rpc\",outcome=\"error\"}", "1"),
            ("rpc\",outcome=\"status\"}", "1"),
            ("rpc\",outcome=\"malformed\"}", "2"),
            ("rpc\",outcome=\"unreachable\"}", "1"),
            ("rpc\",outcome=\"timeout\"}", "1"),
        ]
    );
    assert!(page.lines().any(|line| line == "naru_proxy_call_seconds_count{hook=\"rpc\"} 7"), "{page}");
    assert!(page.lines().any(|line| line == "naru_command_errors_total{code=\"application\"} 1"), "{page}");
    one.stop();
}
