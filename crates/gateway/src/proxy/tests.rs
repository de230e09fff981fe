//! What docs/proxy.md shows is what is asked and what is taken; and what is said of bad settings.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::protocol::flavour::Flavour;

/// The blocks of JSON below a heading of the reference: the request, and answers.
fn shown(hook: &str) -> Vec<Value> {
    let reference = include_str!("../../../../docs/proxy.md");
    let (_, section) = reference.split_once(&format!("\n## {hook}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```json\n").skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

fn check<R: DeserializeOwned>(hook: &str, user: Option<&str>, question: Question<'_>) -> Vec<R> {
    let shown = shown(hook);
    let (request, answers) = shown.split_first().unwrap();
    let heard = Heard::default();
    let meta: Box<RawValue> = serde_json::from_str(r#"{"tenant": 7}"#).unwrap();
    let client = "9336a229-2400-4ebc-8c50-0a643d22e8a0".to_owned();
    let caller = Caller { client, flavour: Flavour::WebSocketJson, user, meta: Some(&meta), heard: &heard };
    let body = caller.body(question, request.get("meta").is_some(), false);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), *request, "{hook}");
    assert!(!answers.is_empty(), "{hook}");
    let read = |answer: &Value| answer::read(answer.to_string().as_bytes()).unwrap().unwrap();
    answers.iter().map(read).collect()
}

#[test]
fn the_reference_shows_what_is_asked_and_what_is_taken() {
    let data = |text: &'static str| Bytes::from_static(text.as_bytes());
    let user = Some("56");
    let given = data(r#"{"device":"phone"}"#);
    let question = Question {
        name: "js",
        version: "1.2",
        channels: &["news"],
        data: Some(&given),
        ..Question::default()
    };
    for said in check::<OfConnection>("connect", None, question) {
        let (identity, data) = said.read().unwrap();
        assert_eq!((identity.user_name(), identity.expires_at), ("56", Some(1_893_456_000)));
        assert_eq!(identity.subs.keys().collect::<Vec<_>>(), ["news", "team:1"]);
        assert!(identity.capabilities.in_channel("team:2").publish);
        assert_eq!(data.unwrap().bytes(), r#"{"greeting":"hi"}"#);
    }

    let said = check::<OfRefresh>("refresh", user, Question::default());
    assert_eq!(said.iter().map(|said| said.expired).collect::<Vec<_>>(), [false, true]);

    let given = data(r#"{"invitation":"x"}"#);
    let question = Question { channel: "team:1", data: Some(&given), ..Question::default() };
    for said in check::<OfSubscription>("subscribe", user, question) {
        let (granted, expires_at) = said.read().unwrap();
        assert_eq!(expires_at, Some(1_893_456_000));
        assert_eq!(granted.overrides.force_recovery, Some(true));
    }

    let given = data(r#"{"input":"hello"}"#);
    let question = Question { channel: "team:1", data: Some(&given), ..Question::default() };
    for said in check::<OfPublication>("publish", user, question) {
        assert_eq!((said.skip_history, said.idempotency_key.as_deref()), (Some(true), Some("1")));
    }

    let question = Question { channel: "team:1", ..Question::default() };
    for said in check::<OfRefresh>("sub_refresh", user, question) {
        assert_eq!(said.expires_at(), Some(1_893_456_000));
    }

    let given = data(r#"{"object_id":12}"#);
    let question = Question { method: "getCurrentPrice", data: Some(&given), ..Question::default() };
    for said in check::<OfRpc>("rpc", user, question) {
        assert_eq!(said.data.unwrap().get(), r#"{"answer":"2019"}"#);
    }
}

/// What is said of a configuration that is not taken.
fn told(config: Value) -> String {
    fn part<T: DeserializeOwned>(config: &Value, name: &str, default: Value) -> Result<T, String> {
        let part = config.get(name).cloned().unwrap_or(default);
        serde_json::from_value(part).map_err(|error| error.to_string())
    }
    let proxies = || -> Result<Proxies, String> {
        let client = part(&config, "client", json!({}))?;
        let rpc = part(&config, "rpc", json!({}))?;
        let named: Vec<Named> = part(&config, "proxies", json!([]))?;
        let channel = part(&config, "channel", json!({}))?;
        Proxies::new(&client, &rpc, &named, &channel).map_err(|bad| bad.to_string())
    };
    proxies().map_or_else(|told| told, |_| "good".into())
}

#[test]
fn what_cannot_be_asked_is_said_before_the_start() {
    let named = |name: &str| json!([{"name": name, "endpoint": "http://a.example/"}]);
    let space = |key: &str, value: Value| json!({"namespaces": [{"name": "chat", "subscribe_proxy_enabled": true, key: value}]});
    for (config, expected) in [
        (json!({}), "good"),
        (
            json!({"client": {"proxy": {"connect": {"enabled": true}}}}),
            "client.proxy.connect has no endpoint",
        ),
        (json!({"client": {"proxy": {"connect": {"endpoint": "http://a.example/"}}}}), "good"),
        (
            json!({"client": {"proxy": {"refresh": {"endpoint": "grpc://a.example/"}}}}),
            "it is no URL that begins with http",
        ),
        (
            json!({"client": {"proxy": {"refresh": {"endpoint": "http://u:p@a.example/"}}}}),
            "a user name or password in it",
        ),
        (
            json!({"client": {"proxy": {"refresh": {"timeout": "0s"}}}}),
            "it is more than nothing and at most 30s",
        ),
        (
            json!({"client": {"proxy": {"refresh": {"timeout": "31s"}}}}),
            "it is more than nothing and at most 30s",
        ),
        (json!({"client": {"proxy": {"refresh": {"http_headers": ["a b"]}}}}), "\"a b\" is no header's name"),
        (
            json!({"client": {"proxy": {"refresh": {"http_headers": ["Host"]}}}}),
            "Host is about the request itself",
        ),
        (
            json!({"client": {"proxy": {"refresh": {"http": {"static_headers": {"x": "secret\n"}}}}}}),
            "the value of x is no header's",
        ),
        (
            json!({"rpc": {"proxy": {"http": {"status_to_code_transforms": [{"status_code": 404}]}}}}),
            "it has either to_error or to_disconnect",
        ),
        (
            json!({"rpc": {"proxy": {"http": {"status_to_code_transforms":
                [{"status_code": 404, "to_error": {"code": 4}}]}}}}),
            "it has an error with the code 4",
        ),
        (
            json!({"channel": space("history_size", json!(0))}),
            "subscribe_proxy is enabled, and neither names one",
        ),
        (
            json!({"channel": space("subscribe_proxy_name", json!("a1")), "proxies": named("b1")}),
            "subscribe_proxy names the proxy \"a1\", which is not there",
        ),
        (json!({"channel": space("subscribe_proxy_name", json!("a1")), "proxies": named("a1")}), "good"),
        (json!({"proxies": named("default")}), "is no name for one"),
        (json!({"proxies": [{"name": "a1"}]}), "one of [[proxies]] has no endpoint"),
        (json!({"rpc": {"without_namespace": {"proxy_enabled": true}}}), "nor has [rpc.proxy] an endpoint"),
        (
            json!({"rpc": {"namespaces": [{"name": "n1", "proxy_enabled": true, "proxy_name": "a1"}]}}),
            "proxy of the rpc namespace \"n1\" names the proxy \"a1\", which is not there",
        ),
    ] {
        let told = told(config.clone());
        assert!(told.contains(expected) && !told.contains("secret"), "{config}: {told}");
    }
}
