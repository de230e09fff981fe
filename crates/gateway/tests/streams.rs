//! Channels that keep their publications: positions, recovery, history; who is present, and who comes and goes.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use naru_gateway::{Gateway, namespaces::Namespaces};
use serde_json::{Value, json};
use support::{Client, Harbour, eventually, signed};

/// Namespaces by Centrifugo's options. Whoever publishes is faster than people.
fn namespaces(mut list: Value) -> Namespaces {
    for namespace in list.as_array_mut().unwrap() {
        namespace["publish_rate_limit"] = json!(0);
    }
    let settings: naru_gateway::namespaces::Settings =
        serde_json::from_value(json!({"namespaces": list})).unwrap();
    Namespaces::from(settings)
}

fn kept(size: u32, more: Value) -> Value {
    let mut namespace = json!({
        "name": "kept", "history_size": size, "history_ttl": "1h",
        "allow_subscribe_for_client": true, "allow_publish_for_client": true,
        "allow_history_for_subscriber": true, "allow_positioning": true, "allow_recovery": true,
    });
    for (name, value) in more.as_object().unwrap() {
        namespace[name] = value.clone();
    }
    json!([namespace])
}

fn gateway(harbour: &Harbour, name: &str, list: Value) -> Gateway {
    harbour.gateway_with(name, |options| options.namespaces = namespaces(list))
}

fn subscribe(client: &mut Client, request: Value) -> Value {
    let reply = client.ask("subscribe", request);
    assert!(reply["error"].is_null(), "{reply}");
    reply["subscribe"].clone()
}

fn publish(client: &mut Client, channel: &str, data: Value) {
    let reply = client.ask("publish", json!({"channel": channel, "data": data}));
    assert_eq!(reply["publish"], json!({}), "{reply}");
}

fn publish_many(address: SocketAddr, channel: &str, data: impl IntoIterator<Item = Value>) {
    let mut publisher = Client::connect(address, "publisher");
    data.into_iter().for_each(|data| publish(&mut publisher, channel, data));
}

/// The data of the next publications, which are those after `offset`.
fn hears(client: &mut Client, channel: &str, mut offset: u64, count: u64) -> Vec<Value> {
    let next = |_| {
        let (its, publication) = client.publication();
        offset += 1;
        assert_eq!((&*its, &publication["offset"]), (channel, &json!(offset)), "{publication}");
        publication["data"].clone()
    };
    (0..count).map(next).collect()
}

#[test]
fn who_comes_back_gets_what_it_missed_and_then_what_comes() {
    let harbour = Harbour::open();
    let (one, two) =
        (gateway(&harbour, "one", kept(100, json!({}))), gateway(&harbour, "two", kept(100, json!({}))));
    let mut bob = Client::connect(one.address(), "bob");
    let begun = subscribe(&mut bob, json!({"channel": "kept:a", "recoverable": true}));
    assert_eq!((&begun["recoverable"], &begun["positioned"]), (&json!(true), &json!(true)));
    assert!(begun["offset"].is_null() && begun["was_recovering"].is_null(), "{begun}");
    let epoch = begun["epoch"].as_str().unwrap().to_owned();
    publish_many(two.address(), "kept:a", [json!(1), json!({"n": 2})]);
    let (_, first) = bob.publication();
    assert_eq!(
        (&first["offset"], &first["epoch"], &first["info"]["user"]),
        (&json!(1), &json!(epoch), &json!("publisher"))
    );
    let second = bob.pushed(|push| !push["pub"].is_null())["pub"].clone();
    assert_eq!(
        (&second["offset"], &second["epoch"], &second["data"]),
        (&json!(2), &Value::Null, &json!({"n": 2}))
    );
    bob.cut();

    publish_many(one.address(), "kept:a", [json!(3), json!(4)]);
    let mut bob = Client::connect(two.address(), "bob");
    let back = json!({"channel": "kept:a", "recover": true, "offset": 2, "epoch": epoch});
    let recovered = subscribe(&mut bob, back.clone());
    assert_eq!((&recovered["recovered"], &recovered["was_recovering"]), (&json!(true), &json!(true)));
    assert_eq!((&recovered["offset"], &recovered["epoch"]), (&json!(2), &json!(epoch)));
    let missed = recovered["publications"].as_array().unwrap();
    let offsets: Vec<_> =
        missed.iter().map(|publication| (&publication["offset"], &publication["data"])).collect();
    assert_eq!(offsets, [(&json!(3), &json!(3)), (&json!(4), &json!(4))]);
    assert_eq!(missed[0]["info"]["user"], "publisher");
    // When it was published is told live and afterwards.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    for publication in [&second, &missed[0]] {
        assert!((0..60_000).contains(&(now - publication["time"].as_i64().unwrap())), "{publication}");
    }
    publish_many(one.address(), "kept:a", [json!(5)]);
    assert_eq!(hears(&mut bob, "kept:a", 4, 1), [json!(5)]);
    assert_eq!(bob.refused("subscribe", back), (105, "already subscribed".into()));

    // At the top there is nothing to get.
    assert_eq!(bob.ask("unsubscribe", json!({"channel": "kept:a"}))["unsubscribe"], json!({}));
    let at_top =
        subscribe(&mut bob, json!({"channel": "kept:a", "recover": true, "offset": 5, "epoch": epoch}));
    assert_eq!(
        (&at_top["recovered"], &at_top["publications"], &at_top["offset"]),
        (&json!(true), &Value::Null, &json!(5))
    );
    one.stop();
    two.stop();
}

#[test]
fn who_cannot_be_given_what_it_missed_is_told_so() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(3, json!({})));
    publish_many(one.address(), "kept:a", (1..=6).map(|n| json!(n)));
    let mut bob = Client::connect(one.address(), "bob");
    let epoch = subscribe(&mut bob, json!({"channel": "kept:a", "positioned": true}))["epoch"].clone();
    for (offset, its, is_recovered) in [
        (3, epoch.clone(), true),
        (2, epoch.clone(), false),
        (9, epoch.clone(), false),
        (6, json!("_"), false),
        (6, json!(""), true),
    ] {
        bob.ask("unsubscribe", json!({"channel": "kept:a"}));
        let mut request = json!({"channel": "kept:a", "recover": true, "offset": offset, "epoch": its});
        let told = subscribe(&mut bob, request.clone());
        assert_eq!(told["was_recovering"], true);
        assert_eq!(told["recovered"].as_bool().unwrap_or(false), is_recovered, "{offset} {its}");
        let publications = told["publications"].as_array().map_or(0, Vec::len);
        assert_eq!(publications, if offset == 3 { 3 } else { 0 });
        assert_eq!(told["offset"], if is_recovered { offset } else { 6 });
        // Who wants to know it by an error does.
        bob.ask("unsubscribe", json!({"channel": "kept:a"}));
        request["flag"] = json!(2);
        let error = bob.ask("subscribe", request)["error"].clone();
        assert_eq!(error.is_null(), is_recovered, "{error}");
        assert!(is_recovered || error["code"] == 112, "{error}");
    }
    bob.ask("unsubscribe", json!({"channel": "kept:a"}));
    subscribe(&mut bob, json!({"channel": "kept:a"}));
    one.stop();
}

#[test]
fn what_was_missed_is_pushed_where_it_is_too_large_for_one_answer() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(300, json!({})));
    let large = "x".repeat(20_000);
    publish_many(one.address(), "kept:a", (1..=100).map(|n| json!([n, large])));
    let mut bob = Client::connect(one.address(), "bob");
    let told = subscribe(&mut bob, json!({"channel": "kept:a", "recover": true, "offset": 0, "epoch": ""}));
    assert_eq!(told["recovered"], true);
    let publications = told["publications"].as_array().unwrap();
    assert!((1..20).contains(&publications.len()), "{}", publications.len());
    let so_far = publications.len() as u64;
    let last = &publications[publications.len() - 1];
    assert_eq!((&last["offset"], &last["data"][0]), (&json!(so_far), &json!(so_far)));
    publish_many(one.address(), "kept:a", [json!("live")]);
    let rest = hears(&mut bob, "kept:a", so_far, 101 - so_far);
    assert_eq!(rest[rest.len() - 1], "live");
    one.stop();
}

#[test]
fn nothing_is_missed_or_heard_twice_while_others_publish() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(1000, json!({})));
    let address = one.address();
    let publisher = std::thread::spawn(move || publish_many(address, "kept:a", (1..=280).map(|n| json!(n))));
    let mut readers: Vec<_> = (0..6)
        .map(|n| {
            std::thread::spawn(move || {
                let (mut at, mut epoch) = (0, json!(""));
                let take = |at: &mut u64, publication: &Value| {
                    *at += 1;
                    assert_eq!((&publication["offset"], &publication["data"]), (&json!(*at), &json!(*at)));
                };
                while at < 280 {
                    let mut client = Client::connect(address, &format!("reader{n}"));
                    let request = json!({"channel": "kept:a", "recover": true, "offset": at, "epoch": epoch});
                    let told = subscribe(&mut client, request);
                    assert_eq!(told["recovered"], true, "{told}");
                    epoch = told["epoch"].clone();
                    for publication in told["publications"].as_array().into_iter().flatten() {
                        take(&mut at, publication);
                    }
                    for _ in 0..(20 + n * 7) {
                        if at < 280 {
                            take(&mut at, &client.publication().1);
                        }
                    }
                    client.cut();
                }
            })
        })
        .collect();
    publisher.join().unwrap();
    readers.drain(..).for_each(|reader| reader.join().unwrap());
    one.stop();
}

#[test]
fn a_gap_that_cannot_be_filled_ends_a_subscription_and_one_that_can_does_not() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(10, json!({})));
    let mut bob = Client::connect(one.address(), "bob");
    let epoch = subscribe(&mut bob, json!({"channel": "kept:a", "recoverable": true}))["epoch"].clone();
    publish_many(one.address(), "kept:a", [json!(1)]);
    assert_eq!(hears(&mut bob, "kept:a", 0, 1), [json!(1)]);
    // What somebody publishes on the channel itself passes by.
    assert_eq!(harbour.redis(&[b"PUBLISH", b"kept:a", b"by hand"]), ":1");
    let (_, by_hand) = bob.publication();
    assert_eq!((&by_hand["data"], &by_hand["offset"]), (&json!("by hand"), &Value::Null));
    // One that was heard before is not heard again; one far ahead has never been.
    let forged = |offset: u64, epoch: &str| format!("naru:{offset}:{epoch}\nx").into_bytes();
    let epoch = epoch.as_str().unwrap();
    assert_eq!(harbour.redis(&[b"PUBLISH", b"kept:a", &forged(1, epoch)]), ":1");
    bob.assert_quiet();
    assert_eq!(harbour.redis(&[b"PUBLISH", b"kept:a", &forged(7, epoch)]), ":1");
    let lost = json!({"channel": "kept:a", "unsubscribe": {"code": 2500, "reason": "insufficient state"}});
    assert_eq!(bob.next()["push"], lost);
    let back =
        subscribe(&mut bob, json!({"channel": "kept:a", "recover": true, "offset": 1, "epoch": epoch}));
    assert_eq!(back["recovered"], true);
    publish_many(one.address(), "kept:a", [json!(2)]);
    assert_eq!(hears(&mut bob, "kept:a", 1, 1), [json!(2)]);
    // Of another epoch.
    assert_eq!(harbour.redis(&[b"PUBLISH", b"kept:a", &forged(3, "other")]), ":1");
    assert_eq!(bob.next()["push"], lost);
    eventually("the channel is left", || harbour.listeners("kept:a") == 0);
    one.stop();
}

#[test]
fn only_the_newest_matters_to_who_recovers_from_a_cache() {
    let harbour = Harbour::open();
    let one =
        gateway(&harbour, "one", kept(1, json!({"force_recovery": true, "force_recovery_mode": "cache"})));
    publish_many(one.address(), "kept:a", (1..=5).map(|n| json!(n)));
    let mut bob = Client::connect(one.address(), "bob");
    let told = subscribe(&mut bob, json!({"channel": "kept:a", "recover": true}));
    assert_eq!((&told["recovered"], &told["publications"][0]["offset"]), (&json!(true), &json!(5)));
    bob.ask("unsubscribe", json!({"channel": "kept:a"}));
    let there = json!({"channel": "kept:a", "recover": true, "offset": 5, "epoch": told["epoch"]});
    let told = subscribe(&mut bob, there);
    assert_eq!((&told["recovered"], &told["publications"]), (&json!(true), &Value::Null));
    publish_many(one.address(), "kept:a", [json!(6)]);
    assert_eq!(hears(&mut bob, "kept:a", 5, 1), [json!(6)]);
    one.stop();
}

/// What a client makes of publications it has agreed to get as deltas.
#[derive(Default)]
struct Chain(Vec<u8>);

impl Chain {
    /// The payload, and whether it came as a delta.
    fn take(&mut self, publication: &Value) -> (Value, bool) {
        let text = publication["data"].as_str().expect("a text").as_bytes();
        let is_delta = publication["delta"] == true;
        self.0 = if is_delta { applied(&self.0, text) } else { text.to_vec() };
        (serde_json::from_slice(&self.0).unwrap(), is_delta)
    }
}

/// A delta of Fossil's, applied as its documents say.
fn applied(source: &[u8], delta: &[u8]) -> Vec<u8> {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut rest = delta;
    let mut next = || {
        let end = rest.iter().position(|byte| !digits.contains(byte)).unwrap();
        let value = |digit: &u8| digits.iter().position(|one| one == digit).unwrap();
        let number = rest[..end].iter().fold(0, |number, digit| number * 64 + value(digit));
        let sign = rest[end];
        rest = &rest[end + 1..];
        let inserted = if sign == b':' { rest.split_off(..number).unwrap() } else { &[] };
        (number, sign, inserted)
    };
    let (length, _, _) = next();
    let mut target = Vec::new();
    loop {
        match next() {
            (count, b'@', _) => {
                let (offset, _, _) = next();
                target.extend_from_slice(&source[offset..offset + count]);
            }
            (_, b':', inserted) => target.extend_from_slice(inserted),
            (_, sign, _) => {
                assert_eq!((sign, target.len()), (b';', length));
                return target;
            }
        }
    }
}

#[test]
fn who_has_agreed_on_deltas_gets_what_has_changed() {
    let harbour = Harbour::open();
    let settings = json!({"delta_publish": true, "allowed_delta_types": ["fossil"]});
    let one = gateway(&harbour, "one", kept(100, settings.clone()));
    let long = |n: u64| json!({"first": n, "name": "나루".repeat(50), "last": n * 7});
    let (mut bob, mut carol) =
        (Client::connect(one.address(), "bob"), Client::connect(one.address(), "carol"));
    let begun = subscribe(&mut bob, json!({"channel": "kept:a", "recoverable": true, "delta": "fossil"}));
    assert_eq!(begun["delta"], true);
    subscribe(&mut carol, json!({"channel": "kept:a"}));
    publish_many(one.address(), "kept:a", (1..=4).map(long));
    let mut chain = Chain::default();
    for n in 1..=4 {
        let publication = bob.publication().1;
        assert_eq!(publication["offset"], n);
        assert_eq!(chain.take(&publication), (long(n), n > 1));
        assert_eq!(carol.publication().1["data"], long(n), "who has not gets it whole");
    }
    bob.cut();
    publish_many(one.address(), "kept:a", (5..=7).map(long));
    let mut bob = Client::connect(one.address(), "bob");
    let back = json!({"channel": "kept:a", "recover": true, "offset": 4, "epoch": begun["epoch"], "delta": "fossil"});
    let recovered = subscribe(&mut bob, back);
    let mut chain = Chain::default();
    for (n, publication) in (5..).zip(recovered["publications"].as_array().unwrap()) {
        assert_eq!(chain.take(publication), (long(n), n > 5));
    }
    publish_many(one.address(), "kept:a", [long(8)]);
    assert_eq!(chain.take(&bob.publication().1), (long(8), true));
    // What is read is whole, and no text.
    let history = bob.ask("history", json!({"channel": "kept:a", "limit": 1}))["history"].clone();
    assert_eq!(history["publications"][0]["data"], long(1));
    let mut dave = Client::connect(one.address(), "dave");
    dave.command("subscribe", json!({"channel": "kept:a", "delta": "other"}));
    assert_eq!(dave.closed().unwrap().0, 3501);
    one.stop();
}

#[test]
fn history_is_read_forwards_and_backwards() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(500, json!({})));
    publish_many(one.address(), "kept:a", (1..=400).map(|n| json!(n)));
    let mut bob = Client::connect(one.address(), "bob");
    assert_eq!(bob.refused("history", json!({"channel": "kept:a"})).0, 103);
    subscribe(&mut bob, json!({"channel": "kept:a"}));
    let mut read = |request: Value| {
        let mut request = request;
        request["channel"] = json!("kept:a");
        let reply = bob.ask("history", request);
        assert!(reply["error"].is_null(), "{reply}");
        let history = reply["history"].clone();
        assert_eq!(history["offset"], 400);
        let offsets: Vec<u64> = history["publications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["offset"].as_u64().unwrap())
            .collect();
        (offsets, history["epoch"].clone())
    };
    let (none, epoch) = read(json!({}));
    assert!(none.is_empty());
    assert_eq!(read(json!({"limit": 3})).0, [1, 2, 3]);
    assert_eq!(read(json!({"limit": 3, "reverse": true})).0, [400, 399, 398]);
    assert_eq!(read(json!({"limit": -1})).0, (1..=300).collect::<Vec<_>>());
    assert_eq!(
        read(json!({"limit": 1000, "since": {"offset": 200, "epoch": epoch}})).0,
        (201..=400).collect::<Vec<_>>()
    );
    assert_eq!(read(json!({"limit": 2, "since": {"offset": 3, "epoch": epoch}})).0, [4, 5]);
    assert_eq!(read(json!({"limit": 9, "since": {"offset": 3, "epoch": epoch}, "reverse": true})).0, [2, 1]);
    assert!(read(json!({"limit": 2, "since": {"offset": 400, "epoch": epoch}})).0.is_empty());
    let mut refused = |since: Value, reverse: bool| {
        bob.refused("history", json!({"channel": "kept:a", "limit": 1, "since": since, "reverse": reverse})).0
    };
    assert_eq!(refused(json!({"offset": 1, "epoch": "other"}), false), 112);
    assert_eq!(refused(json!({"epoch": epoch}), true), 107);
    assert_eq!(bob.refused("history", json!({"channel": "public:a"})).0, 102);
    one.stop();
}

fn place(more: Value) -> Value {
    let mut namespace = json!({
        "name": "place", "presence": true, "join_leave": true, "allow_subscribe_for_client": true,
        "allow_presence_for_subscriber": true,
    });
    for (name, value) in more.as_object().unwrap() {
        namespace[name] = value.clone();
    }
    json!([namespace])
}

#[test]
fn who_is_present_is_seen_and_who_comes_and_goes_is_heard() {
    let harbour = Harbour::open();
    let (one, two) = (gateway(&harbour, "one", place(json!({}))), gateway(&harbour, "two", place(json!({}))));
    let (mut alice, connected) = Client::connect_with(one.address(), "alice", json!({}));
    let place = json!({"channel": "place:a"});
    assert_eq!(alice.refused("presence", place.clone()).0, 103);
    subscribe(&mut alice, json!({"channel": "place:a", "join_leave": true}));
    let me = json!({"user": "alice", "client": connected["client"]});
    assert_eq!(alice.next()["push"], json!({"channel": "place:a", "join": {"info": me}}));
    let presence = alice.ask("presence", place.clone())["presence"]["presence"].clone();
    assert_eq!(presence, json!({connected["client"].as_str().unwrap(): me}));

    let (mut bob, connected) = Client::connect_with(two.address(), "bob", json!({}));
    subscribe(&mut bob, place.clone());
    let him = json!({"user": "bob", "client": connected["client"]});
    assert_eq!(alice.next()["push"], json!({"channel": "place:a", "join": {"info": him}}));
    let stats = |client: &mut Client| {
        client.ask("presence_stats", json!({"channel": "place:a"}))["presence_stats"].clone()
    };
    assert_eq!(stats(&mut alice), json!({"num_clients": 2, "num_users": 2}));
    bob.ask("unsubscribe", place.clone());
    assert_eq!(alice.next()["push"], json!({"channel": "place:a", "leave": {"info": him}}));
    assert_eq!(stats(&mut alice), json!({"num_clients": 1, "num_users": 1}));
    subscribe(&mut bob, place.clone());
    assert_eq!(alice.next()["push"]["join"]["info"], him);
    // In one breath.
    bob.ask("unsubscribe", place.clone());
    subscribe(&mut bob, place.clone());
    assert_eq!(alice.next()["push"]["leave"]["info"], him);
    assert_eq!(alice.next()["push"]["join"]["info"], him);
    assert_eq!(stats(&mut bob), json!({"num_clients": 2, "num_users": 2}));
    bob.cut();
    assert_eq!(alice.next()["push"]["leave"]["info"], him);
    assert_eq!(stats(&mut alice), json!({"num_clients": 1, "num_users": 1}));
    one.stop();
    two.stop();
}

#[test]
fn what_a_namespace_does_not_have_is_not_available() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut bob = Client::connect(one.address(), "bob");
    bob.subscribe("public:a");
    for command in ["presence", "presence_stats", "history"] {
        assert_eq!(bob.refused(command, json!({"channel": "public:a"})), (108, "not available".into()));
    }
    assert_eq!(bob.refused("sub_refresh", json!({"channel": "public:b"})).0, 103);
    assert_eq!(bob.refused("sub_refresh", json!({"channel": "public:a"})).0, 107);
    bob.command("history", json!({}));
    assert_eq!(bob.closed().unwrap().0, 3501);
    one.stop();
}

#[test]
fn a_subscription_that_is_not_refreshed_ends_after_its_grace() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(10, json!({})));
    let exp = in_seconds(1);
    let mut bob = Client::connect(one.address(), "bob");
    let token = signed(json!({"sub": "bob", "channel": "kept:a", "exp": exp}));
    assert_eq!(subscribe(&mut bob, json!({"channel": "kept:a", "token": token}))["expires"], true);
    let ended = json!({"channel": "kept:a", "unsubscribe": {"code": 2501, "reason": "subscription expired"}});
    // Pings are answered meanwhile.
    bob.stream().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(bob.next()["push"], ended);
    let waited = in_seconds(0) - exp;
    assert!((25..50).contains(&waited), "{waited} s");
    publish_many(one.address(), "kept:a", [json!(1)]);
    bob.assert_quiet();
    one.stop();
}

#[test]
fn who_may_not_recover_is_told_where_the_channel_stands_and_no_more() {
    let harbour = Harbour::open();
    let settings =
        json!({"allow_recovery": false, "allow_history_for_subscriber": false, "allow_positioning": true});
    let one = gateway(&harbour, "one", kept(10, settings));
    publish_many(one.address(), "kept:a", [json!(1), json!(2)]);
    let mut bob = Client::connect(one.address(), "bob");
    let told =
        subscribe(&mut bob, json!({"channel": "kept:a", "positioned": true, "recover": true, "offset": 1}));
    assert_eq!((&told["positioned"], &told["offset"]), (&json!(true), &json!(2)));
    assert!(
        told["recoverable"].is_null() && told["was_recovering"].is_null() && told["publications"].is_null()
    );
    one.stop();
}

fn in_seconds(seconds: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (now + Duration::from_secs(seconds)).as_secs()
}

#[test]
fn a_token_opens_a_channel_says_who_comes_and_is_refreshed() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", place(json!({"allow_subscribe_for_client": false})));
    let mut alice = Client::connect(one.address(), "alice");
    let token = |more: Value| {
        let mut claims =
            json!({"sub": "alice", "channel": "$place:a", "info": {"seat": 1}, "b64data": "WzFd"});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        signed(claims)
    };
    assert_eq!(alice.refused("subscribe", json!({"channel": "$place:a"})).0, 103);
    assert_eq!(alice.refused("subscribe", json!({"channel": "$place:a", "token": "no"})).0, 103);
    let good = token(json!({"exp": in_seconds(100)}));
    let told = subscribe(&mut alice, json!({"channel": "$place:a", "token": good, "join_leave": true}));
    let ttl = told["ttl"].as_u64().unwrap();
    assert!(told["expires"] == true && (90..=100).contains(&ttl), "{told}");
    assert_eq!(told["data"], json!([1]));
    assert_eq!(alice.next()["push"]["join"]["info"]["chan_info"], json!({"seat": 1}));
    let refreshed = alice
        .ask("sub_refresh", json!({"channel": "$place:a", "token": token(json!({"exp": in_seconds(500)}))}));
    assert!(refreshed["sub_refresh"]["ttl"].as_u64().unwrap() > 400, "{refreshed}");
    alice.command(
        "sub_refresh",
        json!({"channel": "$place:a", "token": token(json!({"channel": "$place:b"}))}),
    );
    assert_eq!(alice.closed().unwrap().0, 3500);
    one.stop();
}

#[test]
fn the_server_subscribes_by_a_connections_token_and_the_client_comes_back_to_where_it_was() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one", kept(10, json!({"force_recovery": true})));
    let claims =
        json!({"sub": "bob", "channels": ["kept:a"], "subs": {"kept:b": {"data": {"x": 1}}, "else": {}}});
    let connect = |subs: Value| {
        let mut bob = Client::open(one.address());
        let reply = bob.ask("connect", json!({"token": signed(claims.clone()), "subs": subs}));
        assert!(reply["error"].is_null(), "{reply}");
        (bob, reply["connect"]["subs"].clone())
    };
    let (mut bob, subs) = connect(json!({}));
    assert_eq!((&subs["kept:a"]["recoverable"], &subs["else"]), (&json!(true), &json!({})));
    assert_eq!(subs["kept:b"]["data"], json!({"x": 1}));
    assert_eq!(bob.refused("subscribe", json!({"channel": "kept:a"})).0, 105);
    publish_many(one.address(), "kept:a", [json!(1)]);
    assert_eq!(hears(&mut bob, "kept:a", 0, 1), [json!(1)]);
    bob.cut();
    publish_many(one.address(), "kept:a", [json!(2)]);
    let standing = json!({"kept:a": {"recover": true, "offset": 1, "epoch": subs["kept:a"]["epoch"]}, "kept:z": {"recover": true}});
    let (mut bob, subs) = connect(standing);
    assert_eq!(
        (&subs["kept:a"]["recovered"], &subs["kept:a"]["publications"][0]["data"]),
        (&json!(true), &json!(2))
    );
    assert!(subs["kept:z"].is_null());
    // A gap ends the connection, which comes back.
    let epoch = subs["kept:a"]["epoch"].as_str().unwrap();
    let forged = format!("naru:9:{epoch}\nx");
    assert_eq!(harbour.redis(&[b"PUBLISH", b"kept:a", forged.as_bytes()]), ":1");
    assert_eq!(bob.closed(), Some((3010, "insufficient state".into())));
    one.stop();
}

#[test]
fn what_was_published_while_the_broker_was_cut_off_is_read_when_it_is_back() {
    let harbour = Harbour::open();
    let strait = support::Strait::to(harbour.address);
    let one = support::gateway_with("one", &strait.address, |options| {
        options.namespaces = namespaces(kept(100, json!({})));
    });
    let two = gateway(&harbour, "two", kept(100, json!({})));
    let mut bob = Client::connect(one.address(), "bob");
    subscribe(&mut bob, json!({"channel": "kept:a", "recoverable": true}));
    publish_many(two.address(), "kept:a", [json!(1)]);
    assert_eq!(hears(&mut bob, "kept:a", 0, 1), [json!(1)]);
    strait.cut();
    publish_many(two.address(), "kept:a", (2..=5).map(|n| json!(n)));
    strait.open();
    assert_eq!(hears(&mut bob, "kept:a", 1, 4), [json!(2), json!(3), json!(4), json!(5)]);
    one.stop();
    two.stop();
}
