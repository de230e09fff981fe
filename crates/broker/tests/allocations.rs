//! What a delivery costs the allocator: nothing. What a publication costs does not depend on who hears it.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use naru_broker::{Broker, Options, Storage};
use naru_measured::allocations;

#[global_allocator]
static MEMORY: naru_measured::Measured = naru_measured::Measured;

/// What all threads allocate is counted, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

const PUBLICATIONS: usize = 200;

/// A broker with subscribers, and a publisher.
struct Scene {
    broker: Broker,
    publisher: UnixStream,
    subscribers: Vec<UnixStream>,
    /// What each of them is sent for one publication.
    message: Vec<u8>,
    heard: Vec<u8>,
}

impl Scene {
    /// Subscribers that have said `subscribe`, and are sent `message` for every publication on `news`.
    fn start(subscribers: usize, subscribe: &[u8], message: &[u8]) -> Scene {
        let broker = Broker::start(Options::new(Vec::new(), Storage::Memory, 2)).unwrap();
        let connect = || {
            let socket = broker.connect().unwrap();
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket
        };
        let subscribers = (0..subscribers).map(|_| {
            let mut socket = connect();
            socket.write_all(subscribe).unwrap();
            let mut confirmed = [0; 100];
            assert!(socket.read(&mut confirmed).unwrap() > 0);
            socket
        });
        let (subscribers, publisher) = (subscribers.collect(), connect());
        Scene { publisher, subscribers, message: message.into(), heard: vec![0; message.len()], broker }
    }

    /// Publishes, each time waiting until all have heard; how often the process allocated meanwhile.
    fn publish(&mut self, times: usize) -> u64 {
        let before = allocations();
        for _ in 0..times {
            self.publisher.write_all(b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$5\r\nhello\r\n").unwrap();
            for subscriber in &mut self.subscribers {
                subscriber.read_exact(&mut self.heard).unwrap();
                assert_eq!(self.heard, self.message);
            }
            let mut reply = [0; 16];
            assert!(self.publisher.read(&mut reply).unwrap() > 0);
        }
        allocations() - before
    }
}

/// What so many publications cost, once everything has its size.
fn cost(subscribers: usize, subscribe: &[u8], message: &[u8]) -> u64 {
    let mut scene = Scene::start(subscribers, subscribe, message);
    scene.publish(PUBLICATIONS);
    let cost = scene.publish(PUBLICATIONS);
    println!("{subscribers} subscribers: {cost} allocations for {PUBLICATIONS} publications");
    scene.broker.stop();
    cost
}

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// 40 times the subscribers may not cost one allocation more for a publication.
#[track_caller]
fn costs_the_same_for_many(subscribe: &[u8], message: &[u8]) {
    let _alone = alone();
    let (few, many) = (cost(10, subscribe, message), cost(400, subscribe, message));
    let publications = PUBLICATIONS as u64;
    assert!(
        many <= few + publications,
        "{few} allocations for {publications} publications to 10, {many} to 400"
    );
    assert!(many <= 30 * publications, "{many} allocations for {publications} publications");
}

#[test]
fn a_delivery_to_a_channels_subscriber_allocates_nothing() {
    costs_the_same_for_many(
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n",
        b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
    );
}

#[test]
fn a_delivery_to_a_patterns_subscriber_allocates_nothing() {
    costs_the_same_for_many(
        b"*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\nn*\r\n",
        b"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
    );
}
