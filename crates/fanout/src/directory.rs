use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
};

use ahash::RandomState;
use bytes::Bytes;

use crate::{
    Asleep, CoreId, Incoming, PeerId, Publication, Space, Topic, Wire,
    limits::DIRECTORY_SHARDS,
    mailbox::{Letter, Mailbox},
    matches,
    patterns::Patterns,
    sync::{AtomicUsize, Mutex, MutexGuard, RwLock},
    topic::Name,
};

/// Subscribers of one topic, counted by core.
enum Counts {
    /// One, as of most: each user has an inbox. Which core it is on.
    One(u32),
    Many(Box<[u32]>),
}

impl Counts {
    fn none() -> Self {
        Counts::Many(Box::default())
    }

    fn total(&self) -> usize {
        match self {
            Counts::One(_) => 1,
            Counts::Many(counts) => counts.iter().map(|&count| count as usize).sum(),
        }
    }

    fn has(&self, core: usize) -> bool {
        match self {
            Counts::One(one) => *one as usize == core,
            Counts::Many(counts) => counts.get(core).is_some_and(|&count| count > 0),
        }
    }

    fn add(&mut self, core: CoreId, cores: usize) {
        match self {
            Counts::Many(counts) if !counts.is_empty() => counts[core.0] += 1,
            Counts::Many(_) => *self = Counts::One(u32::try_from(core.0).expect("cores are few")),
            Counts::One(one) => {
                let mut counts: Box<[u32]> = vec![0; cores].into();
                counts[*one as usize] = 1;
                counts[core.0] += 1;
                *self = Counts::Many(counts);
            }
        }
    }

    fn remove(&mut self, core: CoreId) {
        match self {
            Counts::One(one) => {
                assert_eq!(*one as usize, core.0, "who leaves has joined");
                *self = Counts::none();
            }
            Counts::Many(counts) => counts[core.0] -= 1,
        }
    }
}

/// The channels of one lock.
type Shard = HashMap<Name, Counts, RandomState>;

/// Which cores have subscribers of which channel and pattern: what all cores share, and the only way from one to
/// another. See the crate's invariants for what its locks order.
pub struct Directory<W: Wire> {
    channels: Shards,
    shard_channels: Shards,
    /// Read under the lock of some shard of `channels`, changed under the locks of all: so a change has its place in the order of
    /// every channel.
    patterns: RwLock<Patterns<Counts>>,
    /// Length of `patterns`, so that publishing need not lock it while there are none. Changes with it.
    pattern_count: AtomicUsize,
    mailboxes: Box<[Mailbox<W>]>,
    connections: Box<[AtomicUsize]>,
    last_peer: AtomicU64,
    /// Bytes each core has handed to the kernel.
    written: Box<[Arc<AtomicU64>]>,
}

/// Channels of one name space, spread over locks.
struct Shards {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

impl Shards {
    fn new() -> Self {
        let hasher = RandomState::new();
        let shard = || Mutex::new(HashMap::with_hasher(hasher.clone()));
        Shards { shards: (0..DIRECTORY_SHARDS).map(|_| shard()).collect(), hasher }
    }

    fn of(&self, channel: &[u8]) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(channel) as usize % DIRECTORY_SHARDS]
    }

    /// Locks every shard, always in the same order.
    fn lock_all(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.shards.iter().map(Mutex::lock).collect()
    }

    /// Whether this is the channel's first subscriber; and its name, as it is kept.
    fn join(shard: &mut Shard, core: CoreId, cores: usize, channel: &[u8]) -> (bool, Name) {
        let name = shard.get_key_value(channel).map_or_else(|| channel.into(), |(name, _)| name.clone());
        let counts = shard.entry(name.clone()).or_insert_with(Counts::none);
        let first = counts.total() == 0;
        counts.add(core, cores);
        (first, name)
    }

    /// Whether this was the channel's last subscriber.
    fn leave(shard: &mut Shard, core: CoreId, channel: &[u8]) -> bool {
        let counts = shard.get_mut(channel).expect("who leaves a channel has joined it");
        counts.remove(core);
        let last = counts.total() == 0;
        if last {
            shard.remove(channel);
        }
        last
    }
}

impl<W: Wire> Directory<W> {
    pub(crate) fn new(cores: usize) -> Self {
        Directory {
            channels: Shards::new(),
            shard_channels: Shards::new(),
            patterns: RwLock::new(Patterns::new()),
            pattern_count: AtomicUsize::new(0),
            mailboxes: (0..cores).map(|_| Mailbox::new()).collect(),
            connections: (0..cores).map(|_| AtomicUsize::new(0)).collect(),
            last_peer: AtomicU64::new(0),
            written: (0..cores).map(|_| Arc::default()).collect(),
        }
    }

    fn shards(&self, space: Space) -> &Shards {
        match space {
            Space::Channels => &self.channels,
            Space::ShardChannels => &self.shard_channels,
        }
    }

    /// Publishes what `make` makes, if anyone is there to hear it; answers how many are.
    pub fn publish(&self, channel: &[u8], make: impl FnOnce() -> W::Publication) -> usize {
        self.publish_in(Space::Channels, channel, make)
    }

    /// As [`Self::publish`], in the name space given.
    pub fn publish_in(&self, space: Space, channel: &[u8], make: impl FnOnce() -> W::Publication) -> usize {
        self.publish_quietly(space, channel, make, Waker::wake)
    }

    /// As [`Self::publish`], for who has more to say: cores that slept are left to be woken.
    pub fn publish_beside(
        &self,
        channel: &[u8],
        make: impl FnOnce() -> W::Publication,
        asleep: &mut Asleep,
    ) -> usize {
        self.publish_quietly(Space::Channels, channel, make, |waker| asleep.add(waker))
    }

    /// As [`Self::publish_in`]; each core that slept is `wake`'s to wake.
    pub(crate) fn publish_quietly(
        &self,
        space: Space,
        channel: &[u8],
        make: impl FnOnce() -> W::Publication,
        mut wake: impl FnMut(Waker),
    ) -> usize {
        let shard = self.shards(space).of(channel).lock();
        let subscribers = shard.get(channel);
        let has_patterns = space == Space::Channels && self.pattern_count.load(Ordering::Acquire) > 0;
        let patterns = has_patterns.then(|| self.patterns.read());
        let matching: Vec<&Counts> = match &patterns {
            Some(patterns) => patterns.matching(channel).map(|(_, counts)| counts).collect(),
            None => Vec::new(),
        };
        let receivers = subscribers.map_or(0, Counts::total)
            + matching.iter().map(|counts| counts.total()).sum::<usize>();
        if receivers == 0 {
            return 0;
        }
        let publication = make();
        debug_assert_eq!(publication.channel(), channel);
        let mut put = |core: usize, publication| {
            self.mailboxes[core].put(Letter::Publish { space, publication }).map(&mut wake);
        };
        let mut last = None;
        for core in 0..self.mailboxes.len() {
            let here = subscribers.is_some_and(|counts| counts.has(core))
                || matching.iter().any(|counts| counts.has(core));
            if here && let Some(before) = last.replace(core) {
                put(before, publication.clone());
            }
        }
        if let Some(last) = last {
            put(last, publication);
        }
        receivers
    }

    /// Counts one more subscriber on `core` and tells the core in the same breath. Whether it is the topic's first.
    pub(crate) fn join(&self, core: CoreId, peer: PeerId, topic: Topic) -> bool {
        let mailbox = &self.mailboxes[core.0];
        match &topic {
            Topic::Channel(channel) | Topic::ShardChannel(channel) => {
                let mut shard = self.shards(topic.space()).of(channel).lock();
                let (first, name) = Shards::join(&mut shard, core, self.mailboxes.len(), channel);
                mailbox.push(Letter::Join { peer, topic, name });
                first
            }
            Topic::Pattern(glob) => {
                let _publishers_wait = self.channels.lock_all();
                let mut patterns = self.patterns.write();
                let counts = patterns.entry(glob, Counts::none);
                let first = counts.total() == 0;
                counts.add(core, self.mailboxes.len());
                self.pattern_count.store(patterns.len(), Ordering::Release);
                mailbox.push(Letter::Join { peer, topic, name: Name::default() });
                first
            }
        }
    }

    /// Undoes one [`Self::join`]. Whether it was the topic's last subscriber.
    pub(crate) fn leave(&self, core: CoreId, peer: PeerId, topic: Topic) -> bool {
        let mailbox = &self.mailboxes[core.0];
        match &topic {
            Topic::Channel(channel) | Topic::ShardChannel(channel) => {
                let mut shard = self.shards(topic.space()).of(channel).lock();
                let last = Shards::leave(&mut shard, core, channel);
                mailbox.push(Letter::Leave { peer, topic });
                last
            }
            Topic::Pattern(glob) => {
                let _publishers_wait = self.channels.lock_all();
                let mut patterns = self.patterns.write();
                let last = patterns.remove_if(glob, |counts| {
                    counts.remove(core);
                    counts.total() == 0
                });
                self.pattern_count.store(patterns.len(), Ordering::Release);
                mailbox.push(Letter::Leave { peer, topic });
                last
            }
        }
    }

    /// Subscribers of the channel itself, on all cores.
    pub fn subscribers(&self, channel: &[u8]) -> usize {
        self.subscribers_in(Space::Channels, channel)
    }

    /// As [`Self::subscribers`], in the name space given.
    pub fn subscribers_in(&self, space: Space, channel: &[u8]) -> usize {
        self.shards(space).of(channel).lock().get(channel).map_or(0, Counts::total)
    }

    /// Channels with subscribers, those that match `glob` if one is given, in no order.
    pub fn channels(&self, glob: Option<&[u8]>) -> Vec<Bytes> {
        self.channels_in(Space::Channels, glob)
    }

    /// As [`Self::channels`], in the name space given.
    pub fn channels_in(&self, space: Space, glob: Option<&[u8]>) -> Vec<Bytes> {
        let mut found = Vec::new();
        for shard in &self.shards(space).shards {
            let shard = shard.lock();
            let names = shard.keys().filter(|name| glob.is_none_or(|glob| matches(glob, name)));
            found.extend(names.map(|name| Bytes::copy_from_slice(name)));
        }
        found
    }

    /// Shows each channel with subscribers, and how many it has on all cores. Whoever looks must not use the directory meanwhile: a
    /// part of it is locked.
    pub fn each_channel(&self, mut look: impl FnMut(&[u8], usize)) {
        for shard in &self.shards(Space::Channels).shards {
            shard.lock().iter().for_each(|(name, counts)| look(name, counts.total()));
        }
    }

    /// Distinct patterns with subscribers.
    pub fn pattern_count(&self) -> usize {
        self.pattern_count.load(Ordering::Acquire)
    }

    /// Connections on all cores.
    pub fn connections(&self) -> usize {
        self.connections.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Bytes that all peers of all cores were sent since the start.
    pub fn written_bytes(&self) -> u64 {
        self.written.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn written(&self, core: CoreId) -> Arc<AtomicU64> {
        self.written[core.0].clone()
    }

    /// How many cores there are; their ids are the numbers below.
    pub fn cores(&self) -> usize {
        self.mailboxes.len()
    }

    /// Sends `mail` to a core, after everything this thread sent it before.
    pub fn send(&self, core: CoreId, mail: W::Mail) {
        self.mailboxes[core.0].push(Letter::Mail(mail));
    }

    /// As [`Self::send`], for who has more to say: a core that slept is left to be woken.
    pub fn send_beside(&self, core: CoreId, mail: W::Mail, asleep: &mut Asleep) {
        if let Some(waker) = self.mailboxes[core.0].put(Letter::Mail(mail)) {
            asleep.add(waker);
        }
    }

    /// Waits while some mailbox holds more than its bound. Call it before executing what publishes.
    pub async fn relieved(&self) {
        for mailbox in &self.mailboxes {
            mailbox.relieved().await;
        }
    }

    /// Whether [`Self::relieved`] would wait.
    pub fn is_congested(&self) -> bool {
        self.mailboxes.iter().any(Mailbox::is_congested)
    }

    /// Gives a connection to the core that has the fewest.
    pub fn adopt(&self, incoming: Incoming) {
        let least = (0..self.cores()).min_by_key(|&core| self.connections[core].load(Ordering::Relaxed));
        let core = least.expect("a set has at least one core");
        self.connections[core].fetch_add(1, Ordering::Relaxed);
        self.mailboxes[core].push(Letter::Accept(incoming));
    }

    pub(crate) fn released(&self, core: CoreId) {
        self.connections[core.0].fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn next_peer(&self) -> PeerId {
        PeerId(self.last_peer.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn mailbox(&self, core: CoreId) -> &Mailbox<W> {
        &self.mailboxes[core.0]
    }

    pub(crate) fn stop(&self) {
        for mailbox in &self.mailboxes {
            mailbox.push(Letter::Stop);
        }
    }
}
