//! The order that the directory promises, under schedules that shuttle makes up: random ones, and such as change
//! threads in few, ill-chosen places (PCT). Cores are modelled by threads that take their letters as [`Core`] does;
//! what a core would deliver is written down. A core that is not woken when a letter comes is found as a deadlock.
//!
//! `NARU_SCHEDULES=100000 cargo test -p naru-fanout --features model model::` looks longer.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
};

use bytes::Bytes;
use shuttle::{
    future::block_on,
    thread::{self, JoinHandle},
};

use crate::{
    Core, CoreId, Directory, Incoming, PeerId, Publication, Space, Topic, Wire, limits::MAILBOX_BYTES_MAX,
    mailbox::Letter, nobody::Nobody,
};

/// A wire whose messages are numbers, and whose peers are not there.
enum Numbers {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Number {
    channel: &'static str,
    publisher: u32,
    number: u32,
    bytes: usize,
}

impl Publication for Number {
    fn channel(&self) -> &[u8] {
        self.channel.as_bytes()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Wire for Numbers {
    type Shared = ();
    type Local = ();
    type Peer = Nobody;
    type Publication = Number;
    type Frame<'a> = ();
    type Mail = ();

    fn local(_: CoreId, _: &Arc<()>) {}
    fn accept(_: &Rc<Core<Self>>, _: Incoming) {}
    fn receive(_: &Rc<Core<Self>>, (): ()) {}
    fn frame(_: &[Number], _: Option<&Bytes>) {}
}

/// A directory, and its cores at work.
struct Model {
    directory: Arc<Directory<Numbers>>,
    cores: Vec<JoinHandle<Heard>>,
}

/// What the peers of a core were delivered, in order: the channel, the peer, the number.
type Heard = Vec<(Bytes, PeerId, Number)>;

impl Model {
    fn start(cores: usize) -> Model {
        let directory = Arc::new(Directory::new(cores));
        let core = |index| {
            let directory = directory.clone();
            thread::spawn(move || live(&directory, CoreId(index)))
        };
        let cores = (0..cores).map(core).collect();
        Model { directory, cores }
    }

    /// A thread that publishes on these channels in turn; how many were said to receive each number. As a core does, it
    /// wakes others at its end.
    fn publisher(
        &self,
        publisher: u32,
        space: Space,
        channels: &[&'static str],
    ) -> JoinHandle<Vec<(Number, usize)>> {
        let (directory, channels) = (self.directory.clone(), channels.to_vec());
        thread::spawn(move || {
            let mut asleep = Vec::new();
            let publish = |(channel, number)| {
                let number = Number { channel, publisher, number, bytes: 1 };
                let wake = |waker| asleep.push(waker);
                (number, directory.publish_quietly(space, channel.as_bytes(), || number, wake))
            };
            let published = channels.into_iter().zip(0..).map(publish).collect();
            asleep.into_iter().for_each(Waker::wake);
            published
        })
    }

    /// A thread whose peer joins and leaves the topic, so often.
    fn churner(&self, core: CoreId, topic: Topic, times: usize) -> JoinHandle<()> {
        let directory = self.directory.clone();
        thread::spawn(move || {
            let peer = directory.next_peer();
            for _ in 0..times {
                directory.join(core, peer, topic.clone());
                directory.leave(core, peer, topic.clone());
            }
        })
    }

    fn join(&self, core: usize, topic: Topic) {
        self.directory.join(CoreId(core), self.directory.next_peer(), topic);
    }

    /// Lets the cores end, once they have handled what was sent before.
    fn heard(self) -> Vec<Heard> {
        self.directory.stop();
        self.cores.into_iter().map(|core| core.join().expect("a core of the model ends well")).collect()
    }
}

/// A core's life, as [`Core::run`] lives it.
fn live(directory: &Directory<Numbers>, id: CoreId) -> Heard {
    let mailbox = directory.mailbox(id);
    let (mut subscribers, mut heard): (HashMap<Topic, Vec<PeerId>>, Heard) = Default::default();
    let mut batch = VecDeque::new();
    loop {
        block_on(poll_fn(|context| match mailbox.wake_with(context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }));
        mailbox.take(&mut batch);
        let mut spent = 0;
        for letter in batch.drain(..) {
            spent += letter.bytes();
            match letter {
                Letter::Join { peer, topic, .. } => subscribers.entry(topic).or_default().push(peer),
                Letter::Leave { peer, topic } => {
                    let peers = subscribers.get_mut(&topic).expect("who leaves has joined");
                    let at = peers.iter().position(|known| *known == peer).expect("who leaves has joined");
                    peers.remove(at);
                }
                Letter::Publish { space, publication } => {
                    let channel = Bytes::from_static(publication.channel.as_bytes());
                    let topics = subscribers.iter().filter(|(topic, _)| hears(topic, space, &channel));
                    let peers: Vec<_> = topics.flat_map(|(_, peers)| peers).collect();
                    assert!(!peers.is_empty(), "a core was told that has no subscriber");
                    heard.extend(peers.into_iter().map(|peer| (channel.clone(), *peer, publication)));
                }
                Letter::Stop => return heard,
                Letter::Accept(_) | Letter::Mail(()) => unreachable!("nobody sends these"),
            }
        }
        mailbox.handled(spent);
    }
}

fn hears(topic: &Topic, space: Space, channel: &Bytes) -> bool {
    topic.space() == space
        && match topic {
            Topic::Channel(name) | Topic::ShardChannel(name) => name == channel,
            Topic::Pattern(glob) => crate::matches(glob, channel),
        }
}

fn channel(name: &'static str) -> Topic {
    Topic::Channel(Bytes::from_static(name.as_bytes()))
}

fn shard_channel(name: &'static str) -> Topic {
    Topic::ShardChannel(Bytes::from_static(name.as_bytes()))
}

fn pattern(glob: &'static str) -> Topic {
    Topic::Pattern(Bytes::from_static(glob.as_bytes()))
}

/// The numbers that one peer heard.
fn of_peer(heard: &Heard, peer: PeerId) -> Vec<Number> {
    heard.iter().filter(|(_, other, _)| *other == peer).map(|(_, _, number)| *number).collect()
}

fn under_any_schedule(model: impl Fn() + Send + Sync + Copy + 'static) {
    let schedules =
        std::env::var("NARU_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000);
    shuttle::check_random(model, schedules);
    shuttle::check_pct(model, schedules, 3);
}

#[test]
fn every_core_sees_one_order_of_a_channel_and_each_publishers_own() {
    let topics: [fn() -> Topic; 3] = [|| channel("news"), || shard_channel("news"), || pattern("ne*s")];
    for topic in topics {
        under_any_schedule(move || {
            let model = Model::start(2);
            (0..2).for_each(|core| model.join(core, topic()));
            let publishers =
                [0, 1].map(|publisher| model.publisher(publisher, topic().space(), &["news"; 3]));
            publishers.into_iter().for_each(|publisher| drop(publisher.join().unwrap()));
            let heard: Vec<Vec<Number>> = model
                .heard()
                .iter()
                .map(|heard| heard.iter().map(|(_, _, number)| *number).collect())
                .collect();
            assert_eq!(heard[0], heard[1], "cores saw different orders");
            for publisher in 0..2 {
                let own = heard[0].iter().filter(|number| number.publisher == publisher);
                assert!(own.map(|number| number.number).eq(0..3), "a publisher's order was lost");
            }
        });
    }
}

#[test]
fn one_publishers_messages_keep_their_order_across_channels() {
    under_any_schedule(|| {
        let model = Model::start(2);
        for core in 0..2 {
            ["a", "b", "c"].into_iter().for_each(|name| model.join(core, channel(name)));
        }
        let publishers =
            [0, 1].map(|publisher| model.publisher(publisher, Space::Channels, &["a", "b", "c", "a"]));
        publishers.into_iter().for_each(|publisher| drop(publisher.join().unwrap()));
        for heard in model.heard() {
            for publisher in 0..2 {
                let own = heard.iter().filter(|(_, _, number)| number.publisher == publisher);
                assert!(own.map(|(_, _, number)| number.number).eq(0..4), "a publisher's order was lost");
            }
        }
    });
}

#[test]
fn as_many_receive_a_publication_as_were_counted_while_subscriptions_come_and_go() {
    under_any_schedule(|| {
        let model = Model::start(2);
        model.join(0, channel("news"));
        let churners = [
            model.churner(CoreId(0), channel("news"), 2),
            model.churner(CoreId(1), pattern("n*"), 2),
            model.churner(CoreId(1), channel("news"), 1),
        ];
        let counted = model.publisher(0, Space::Channels, &["news"; 4]).join().unwrap();
        churners.into_iter().for_each(|churner| churner.join().unwrap());
        assert_eq!((model.directory.subscribers(b"news"), model.directory.pattern_count()), (1, 0));
        let heard = model.heard();
        for (number, receivers) in counted {
            let received = heard.iter().flatten().filter(|(_, _, other)| *other == number).count();
            assert_eq!(received, receivers, "{number:?}");
        }
        assert_eq!(of_peer(&heard[0], PeerId(1)).len(), 4, "who was there all the time heard not all");
    });
}

#[test]
fn who_waits_for_a_full_mailbox_goes_on_when_it_has_room() {
    under_any_schedule(|| {
        let model = Model::start(1);
        model.join(0, channel("news"));
        let publishers = [0, 1].map(|publisher| {
            let directory = model.directory.clone();
            thread::spawn(move || {
                for number in 0..3 {
                    block_on(directory.relieved());
                    let number = Number { channel: "news", publisher, number, bytes: MAILBOX_BYTES_MAX };
                    assert_eq!(directory.publish(b"news", || number), 1);
                }
            })
        });
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        assert_eq!(model.heard()[0].len(), 6);
    });
}
