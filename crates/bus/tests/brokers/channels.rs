//! Channels that keep their last publications, and who is present in them: the same on every broker, and as the model has it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use naru_bus::{
    BusError, Event, Keep, Kept, Line, Most, Once, Present, PresentStats, Read, StreamPosition, Version,
};
use naru_ledger::channel::{Answer, Bounds, Channel, Enter, History, Leave, Model, Op, Publish};
use naru_ledger::op::{Run, ServerIs};
use naru_ledger::testing::channels::operation;
use naru_ledger::{Epoch, Generation, Millis, Server};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::broker::{Broker, each};
use crate::gateway::Gateway;
use crate::server::SOON;

const HOUR: Duration = Duration::from_secs(3600);

const KEEP: Keep = Keep { size: 100, ttl: HOUR, meta_ttl: HOUR };

const ALL: Read = Read { since: None, limit: None, bytes: None, reverse: false, meta_ttl: HOUR };

/// Which epochs of a broker are which of the model's.
#[derive(Default)]
struct Epochs(BTreeMap<Epoch, Epoch>);

impl Epochs {
    /// The answer, with the epoch that the model has where it has not met it yet.
    fn as_of_model(&mut self, mut answer: Answer, expected: &Answer) -> Answer {
        let mut expected = expected.clone();
        if let (Some(epoch), Some(models)) = (epoch_of(&mut answer), epoch_of(&mut expected)) {
            let is_new = !self.0.values().any(|known| known == models);
            let known = self.0.get(epoch).cloned().or_else(|| is_new.then(|| models.clone()));
            if let Some(known) = known {
                self.0.insert(epoch.clone(), known.clone());
                *epoch = known;
            }
        }
        answer
    }
}

fn epoch_of(answer: &mut Answer) -> Option<&mut Epoch> {
    match answer {
        Answer::Published(published) => published.position.as_mut().map(|position| &mut position.epoch),
        Answer::Page(page) => Some(&mut page.top.epoch),
        Answer::Ok | Answer::Present(_) | Answer::Stats(_) => None,
    }
}

/// The same about what belongs to this history alone.
fn of_history(op: Op, number: usize) -> Op {
    let named = |channel: Channel| Channel::parse(&format!("{number} {channel}")).unwrap();
    match op {
        Op::Publish(it) => Op::Publish(Publish { channel: named(it.channel), ..it }),
        Op::History(it) => Op::History(History { channel: named(it.channel), ..it }),
        Op::Remove { channel } => Op::Remove { channel: named(channel) },
        Op::Enter(it) => Op::Enter(Enter { run: run_of(&it.run, number), channel: named(it.channel), ..it }),
        Op::Leave(it) => Op::Leave(Leave { run: run_of(&it.run, number), channel: named(it.channel), ..it }),
        Op::Presence { channel, most } => Op::Presence { channel: named(channel), most },
        Op::Stats { channel } => Op::Stats { channel: named(channel) },
    }
}

fn run_of(run: &Run, number: usize) -> Run {
    let server = Server::parse(&format!("{}-{number}", run.server)).unwrap();
    Run { server, epoch: run.epoch.clone() }
}

async fn tell(line: &Line, model: &mut Model, server: &str, epoch: &str, number: usize) {
    let run = Run { server: Server::parse(server).unwrap(), epoch: Epoch::parse(epoch).unwrap() };
    let is = ServerIs { run: run_of(&run, number), lease: Some(HOUR) };
    model.server(&is, Millis(0));
    line.ask(&naru_ledger::Op::Server(is)).await.unwrap();
}

async fn history(line: &Line, ops: Vec<Op>, number: usize) {
    let (mut model, mut epochs) = (Model::default(), Epochs::default());
    for server in ["s1", "s2"] {
        tell(line, &mut model, server, "e1", number).await;
    }
    let half = ops.len() / 2;
    for (step, op) in ops.into_iter().enumerate() {
        if step == half {
            // Its next run begins; before it has said so, it says nothing else.
            tell(line, &mut model, "s1", "e2", number).await;
        }
        let of_next_run = matches!(&op, Op::Enter(enter) if enter.run.epoch.as_str() == "e2");
        if of_next_run && step < half {
            continue;
        }
        let op = of_history(op, number);
        let epoch = Epoch::parse(&format!("model {step}")).unwrap();
        let expected = model.ask(&op, Millis(0), Bounds::default(), Generation::FIRST, &epoch);
        let answer = line.ask_channel(&op).await;
        let answer = match &expected {
            Ok(expected) => answer.map(|answer| epochs.as_of_model(answer, expected)),
            Err(_) => answer,
        };
        let expected = expected.map_err(BusError::from);
        assert_eq!(answer, expected, "step {step} of history {number}: {op:?}");
    }
}

#[test]
fn every_broker_answers_as_the_model() {
    each(|broker| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let line = runtime.block_on(broker.line());
        let ops = prop::collection::vec(operation(vec![HOUR, 24 * HOUR]), 1..60);
        let mut runner = TestRunner::default();
        for number in 0..40 {
            let ops = ops.new_tree(&mut runner).unwrap().current();
            runtime.block_on(history(&line, ops, number));
        }
    });
}

#[test]
fn a_read_has_as_many_bytes_as_are_wanted_or_one_publication() {
    each(|broker| {
        let gateway = Gateway::up("s1", broker.target());
        // More than a script looks at at once.
        let sizes = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 0, 0, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6];
        for size in sizes {
            let payload = Bytes::from("x".repeat(size));
            gateway.ask(async |bus| bus.publish_kept("room", payload.clone(), KEEP, None).await.unwrap());
        }
        let all: Vec<(u64, usize)> = (1..).zip(sizes).collect();
        let read = |read: Read| -> Vec<(u64, usize)> {
            let page = gateway.ask(async |bus| bus.stream("room", read).await.unwrap());
            assert_eq!(page.top.offset, 25);
            page.publications.into_iter().map(|(offset, payload)| (offset, payload.len())).collect()
        };
        for (bytes, reverse) in
            [0, 1, 2, 30, 60, 110, 111, 112].into_iter().zip([false, true].into_iter().cycle())
        {
            let mut left: Vec<(u64, usize)> = all.clone();
            if reverse {
                left.reverse();
            }
            let mut since = None;
            // Page by page to the end.
            while let Some(&(first, _)) = left.first() {
                let count = (1..=left.len()).rev().find(|count| {
                    *count == 1 || left[..*count].iter().map(|(_, size)| *size as u64).sum::<u64>() <= bytes
                });
                let rest = left.split_off(count.unwrap());
                let page = read(Read { since, bytes: Some(bytes), reverse, ..ALL });
                assert_eq!(page, left, "{bytes} bytes from {first} on");
                since = page.last().map(|(offset, _)| *offset);
                left = rest;
            }
        }
        assert_eq!(read(Read { limit: Some(2), bytes: Some(111), ..ALL }), all[..2]);
        assert_eq!(read(Read { limit: Some(0), bytes: Some(0), ..ALL }), []);
    });
}

/// With times that pass while it is looked at.
#[test]
fn what_is_over_is_over_on_every_broker() {
    each(|broker| {
        let gateway = Gateway::up("s1", broker.target());
        let short = Duration::from_millis(50);
        let keep = |ttl, meta_ttl| Keep { size: 10, ttl, meta_ttl };
        let publish = |channel, keep| kept(&gateway, channel, keep, None).position.unwrap();
        let window = Once { key: "k".to_owned(), window: short };
        let once = || kept(&gateway, "once", Keep { size: 0, ..KEEP }, Some(window.clone()));
        let before = [publish("short", keep(short, HOUR)), publish("forgotten", keep(HOUR, short))];
        assert!(!once().repeat);
        // The broker's clock is what counts.
        std::thread::sleep(4 * short);
        assert!(!once().repeat);
        let page = gateway.ask(async |bus| bus.stream("short", ALL).await.unwrap());
        assert_eq!((page.top, page.publications.len()), (before[0].clone(), 0));
        let page = gateway.ask(async |bus| bus.stream("forgotten", ALL).await.unwrap());
        assert_eq!((page.top.offset, page.publications.len()), (0, 0));
        assert_ne!(page.top.epoch, before[1].epoch);
        assert_eq!(publish("forgotten", KEEP), StreamPosition { offset: 1, epoch: page.top.epoch });
        assert_eq!(publish("short", KEEP).offset, 2);
    });
}

#[test]
fn of_a_channel_that_was_only_read_other_brokers_remember_minutes() {
    each(|broker| {
        let Broker::Other(server) = &broker else { return };
        let gateway = Gateway::up("s1", broker.target());
        let day = Duration::from_secs(24 * 3600);
        let read = Read { meta_ttl: day, ..ALL };
        let seconds = || -> u64 {
            let key = server.says(&["KEYS", "*:cm:room"]);
            server.says(&["TTL", &key]).parse().unwrap()
        };
        gateway.ask(async |bus| bus.stream("room", read).await.unwrap());
        assert!((600..=675).contains(&seconds()), "{}", seconds());
        kept(&gateway, "room", KEEP, None);
        gateway.ask(async |bus| bus.stream("room", read).await.unwrap());
        assert!(seconds() >= 24 * 3600);
    });
}

#[test]
fn who_was_present_is_forgotten_by_other_brokers_though_its_server_never_comes_back() {
    each(|broker| {
        let Broker::Other(server) = &broker else { return };
        let gateway = Gateway::up("s1", broker.target());
        gateway.ask(async |bus| bus.enter("room", "a", "u", Bytes::new()).await.unwrap());
        let key = server.says(&["KEYS", "*:cp:room"]);
        let seconds: u64 = server.says(&["TTL", &key]).parse().unwrap();
        assert!((3600..=3 * 3600).contains(&seconds), "{seconds}");
    });
}

fn kept(gateway: &Gateway, channel: &str, keep: Keep, once: Option<Once>) -> Kept {
    gateway
        .ask(async |bus| bus.publish_kept(channel, Bytes::from_static(b"payload"), keep, once).await.unwrap())
}

fn positioned(gateway: &Gateway) -> (StreamPosition, Bytes) {
    match gateway.event() {
        Event::Published { position: Some(position), payload, .. } => (position, payload),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_kept_is_heard_in_the_order_of_its_offsets_and_is_there_after_a_crash() {
    each(|mut broker| {
        let (one, other) = (Gateway::up("s1", broker.target()), Gateway::up("s2", broker.target()));
        other.ask(async |bus| bus.subscribe("room").await.unwrap());
        let payloads: Vec<Bytes> = (0..50).map(|number| Bytes::from(format!("\0{number}"))).collect();
        let publish = |gateway: &Gateway, payloads: &[Bytes]| -> Vec<StreamPosition> {
            let kept = gateway.ask(async |bus| {
                let publish = |payload: &Bytes| bus.publish_kept("room", payload.clone(), KEEP, None);
                join_all(payloads.iter().map(publish)).await
            });
            let position = |kept: Result<Kept, BusError>| {
                let kept = kept.unwrap();
                assert_eq!((kept.receivers, kept.repeat), (1, false));
                kept.position.unwrap()
            };
            kept.into_iter().map(position).collect()
        };
        let positions = publish(&one, &payloads);
        let heard: Vec<_> = payloads.iter().map(|_| positioned(&other)).collect();
        let expected: Vec<_> = positions.iter().cloned().zip(payloads.iter().cloned()).collect();
        assert_eq!(heard, expected);
        assert!(positions.iter().map(|position| position.offset).eq(1..=50));

        broker.end();
        one.goes_down();
        other.goes_down();
        broker.come_back();
        assert!(one.comes_up() && other.comes_up());
        let again = publish(&one, &payloads[..1]);
        let page = one.ask(async |bus| bus.stream("room", ALL).await.unwrap());
        assert_eq!(page.top, again[0]);
        assert_eq!(positioned(&other).0, again[0]);
        if again[0].epoch == positions[0].epoch {
            let all = payloads.iter().chain(&payloads[..1]).cloned();
            assert!(page.publications.into_iter().eq((1..).zip(all)));
        } else {
            // A master that comes back is another one for who cannot see what it has lost.
            assert!(matches!(broker, Broker::Other(_)));
            assert_eq!(page.publications, [(1, payloads[0].clone())]);
        }
    });
}

#[test]
fn a_repeat_is_heard_by_nobody_and_has_the_first_position() {
    each(|broker| {
        let gateway = Gateway::up("s1", broker.target());
        gateway.ask(async |bus| bus.subscribe("room").await.unwrap());
        let once = || Some(Once { key: "k".to_owned(), window: HOUR });
        let first = kept(&gateway, "room", KEEP, once());
        let repeat = kept(&gateway, "room", KEEP, once());
        assert_eq!(repeat, Kept { receivers: 0, repeat: true, ..first.clone() });
        let other = kept(&gateway, "room", KEEP, None);
        assert_eq!(positioned(&gateway).0, first.position.unwrap());
        assert_eq!(positioned(&gateway).0, other.position.unwrap());
        let refused = gateway.ask(async |bus| {
            bus.publish_kept("room", Bytes::new(), Keep { size: u32::MAX, ..KEEP }, None).await
        });
        assert!(
            matches!(refused, Err(BusError::Refused { ref code, .. }) if code == "INVALID"),
            "{refused:?}"
        );
        // What is published otherwise has no position, and what is removed is not there any more.
        gateway.publish("room", "plain");
        assert!(matches!(gateway.event(), Event::Published { position: None, .. }));
        gateway.ask(async |bus| bus.remove_stream("room").await.unwrap());
        let page = gateway.ask(async |bus| bus.stream("room", ALL).await.unwrap());
        assert_eq!((page.top.offset, page.publications.len()), (2, 0));
    });
}

#[test]
fn what_is_not_newer_is_heard_by_nobody_also_after_a_crash() {
    each(|mut broker| {
        let gateway = Gateway::up("s1", broker.target());
        gateway.ask(async |bus| bus.subscribe("room").await.unwrap());
        let publish = |number: u64, epoch: &str| {
            let version = Some(Version { number, epoch: epoch.to_owned() });
            let payload = Bytes::from(format!("{number}{epoch}"));
            let publish =
                gateway.ask(async |bus| bus.publish_version("room", payload, KEEP, None, version).await);
            publish.unwrap()
        };
        // Two that are the same as numbers of a script.
        let high = (1 << 60) + 1;
        let mut top = None;
        for (number, epoch, is_new) in [
            (9, "", true),
            (9, "", false),
            (10, "", true),
            (9, "", false),
            (high, "", true),
            (high - 1, "", false),
            (high + 1, "", true),
            (1, "a", true),
            (1, "a", false),
            (1, "", false),
            (1, "b", true),
            (2, "", true),
            (3, "b", true),
        ] {
            let Kept { position, repeat, receivers } = publish(number, epoch);
            assert_eq!((repeat, receivers), (!is_new, u64::from(is_new)), "{number} of {epoch:?}");
            if is_new {
                assert_eq!(
                    positioned(&gateway),
                    (position.clone().unwrap(), format!("{number}{epoch}").into())
                );
                top = position;
            } else {
                assert_eq!(position, top);
            }
        }
        // Without a version it is as new as it comes, and neither that nor a removal has the last one forgotten.
        assert!(!kept(&gateway, "room", KEEP, None).repeat);
        positioned(&gateway);
        gateway.ask(async |bus| bus.remove_stream("room").await.unwrap());
        assert!(publish(3, "b").repeat);

        broker.end();
        gateway.goes_down();
        broker.come_back();
        assert!(gateway.comes_up());
        let again = publish(3, "b");
        let is_remembered = again.position.unwrap().epoch == top.unwrap().epoch;
        assert_eq!(again.repeat, is_remembered);
        // A master that comes back is another one for who cannot see what it has lost.
        assert!(is_remembered || matches!(broker, Broker::Other(_)));
    });
}

#[test]
fn who_is_present_is_so_again_after_a_loss_and_not_after_its_servers_end() {
    each(|mut broker| {
        let (one, other) = (Gateway::up("s1", broker.target()), Gateway::up("s2", broker.target()));
        let enter = |gateway: &Gateway, client: &str, user: &str| {
            let info = Bytes::from(format!("\0{client}"));
            gateway.ask(async |bus| bus.enter("room", client, user, info).await.unwrap());
        };
        enter(&one, "a", "u");
        enter(&one, "b", "");
        enter(&other, "c", "u");
        enter(&other, "d", "v");
        other.ask(async |bus| bus.leave("room", "d").await.unwrap());
        let clients = |gateway: &Gateway| -> Vec<String> {
            let present = gateway.ask(async |bus| bus.present("room", Most::default()).await.unwrap());
            let check = |Present { client, user, info }: Present| {
                assert_eq!(info, format!("\0{client}"));
                assert_eq!(user.is_none(), client.as_str() == "b");
                client.as_str().to_owned()
            };
            present.into_iter().map(check).collect()
        };
        assert_eq!(clients(&one), ["a", "b", "c"]);
        let stats = one.ask(async |bus| bus.present_stats("room").await.unwrap());
        assert_eq!(stats, PresentStats { clients: 3, users: 2 });

        broker.end();
        one.goes_down();
        other.goes_down();
        one.ask(async |bus| bus.leave("room", "b").await.unwrap());
        broker.come_back();
        assert!(one.comes_up() && other.comes_up());
        assert_eq!(clients(&one), ["a", "c"]);

        other.bus.stop();
        other.bus.join();
        let end = Instant::now() + SOON;
        while clients(&one) != ["a"] {
            assert!(Instant::now() < end);
        }
    });
}
