//! What happens to channels that keep their last publications.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;

use crate::channel::{Channel, Enter, History, Keep, Leave, Most, Once, Op, Publish, Version};
use crate::op::{Run, ServerIs};
use crate::{ClientId, Epoch, Server, User};

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// Somebody asks.
    Ask(Op),
    /// Time passes.
    Pass(Duration),
    /// A server says that it runs.
    Server(ServerIs),
    /// A run is over.
    Over(Run),
    /// The store's newest records may be missing.
    Raise,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Anything that may happen to a store with a clock of its own.
pub fn step() -> impl Strategy<Value = Step> {
    let lease = prop_oneof![Just(None), Just(Some(Duration::ZERO)), Just(Some(MINUTE))];
    prop_oneof![
        20 => operation(vec![Duration::from_millis(1), SECOND, MINUTE, DAY]).prop_map(Step::Ask),
        3 => (0_u64..3000).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
        2 => select(vec![SECOND, MINUTE, MINUTE * 9 / 8, DAY]).prop_map(Step::Pass),
        1 => (run(), lease).prop_map(|(run, lease)| Step::Server(ServerIs { run, lease })),
        1 => run().prop_map(Step::Over),
        1 => Just(Step::Raise),
    ]
}

/// What somebody may ask, with one of these times wherever there is one.
pub fn operation(times: Vec<Duration>) -> impl Strategy<Value = Op> {
    let time = || select(times.clone());
    let binary = Bytes::from_static(b"naru:1:e\n\0\xff\r\n");
    let payload = prop_oneof![Just(Bytes::new()), Just(binary), "[a-z\n:]{1,20}".prop_map(Bytes::from)];
    let keep = (0_u32..5, time(), time()).prop_map(|(size, ttl, meta_ttl)| Keep { size, ttl, meta_ttl });
    let key = select(vec!["k", "1:k", "나루"]).prop_map(str::to_owned);
    let once = proptest::option::weighted(0.3, (key, time()));
    let once = once.prop_map(|once| once.map(|(key, window)| Once { key, window }));
    // Numbers that a double cannot tell apart, and of several lengths.
    let number = select(vec![0, 1, 2, 9, 10, (1 << 53) + 1, (1 << 53) + 2, u64::MAX]);
    let version = (number, select(vec!["", "e", "나루"]))
        .prop_map(|(number, epoch)| Version { number, epoch: epoch.to_owned() });
    let publish = (channel(), payload, keep, once, proptest::option::weighted(0.4, version)).prop_map(
        |(channel, payload, keep, once, version)| {
            Op::Publish(Publish { channel, payload, keep, once, version })
        },
    );
    let since = prop_oneof![Just(None), (0_u64..12).prop_map(Some), Just(Some(u64::MAX >> 12))];
    let limit = prop_oneof![Just(None), (0_u32..4).prop_map(Some)];
    let bytes = prop_oneof![2 => Just(None), 1 => (0_u64..40).prop_map(Some)];
    let history = (channel(), time(), since, limit, bytes, any::<bool>());
    let history = history.prop_map(|(channel, meta_ttl, since, limit, bytes, reverse)| {
        Op::History(History { channel, meta_ttl, since, limit, bytes, reverse })
    });
    let info = select(vec![Bytes::new(), Bytes::from_static(b"{\"a\":1}"), Bytes::from_static(b"\0\xff\0")]);
    let user = proptest::option::of(select(vec!["u1", "u2"]).prop_map(|user| User::parse(user).unwrap()));
    let enter = (run(), channel(), client(), user, info)
        .prop_map(|(run, channel, client, user, info)| Op::Enter(Enter { run, channel, client, user, info }));
    let leave = (run(), channel(), client())
        .prop_map(|(run, channel, client)| Op::Leave(Leave { run, channel, client }));
    prop_oneof![
        10 => publish,
        6 => history,
        1 => channel().prop_map(|channel| Op::Remove { channel }),
        3 => enter,
        1 => leave,
        2 => (channel(), proptest::option::of(0_u64..4), proptest::option::of(0_u64..12)).prop_map(
            |(channel, clients, bytes)| Op::Presence { channel, most: Most { clients, bytes } },
        ),
        1 => channel().prop_map(|channel| Op::Stats { channel }),
    ]
}

fn channel() -> impl Strategy<Value = Channel> {
    select(vec!["a", "a:b", "나루 *"]).prop_map(|name| Channel::parse(name).unwrap())
}

fn client() -> impl Strategy<Value = ClientId> {
    select(vec!["c1", "c2", "c3"]).prop_map(|name| ClientId::parse(name).unwrap())
}

/// One of the runs of two servers.
pub fn run() -> impl Strategy<Value = Run> {
    let named = |(server, epoch): (&str, &str)| Run {
        server: Server::parse(server).unwrap(),
        epoch: Epoch::parse(epoch).unwrap(),
    };
    select(vec![("s1", "e1"), ("s1", "e2"), ("s2", "e1")]).prop_map(named)
}
