//! Namespaces as a configuration writes them, and what can be done in them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn settings(channel: Value) -> Result<Settings, String> {
    serde_json::from_value(channel).map_err(|error| error.to_string())
}

fn namespaces(channel: Value) -> Namespaces {
    settings(channel).unwrap().into()
}

/// With one namespace, `ns`, of these options.
fn with(options: Value) -> Namespaces {
    namespaces(json!({"namespaces": [named(options)]}))
}

fn named(options: Value) -> Value {
    let mut namespace = options;
    namespace["name"] = "ns".into();
    namespace
}

fn code<T>(result: Result<T, Refused>) -> Result<T, Code> {
    result.map_err(|refused| refused.code)
}

fn user(user: &str) -> Who<'_> {
    Who { user, ..Who::default() }
}

fn subscriber(user: &str) -> Who<'_> {
    Who { user, is_subscribed: true, ..Who::default() }
}

#[test]
fn without_a_configuration_public_is_open_and_nothing_else() {
    let namespaces = Namespaces::default();
    let use_it = |name: &str| {
        let channel = code(namespaces.find_for_client(name))?;
        code(channel.may_publish(&user("alice")))?;
        code(channel.may_subscribe(&user("alice"), false)).map(drop)
    };
    assert_eq!(use_it("public:news"), Ok(()));
    assert_eq!(use_it("public:a:b"), Ok(()));
    assert_eq!(use_it("public:서울"), Ok(()));
    assert_eq!(use_it("news"), Err(Code::PermissionDenied));
    assert_eq!(use_it("서울"), Err(Code::BadRequest));
    assert_eq!(use_it("private:news"), Err(Code::UnknownChannel));
    assert_eq!(use_it("Public:news"), Err(Code::UnknownChannel));
    assert_eq!(use_it("inbox:alice"), Err(Code::PermissionDenied));
    assert_eq!(use_it("naru:server:a"), Err(Code::PermissionDenied));
    assert_eq!(use_it("$public:news"), Err(Code::PermissionDenied));
    assert_eq!(use_it("#alice"), Err(Code::PermissionDenied));
    assert_eq!(use_it("public:room#alice,bob"), Err(Code::PermissionDenied));
    assert_eq!(use_it(&format!("public:{}", "x".repeat(248))), Ok(()));
    assert_eq!(use_it(&format!("public:{}", "x".repeat(249))), Err(Code::BadRequest));
    let news = namespaces.find("public:news").unwrap();
    assert_eq!(code(news.may_subscribe(&user(""), false)), Err(Code::PermissionDenied));
    assert_eq!(code(news.may_read_history(&user("alice"))), Err(Code::NotAvailable));
    assert_eq!(code(news.may_see_presence(&user("alice"))), Err(Code::NotAvailable));
    assert_eq!(news.grant(&user("alice"), everything(), Overrides::default()), Granted::default());
}

fn everything() -> Asked {
    Asked { positioned: true, recoverable: true, join_leave: true, delta: Some(DeltaType::Fossil) }
}
