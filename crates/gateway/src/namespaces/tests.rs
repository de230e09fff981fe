//! Namespaces as a configuration writes them, and what can be done in them.

mod reference;

use serde_json::{Value, json};

use super::*;

fn settings(channel: Value) -> Result<Settings, String> {
    serde_json::from_value(channel).map_err(|error| error.to_string())
}

fn namespaces(channel: Value) -> Namespaces {
    settings(channel).unwrap().into()
}

/// With one namespace, `ns`, of these options.
fn with(mut options: Value) -> Namespaces {
    options["name"] = "ns".into();
    namespaces(json!({"namespaces": [options]}))
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

fn everything() -> Asked {
    Asked { positioned: true, recoverable: true, join_leave: true, delta: Some(DeltaType::Fossil) }
}

const DENIED: Result<By<'static>, Code> = Err(Code::PermissionDenied);

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
    assert_eq!(code(news.may_subscribe(&user(""), false)), DENIED);
    assert_eq!(code(news.may_read_history(&user("alice"))), Err(Code::NotAvailable));
    assert_eq!(code(news.may_see_presence(&user("alice"))), Err(Code::NotAvailable));
    assert_eq!(news.grant(&user("alice"), everything(), Overrides::default()), Granted::default());
}

#[test]
fn a_section_that_names_no_namespaces_has_none() {
    let namespaces = namespaces(json!({}));
    assert_eq!(code(namespaces.find("public:news").map(drop)), Err(Code::UnknownChannel));
    assert_eq!(code(namespaces.find("news").unwrap().may_subscribe(&user("a"), false)), DENIED);
}

#[test]
fn options_that_do_not_go_together_are_refused_with_what_to_do() {
    for (options, text) in [
        (json!({"history_size": 1}), "history_size without history_ttl"),
        (json!({"history_ttl": "1s"}), "history_ttl without history_size"),
        (json!({"history_meta_ttl": "1s"}), "history_meta_ttl without history"),
        (json!({"force_recovery": true}), "force_recovery without history"),
        (json!({"allow_recovery": true}), "allow_recovery without history"),
        (json!({"force_positioning": true}), "force_positioning without history"),
        (json!({"allow_positioning": true}), "allow_positioning without history"),
        (json!({"force_recovery_mode": "cache"}), "force_recovery_mode without history"),
        (json!({"allow_history_for_client": true}), "allow_history_for_client without history"),
        (json!({"allow_history_for_subscriber": true}), "allow_history_for_subscriber without history"),
        (
            json!({"history_size": 1, "history_ttl": "2s", "history_meta_ttl": "1s"}),
            "make history_meta_ttl (1s) at least",
        ),
        (json!({"history_size": 1, "history_ttl": "721h"}), "make history_meta_ttl (30days)"),
        (json!({"history_size": 65_537, "history_ttl": "1h"}), "history_size is at most 65536"),
        (json!({"history_size": 1, "history_ttl": "3661days"}), "history_ttl is at most 3660 days"),
        (json!({"history_size": 1, "history_ttl": "1us"}), "history_ttl is at least 1ms"),
        (
            json!({"history_size": 1, "history_ttl": "1h", "history_meta_ttl": "3661days"}),
            "history_meta_ttl is at most 3660 days",
        ),
        (json!({"force_push_join_leave": true}), "force_push_join_leave without join_leave"),
        (json!({"allow_presence_for_client": true}), "allow_presence_for_client without presence"),
        (json!({"allow_presence_for_subscriber": true}), "allow_presence_for_subscriber without presence"),
        (json!({"allow_subscribe_for_anonymous": true}), "set allow_subscribe_for_client as well"),
        (json!({"allow_publish_for_anonymous": true}), "set allow_publish_for_client as well"),
        (
            json!({"presence": true, "allow_presence_for_anonymous": true}),
            "set allow_presence_for_client as well",
        ),
        (json!({"delta_publish": true}), "delta_publish without allowed_delta_types"),
        (json!({"subscribe_proxy_name": "x"}), "subscribe_proxy_name without subscribe_proxy_enabled"),
        (json!({"channel_regex": "("}), "it is no regular expression"),
        (json!({"history_ttl": "1"}), "it is no time"),
        (json!({"allowed_delta_types": ["xdelta"]}), "fossil"),
        (json!({"force_recovery_mode": "all"}), "cache"),
        (json!({"publication_data_format": "xml"}), "json_object"),
        (json!({"histroy_size": 1}), "unknown field `histroy_size`"),
    ] {
        let mut named = options.clone();
        named["name"] = "ns".into();
        let error = settings(json!({"namespaces": [named]})).unwrap_err();
        assert!(error.contains(text), "{options}: {error}");
        settings(json!({"without_namespace": options})).unwrap_err();
    }
}

#[test]
fn namespaces_have_names_of_their_own() {
    let named = |names: &[&str]| {
        let namespaces: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        settings(json!({"namespaces": namespaces})).map(drop)
    };
    named(&["chat", "news.kr", "a-b_c"]).unwrap();
    for wrong in ["", "a", "a:b", "$a", "a b", "서울"] {
        named(&[wrong]).unwrap_err();
    }
    for ours in ["inbox", "room", "dm", "naru"] {
        assert!(named(&[ours]).unwrap_err().contains("Naru's own"));
    }
    assert!(named(&["chat", "news", "chat"]).unwrap_err().contains("two namespaces"));
    assert!(settings(json!({"namespaces": [{}]})).unwrap_err().contains("has a name"));
    let named = settings(json!({"without_namespace": {"name": "some"}})).unwrap_err();
    assert!(named.contains("has no name"), "{named}");
    let personal =
        json!({"subscribe_to_user_personal_channel": {"enabled": true, "personal_channel_namespace": "me"}});
    assert!(settings(personal).unwrap_err().contains("\"me\""));
    for wrong in [0, 256] {
        settings(json!({"max_length": wrong})).unwrap_err();
    }
}

#[test]
fn what_a_namespace_does_not_say_is_as_the_section_says() {
    let namespaces = namespaces(json!({
        "history_meta_ttl": "2h",
        "publication_data_format": "json",
        "namespaces": [
            {"name": "ns", "history_size": 5, "history_ttl": "1h"},
            {"name": "own", "history_size": 5, "history_ttl": "1h", "history_meta_ttl": "3h", "publication_data_format": "binary"},
        ],
    }));
    let hours = |hours: u64| std::time::Duration::from_secs(hours * 60 * 60);
    let ns = namespaces.find("ns:x").unwrap();
    assert_eq!(ns.namespace().history(), Some(History { size: 5, ttl: hours(1), meta_ttl: hours(2) }));
    assert_eq!(ns.namespace().publication_data_format, DataFormat::Json);
    let own = namespaces.find("own:x").unwrap();
    assert_eq!(own.namespace().history().unwrap().meta_ttl, hours(3));
    assert_eq!(own.namespace().publication_data_format, DataFormat::Binary);
}

#[test]
fn a_client_names_channels_as_their_namespace_wants_it() {
    let namespaces = namespaces(json!({"max_length": 20, "namespaces": [
        {"name": "free", "channel_regex": "^[a-z가-힣]+$"},
        {"name": "ascii"},
    ]}));
    let found = |name| code(namespaces.find_for_client(name).map(drop));
    assert_eq!(found("free:abc"), Ok(()));
    assert_eq!(found("free:서울"), Ok(()));
    assert_eq!(found("free:ABC"), Err(Code::BadRequest));
    assert_eq!(found("free:"), Err(Code::BadRequest));
    assert_eq!(found("ascii:ABC"), Ok(()));
    assert_eq!(found("ascii:서울"), Err(Code::BadRequest));
    assert_eq!(found("ascii:a23456789012345"), Err(Code::BadRequest));
    // A back end is held to the grammar only.
    namespaces.find("free:ABC").unwrap();
    namespaces.find("ascii:서울").unwrap();
    assert_eq!(code(namespaces.find("other:x").map(drop)), Err(Code::UnknownChannel));
    assert_eq!(code(namespaces.find("inbox:x").map(drop)), Err(Code::PermissionDenied));
}

#[test]
fn subscribing_is_decided_in_the_protocols_order() {
    let open = with(json!({"allow_subscribe_for_client": true}));
    let anonymous = with(json!({"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}));
    let listed = with(json!({"allow_user_limited_channels": true, "allow_subscribe_for_client": true,
        "subscribe_proxy_enabled": true, "subscribe_proxy_name": "app"}));
    let closed = with(json!({}));
    let may = |namespaces: &Namespaces, name: &str, who: Who<'_>, has_token| {
        let channel = namespaces.find_for_client(name).unwrap();
        match code(channel.may_subscribe(&who, has_token)) {
            Ok(By::Token) => "token",
            Ok(By::Rule) => "rule",
            Ok(By::Hook(name)) => {
                assert_eq!(name, "app");
                "hook"
            }
            Err(Code::PermissionDenied) => "denied",
            Err(other) => panic!("{other:?}"),
        }
    };
    let capable = Who { user: "1", caps: Caps { subscribe: true, ..Caps::default() }, ..Who::default() };
    for (namespaces, name, who, has_token, expected) in [
        (&open, "ns:x", user("1"), false, "rule"),
        (&open, "ns:x", user(""), false, "denied"),
        (&anonymous, "ns:x", user(""), false, "rule"),
        (&open, "$ns:x", user("1"), false, "denied"),
        (&open, "$ns:x", user("1"), true, "token"),
        (&open, "$ns:x", capable, false, "rule"),
        (&open, "ns:x#1", user("1"), false, "denied"),
        (&open, "ns:x#2", user("1"), true, "token"),
        (&listed, "ns:x", user("1"), false, "hook"),
        (&listed, "ns:x#1,2", user("1"), false, "rule"),
        (&listed, "ns:x#2,3", user("1"), false, "denied"),
        (&listed, "ns:x#", user(""), false, "denied"),
        (&listed, "$ns:x#1", user("1"), false, "denied"),
        (&listed, "$ns:x", user("1"), false, "denied"),
        (&listed, "ns:x#2", user("1"), true, "token"),
        (&closed, "ns:x", user("1"), false, "denied"),
        (&closed, "ns:x", subscriber("1"), false, "denied"),
        (&closed, "ns:x", user("1"), true, "token"),
        (&closed, "ns:x", capable, false, "rule"),
    ] {
        assert_eq!(may(namespaces, name, who, has_token), expected, "{name} {who:?} {has_token}");
    }
}

#[test]
fn what_is_closed_to_subscribers_is_closed_to_publishers_and_readers() {
    let namespaces = with(json!({"history_size": 1, "history_ttl": "1h", "presence": true,
        "allow_user_limited_channels": true, "allow_publish_for_client": true,
        "allow_history_for_client": true, "allow_presence_for_client": true}));
    for (name, who, expected) in [
        ("ns:x", user("1"), true),
        ("ns:x", user(""), false),
        ("$ns:x", user("1"), false),
        ("$ns:x", subscriber("1"), true),
        ("ns:x#1", user("1"), true),
        ("ns:x#2", user("1"), false),
        ("ns:x#2", subscriber("1"), true),
    ] {
        let channel = namespaces.find(name).unwrap();
        assert_eq!(channel.may_publish(&who).is_ok(), expected, "{name} {who:?}");
        assert_eq!(channel.may_read_history(&who).is_ok(), expected, "{name} {who:?}");
        assert_eq!(channel.may_see_presence(&who).is_ok(), expected, "{name} {who:?}");
    }
}

#[test]
fn a_subscription_has_what_is_forced_and_of_what_it_asks_for_what_it_may() {
    let history = |mut options: Value| {
        options["history_size"] = 5.into();
        options["history_ttl"] = "1h".into();
        with(options)
    };
    let granted = |namespaces: &Namespaces, asked, overrides| {
        namespaces.find("ns:x").unwrap().grant(&user("1"), asked, overrides)
    };
    let nothing = Asked::default();
    let none = Overrides::default();
    // Asked for and not allowed.
    assert_eq!(granted(&history(json!({})), everything(), none), Granted::default());
    // Allowed and not asked for.
    let allowing =
        history(json!({"allow_recovery": true, "allowed_delta_types": ["fossil"], "join_leave": true,
        "presence": true, "allow_presence_for_subscriber": true, "force_recovery_mode": "cache"}));
    let quiet = Granted {
        in_presence: true,
        tells_join_leave: true,
        recovery_mode: RecoveryMode::Cache,
        ..Granted::default()
    };
    assert_eq!(granted(&allowing, nothing, none), quiet);
    let full = Granted {
        positioned: true,
        recoverable: true,
        hears_join_leave: true,
        delta: Some(DeltaType::Fossil),
        ..quiet
    };
    assert_eq!(granted(&allowing, everything(), none), full);
    // Whoever may read history once subscribed may have both.
    let readable = history(json!({"allow_history_for_subscriber": true}));
    let both = Granted { positioned: true, recoverable: true, ..Granted::default() };
    assert_eq!(granted(&readable, everything(), none), both);
    let positioned = Granted { positioned: true, ..Granted::default() };
    assert_eq!(granted(&history(json!({"allow_positioning": true})), everything(), none), positioned);
    // Forced.
    assert_eq!(granted(&history(json!({"force_recovery": true})), nothing, none), both);
    assert_eq!(granted(&history(json!({"force_positioning": true})), nothing, none), positioned);
    let told = Granted { tells_join_leave: true, hears_join_leave: true, ..Granted::default() };
    assert_eq!(
        granted(&with(json!({"join_leave": true, "force_push_join_leave": true})), nothing, none),
        told
    );
    // As a token has it; without history there is nothing to recover.
    let otherwise = Overrides {
        presence: Some(true),
        join_leave: Some(true),
        force_push_join_leave: Some(true),
        force_recovery: Some(true),
        force_positioning: Some(true),
    };
    assert_eq!(granted(&with(json!({})), nothing, otherwise), Granted { in_presence: true, ..told });
    assert_eq!(
        granted(&history(json!({})), nothing, otherwise),
        Granted { in_presence: true, positioned: true, recoverable: true, ..told }
    );
    let without =
        Overrides { force_recovery: Some(false), join_leave: Some(false), presence: Some(false), ..none };
    assert_eq!(
        granted(&allowing, nothing, without),
        Granted { recovery_mode: RecoveryMode::Cache, ..Granted::default() }
    );
}

#[test]
fn a_personal_channel_is_where_the_configuration_wants_it() {
    assert_eq!(Namespaces::default().personal_channel("alice"), None);
    let bare = namespaces(json!({"subscribe_to_user_personal_channel": {"enabled": true}}));
    assert_eq!(bare.personal_channel("alice").as_deref(), Some("#alice"));
    assert_eq!(bare.personal_channel("a,b"), None);
    assert_eq!(bare.personal_channel(&"x".repeat(255)), None);
    let named = namespaces(json!({"namespaces": [{"name": "me"}],
        "subscribe_to_user_personal_channel": {"enabled": true, "personal_channel_namespace": "me"}}));
    assert_eq!(named.personal_channel("alice").as_deref(), Some("me:#alice"));
}

#[test]
fn proxies_are_told_to_whoever_knows_them() {
    let settings = settings(json!({"without_namespace": {"publish_proxy_enabled": true},
        "namespaces": [{"name": "ns", "subscribe_proxy_enabled": true, "subscribe_proxy_name": "app"}]}));
    let settings = settings.unwrap();
    let proxies: Vec<_> = settings.proxies().collect();
    assert_eq!(proxies, [("publish_proxy", "default"), ("subscribe_proxy", "app")]);
}
