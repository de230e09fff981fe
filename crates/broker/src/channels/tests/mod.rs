//! Channels as they are kept, held against the plain model of them; and what is taken back in, held against what was there.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use naru_ledger::{
    Epoch, Generation, Millis,
    channel::{self, Answer, Channel, Model, Op, Page, Published, Refused},
    op::Run,
    testing::channels::{Step, step},
};
use proptest::prelude::*;

use super::*;
use crate::keyspace::{Body, Place, Spot};

const START: Millis = Millis(1_700_000_000_000);

/// What is kept, as a keeper has it.
struct Twins {
    model: Model,
    channels: Channels,
    /// What was taken back in from what was recorded, and now and then from what a checkpoint has.
    again: Channels,
    present: Present,
    runs: BTreeMap<naru_ledger::Server, (Epoch, Option<Millis>)>,
    /// Bodies by their addresses; none where they are not needed any more.
    bodies: Vec<Option<Bytes>>,
    now: Millis,
    generation: Generation,
    epochs: u64,
    bounds: Bounds,
}

impl Twins {
    fn new(bounds: Bounds) -> Twins {
        Twins {
            model: Model::default(),
            channels: Channels::default(),
            again: Channels::default(),
            present: Present::default(),
            runs: BTreeMap::new(),
            bodies: Vec::new(),
            now: START,
            generation: Generation::FIRST,
            epochs: 0,
            bounds,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Ask(op) => {
                self.epochs += 1;
                let epoch = EpochNumber(self.epochs);
                let bounds = channel::Bounds { bytes_max: self.bounds.bytes_max };
                let text = epoch.position(0).epoch;
                let expected = self.model.ask(op, self.now, bounds, self.generation, &text);
                assert_eq!(self.ask(op, epoch), expected, "{op:?}");
            }
            Step::Pass(time) => {
                self.now = self.now.after(*time);
                // What is over may have been seen to, or not yet.
                if time.as_millis() % 2 == 0 {
                    self.expire();
                    let (channels, bound) = (self.channels.totals().channels, Duration::from_secs(1));
                    assert!(
                        channels >= self.model.channels(self.now) as u64
                            || self.generation > Generation::FIRST
                    );
                    let is_late = |kept: &Kept| {
                        kept.once().any(|(_, first)| Millis(first.until).after(bound) < self.now)
                    };
                    assert!(!self.channels.iter().any(is_late), "what is over is forgotten soon");
                }
            }
            Step::Server(is) => {
                self.model.server(is, self.now);
                self.present.begun(&is.run);
                let until = is.lease.map(|lease| self.now.after(lease));
                self.runs.insert(is.run.server.clone(), (is.run.epoch.clone(), until));
            }
            Step::Over(run) => {
                self.model.over(run);
                self.present.over(run);
                if self.runs.get(&run.server).is_some_and(|(epoch, _)| *epoch == run.epoch) {
                    self.runs.remove(&run.server);
                }
            }
            Step::Raise => self.generation = self.generation.next(self.now),
        }
        self.check();
    }

    fn ask(&mut self, op: &Op, epoch: EpochNumber) -> Result<Answer, Refused> {
        op.check()?;
        let (runs, now) = (&self.runs, self.now);
        let counts = |run: &Run| {
            let told = runs.get(&run.server);
            told.is_some_and(|(epoch, until)| *epoch == run.epoch && until.is_none_or(|until| now < until))
        };
        match op {
            Op::Enter(enter) => {
                self.present.enter(enter, u64::MAX)?;
                return Ok(Answer::Ok);
            }
            Op::Leave(leave) => {
                self.present.leave(leave);
                return Ok(Answer::Ok);
            }
            Op::Presence { channel, most } => {
                return self.present.all(channel, *most, counts).map(Answer::Present);
            }
            Op::Stats { channel } => return Ok(Answer::Stats(self.present.stats(channel, counts))),
            Op::Publish(_) | Op::History(_) | Op::Remove { .. } => {}
        }
        let (generation, bounds) = (self.generation.0, self.bounds);
        let moment = Moment { now: self.now.0, generation, bounds, epoch };
        let Decided { changes, outcome } = self.channels.decide(op, moment)?;
        for change in changes {
            self.make(op.channel(), change);
        }
        Ok(match outcome {
            Outcome::Publish(position) => {
                Answer::Published(Published { receivers: 0, position, repeat: false })
            }
            Outcome::Repeat(position) => {
                Answer::Published(Published { receivers: 0, position, repeat: true })
            }
            Outcome::Page { top, publications } => {
                let read = |(offset, place)| (offset, self.read(place));
                Answer::Page(Page { top, publications: publications.into_iter().map(read).collect() })
            }
            Outcome::Ok => Answer::Ok,
        })
    }

    fn read(&self, place: Place) -> Bytes {
        self.bodies[place.address as usize].clone().expect("it is needed still")
    }

    fn make(&mut self, name: &Channel, mut change: ChannelChange) {
        let record = self.bodies.len() as u64;
        change.each_body(&mut |body| {
            let Body::New(bytes) = body else { panic!("it is not recorded yet") };
            let spot = Spot { offset: 0, bytes: bytes.len() as u32 };
            self.bodies.push(Some(bytes.clone()));
            *body = Body::Recorded(spot);
        });
        let written = postcard::to_stdvec(&change).unwrap();
        self.again.check(name, &change).unwrap();
        self.again.apply(name, postcard::from_bytes(&written).unwrap(), record, &mut |_| {});
        let bodies = &mut self.bodies;
        self.channels.apply(name, change, record, &mut |place| {
            bodies[place.address as usize].take().expect("it goes once");
        });
    }

    fn expire(&mut self) {
        loop {
            let over = self.channels.over(self.now.0, 2);
            for name in over {
                self.make(&name, ChannelChange::Passed { at: self.now.0 });
            }
            if self.channels.next_over().is_none_or(|at| at > self.now.0) {
                break;
            }
        }
    }

    /// As a start after a checkpoint.
    fn restart(&mut self) {
        let mut again = Channels::default();
        for kept in self.channels.iter() {
            let kept: Kept = postcard::from_bytes(&postcard::to_stdvec(kept).unwrap()).unwrap();
            assert!(kept.is_sound());
            again.restore(kept);
        }
        self.again = std::mem::replace(&mut self.channels, again);
        self.again = Channels::default();
        for kept in self.channels.iter() {
            self.again.restore(kept.clone());
        }
    }

    fn check(&self) {
        let rows = |channels: &Channels| -> BTreeMap<Channel, Vec<u8>> {
            let row = |kept: &Kept| (kept.channel().clone(), postcard::to_stdvec(kept).unwrap());
            channels.iter().map(row).collect()
        };
        assert_eq!(rows(&self.channels), rows(&self.again));
        assert_eq!(self.channels.totals(), self.again.totals());
        let needed = self.channels.iter().flat_map(|kept| kept.publications(0));
        let (count, bytes) =
            needed.fold((0, 0), |(count, bytes), (_, place)| (count + 1, bytes + u64::from(place.bytes)));
        assert_eq!(count, self.bodies.iter().flatten().count());
        let totals = self.channels.totals();
        assert_eq!((totals.publications, totals.bytes), (count as u64, bytes));
        let once: usize = self.channels.iter().map(|kept| kept.once().count()).sum();
        assert_eq!(totals.once, once as u64);
        for kept in self.channels.iter() {
            assert!(kept.looked_at <= kept.next_over(true), "what is over is seen in time");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_channel_answers_as_its_model_whatever_happens_and_is_taken_back_in_as_it_was(
        bytes_max in prop_oneof![0_u64..40, Just(u64::MAX)],
        steps in prop::collection::vec((step(), prop::bool::weighted(0.05)), 1..120),
    ) {
        let mut twins = Twins::new(Bounds { bytes_max, ..Bounds::default() });
        for (step, restarts) in &steps {
            twins.take(step);
            if *restarts {
                twins.restart();
                twins.check();
            }
        }
    }
}

fn publish(name: &str, size: u32, once: Option<&str>) -> Op {
    let hour = Duration::from_secs(3600);
    Op::Publish(channel::Publish {
        channel: Channel::parse(name).unwrap(),
        payload: Bytes::from_static(b"payload"),
        keep: channel::Keep { size, ttl: hour, meta_ttl: hour },
        once: once.map(|key| channel::Once { key: key.to_owned(), window: hour }),
        version: None,
    })
}

#[test]
fn what_was_written_before_there_were_versions_is_read() {
    let mut twins = Twins::new(Bounds::default());
    for name in ["a", "b"] {
        twins.ask(&publish(name, 1, Some("k")), EpochNumber(1)).unwrap();
    }
    twins.ask(&publish("c", 0, Some("k")), EpochNumber(1)).unwrap();
    for kept in twins.channels.iter() {
        let of_stream = |stream: &kept::Stream| {
            let kept::Stream { epoch, generation, top, remembered_until, kept_until, kept, .. } =
                stream.clone();
            (epoch, generation, top, remembered_until, kept_until, kept)
        };
        let row = (kept.channel(), kept.stream.as_ref().map(of_stream), &kept.once);
        let read: Unversioned = postcard::from_bytes(&postcard::to_stdvec(&row).unwrap()).unwrap();
        let read = postcard::to_stdvec(&Kept::from(read)).unwrap();
        assert_eq!(read, postcard::to_stdvec(kept).unwrap());
    }
}

#[test]
fn what_there_is_no_room_for_is_refused_until_something_is_forgotten() {
    let bounds = Bounds { channels_max: 2, once_max: 1, present_max: 1, ..Bounds::default() };
    let mut twins = Twins::new(bounds);
    let ask = |twins: &mut Twins, op: &Op| twins.ask(op, EpochNumber(1)).map_err(Refused::code);
    ask(&mut twins, &publish("a", 1, Some("k"))).unwrap();
    assert_eq!(ask(&mut twins, &publish("a", 1, Some("l"))), Err("OOM"));
    ask(&mut twins, &publish("a", 1, Some("k"))).unwrap();
    ask(&mut twins, &publish("b", 1, None)).unwrap();
    assert_eq!(ask(&mut twins, &publish("c", 1, None)), Err("OOM"));
    ask(&mut twins, &publish("c", 0, None)).unwrap();
    twins.now = twins.now.after(Duration::from_secs(2 * 3600));
    twins.expire();
    ask(&mut twins, &publish("c", 1, Some("l"))).unwrap();
    assert_eq!(twins.channels.totals().channels, 1);
}

#[test]
fn names_that_are_only_read_are_forgotten_within_minutes_and_what_was_published_in_is_not() {
    let mut twins = Twins::new(Bounds { channels_max: 3, ..Bounds::default() });
    let read = |name: &str| {
        let meta_ttl = Duration::from_secs(30 * 24 * 3600);
        let channel = Channel::parse(name).unwrap();
        Op::History(channel::History {
            channel,
            meta_ttl,
            since: None,
            limit: Some(0),
            bytes: None,
            reverse: false,
        })
    };
    twins.ask(&publish("a", 1, None), EpochNumber(1)).unwrap();
    twins.ask(&read("a"), EpochNumber(2)).unwrap();
    for name in ["b", "c"] {
        twins.ask(&read(name), EpochNumber(3)).unwrap();
    }
    assert_eq!(twins.ask(&read("d"), EpochNumber(4)).map_err(Refused::code), Err("OOM"));
    for _ in 0..12 {
        // Whoever compares its position keeps the channel.
        twins.now = twins.now.after(Duration::from_secs(60));
        twins.ask(&read("c"), EpochNumber(5)).unwrap();
    }
    twins.expire();
    let names: Vec<&str> = twins.channels.iter().map(|kept| kept.channel().as_str()).collect();
    assert!(names.len() == 2 && names.contains(&"a") && names.contains(&"c"), "{names:?}");
}

#[test]
fn who_only_reads_writes_nothing_most_of_the_time() {
    let mut twins = Twins::new(Bounds::default());
    twins.ask(&publish("a", 1, None), EpochNumber(1)).unwrap();
    let history = Op::History(channel::History {
        channel: Channel::parse("a").unwrap(),
        meta_ttl: Duration::from_secs(3600),
        since: None,
        limit: None,
        bytes: None,
        reverse: false,
    });
    let mut writes = 0;
    for _ in 0..3600 {
        twins.now = twins.now.after(Duration::from_secs(1));
        let moment = Moment { now: twins.now.0, generation: 1, bounds: twins.bounds, epoch: EpochNumber(2) };
        let decided = twins.channels.decide(&history, moment).unwrap();
        writes += usize::from(!decided.changes.is_empty());
        decided.changes.into_iter().for_each(|change| twins.make(history.channel(), change));
    }
    assert!((1..20).contains(&writes), "{writes}");
}

/// There may be a million of them.
#[test]
fn a_channel_takes_little() {
    let fill = || {
        let mut channels = Channels::default();
        for number in 0..20_000 {
            let name = Channel::parse(&format!("channel:{number}")).unwrap();
            let begun = ChannelChange::Begun { epoch: EpochNumber(1), generation: 1, top: 0 };
            channels.apply(&name, begun, 0, &mut |_| {});
        }
        channels
    };
    let (channels, bytes) = naru_measured::peak_bytes(fill);
    let each = bytes / channels.totals().channels as usize;
    println!("{each} bytes a channel");
    assert!(each < 400, "{each}");
}
