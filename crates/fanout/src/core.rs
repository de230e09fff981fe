use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use ahash::RandomState;

use crate::{
    CoreId, Directory, Link, OutboxLimit, Peer, PeerId, Publication, Socket, Space, Topic, Wire,
    arrivals::{Arrival, Arrivals},
    limits::{
        COALESCE_BYTES_MAX, COALESCE_STEP_BYTES, READ_BYTES_MAX, ROUND_BYTES_MAX, SHARED_BYTES_MIN,
        TURN_BYTES_MAX,
    },
    link::Flusher,
    mailbox::Letter,
    subscribers::Subscribers,
};

/// One thread and what it owns: its peers, their subscriptions, their outboxes.
pub struct Core<W: Wire> {
    id: CoreId,
    directory: Arc<Directory<W>>,
    shared: Arc<W::Shared>,
    local: W::Local,
    peers: RefCell<HashMap<PeerId, Rc<W::Peer>, RandomState>>,
    subscribers: RefCell<Subscribers<W>>,
    /// Letters taken from the mailbox and not yet handled.
    letters: RefCell<VecDeque<Letter<W>>>,
    arrivals: Arrivals,
    /// Publications of one channel that are handled together; empty in between, and kept for its room.
    run: RefCell<Vec<W::Publication>>,
    /// Letters are being handled further up this stack.
    handling: Cell<bool>,
    flusher: Rc<Flusher>,
    read_buffer: RefCell<Box<[u8]>>,
    /// See [`Wire::end_turn`].
    ends_turn: Cell<bool>,
    stopping: Cell<bool>,
}

impl<W: Wire> Core<W> {
    pub(crate) fn new(id: CoreId, directory: Arc<Directory<W>>, shared: Arc<W::Shared>) -> Rc<Self> {
        Rc::new(Core {
            id,
            local: W::local(id, &shared),
            flusher: Flusher::new(directory.written(id)),
            directory,
            shared,
            peers: RefCell::default(),
            subscribers: RefCell::new(Subscribers::new()),
            letters: RefCell::default(),
            arrivals: Arrivals::new(W::PACE),
            run: RefCell::default(),
            handling: Cell::new(false),
            read_buffer: RefCell::new(vec![0; READ_BYTES_MAX].into()),
            ends_turn: Cell::new(false),
            stopping: Cell::new(false),
        })
    }

    /// Which core this is.
    pub fn id(&self) -> CoreId {
        self.id
    }

    /// What all cores share of the protocol.
    pub fn shared(&self) -> &Arc<W::Shared> {
        &self.shared
    }

    /// What this core owns of the protocol.
    pub fn local(&self) -> &W::Local {
        &self.local
    }

    /// The way to all cores.
    pub fn directory(&self) -> &Arc<Directory<W>> {
        &self.directory
    }

    /// A buffer of [`READ_BYTES_MAX`] to read into between two awaits, so that a silent connection holds none.
    pub fn read_buffer(&self) -> &RefCell<Box<[u8]>> {
        &self.read_buffer
    }

    /// Whether peers are asked to finish.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// An id for a new peer.
    pub fn next_peer(&self) -> PeerId {
        self.directory.next_peer()
    }

    /// Wraps a peer's socket; what is written into the link is flushed by this core.
    pub fn link(&self, socket: Socket, limit: OutboxLimit) -> Rc<Link> {
        Link::new(socket, limit, self.flusher.clone())
    }

    /// Makes a peer known, so that it can subscribe and be found by its id.
    pub fn insert(&self, peer: Rc<W::Peer>) {
        self.peers.borrow_mut().insert(peer.id(), peer);
    }

    /// The peer of this core with that id.
    pub fn peer(&self, id: PeerId) -> Option<Rc<W::Peer>> {
        self.peers.borrow().get(&id).cloned()
    }

    /// Calls `visit` with each peer of this core, in no order.
    pub fn each_peer(&self, mut visit: impl FnMut(&Rc<W::Peer>)) {
        let peers: Vec<_> = self.peers.borrow().values().cloned().collect();
        peers.iter().for_each(&mut visit);
    }

    /// The peers for whom something waits that the kernel has refused; where there are none, none is looked at.
    pub fn held_up(&self) -> Vec<Rc<W::Peer>> {
        if !self.flusher.holds_up_any() {
            return Vec::new();
        }
        self.peers.borrow().values().filter(|peer| peer.link().is_held_up()).cloned().collect()
    }

    /// Ends a peer: its link is closed, it leaves `topics`, its id is forgotten.
    pub fn remove(self: &Rc<Self>, peer: &Rc<W::Peer>, topics: impl IntoIterator<Item = Topic>) {
        peer.link().close();
        for topic in topics {
            self.directory.leave(self.id, peer.id(), topic);
        }
        self.handle_letters(usize::MAX);
        self.peers.borrow_mut().remove(&peer.id());
    }

    /// To be called once for every connection given to [`Wire::accept`], when it has ended.
    pub fn released(&self) {
        self.directory.released(self.id);
    }

    /// Publishes what `make` makes, if anyone is there to hear it; answers how many are. As
    /// [`Directory::publish_in`], but for this core's own thread: cores that sleep are woken at the end of its turn, once
    /// for all that it publishes in it.
    pub fn publish_in(&self, space: Space, channel: &[u8], make: impl FnOnce() -> W::Publication) -> usize {
        self.directory.publish_quietly(space, channel, make, |waker| self.flusher.wake_later(waker))
    }

    /// Wakes at once whom [`Self::publish_in`] would have woken at the end of the turn; for when that takes longer.
    pub fn wake_others(&self) {
        self.flusher.wake_others();
    }

    /// Has [`Wire::end_turn`] called when the tasks that can run by now have.
    pub fn end_turn_soon(&self) {
        if !self.ends_turn.replace(true) {
            self.flusher.wake();
        }
    }

    /// Subscribes a peer that is not subscribed yet; [`Peer::subscribed`] is called at the place in the order of all
    /// publications from where it counts. Whether it is the topic's first subscriber on any core.
    pub fn subscribe(self: &Rc<Self>, peer: PeerId, topic: Topic) -> bool {
        let first = self.directory.join(self.id, peer, topic);
        self.handle_letters(usize::MAX);
        first
    }

    /// Ends a subscription that exists, with [`Peer::unsubscribed`]. Whether it was the topic's last on any core.
    pub fn unsubscribe(self: &Rc<Self>, peer: PeerId, topic: Topic) -> bool {
        let last = self.directory.leave(self.id, peer, topic);
        self.handle_letters(usize::MAX);
        last
    }

    /// The core's life: handle letters, flush, let tasks run; ends when it was stopped and its peers are gone, or
    /// `grace` has passed since.
    pub(crate) async fn run(self: Rc<Self>, grace: Duration) {
        let mut deadline = None;
        let mut gathered = 0;
        let mut room = ROUND_BYTES_MAX;
        loop {
            let pause = self.arrivals.pause();
            let turn = poll_fn(|context| {
                // Both wakers, always: either side may wake the core.
                self.flusher.wake_with(context.waker());
                let letters = self.directory.mailbox(self.id).wake_with(context.waker());
                // A command may have come upon the letter that stops this core, in its own turn.
                let just_stopped = self.stopping.get() && deadline.is_none();
                let has_letters = letters || !self.letters.borrow().is_empty();
                let has_arrivals = pause.is_none() && !self.arrivals.is_empty();
                if just_stopped
                    || has_letters
                    || has_arrivals
                    || self.ends_turn.get()
                    || !self.flusher.is_clean()
                {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            match (deadline, pause) {
                (None, None) => turn.await,
                (None, Some(until)) => drop(tokio::time::timeout_at(until, turn).await),
                // While stopping, look again now and then: peers end without a letter.
                (Some(_), _) => drop(tokio::time::timeout(Duration::from_millis(10), turn).await),
            }
            // What comes while a round is under way joins what has not left yet.
            if self.flusher.is_between_rounds() {
                room = ROUND_BYTES_MAX;
            }
            if !self.waits_for_more(&mut gathered) {
                room = room.saturating_sub(self.handle_letters(room));
            }
            self.take_up();
            if self.ends_turn.take() {
                W::end_turn(&self);
            }
            self.flusher.flush();
            if self.stopping.get() {
                let deadline = *deadline.get_or_insert_with(|| tokio::time::Instant::now() + grace);
                if self.peers.borrow().is_empty() || tokio::time::Instant::now() >= deadline {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets in some of those who come; none any more while stopping.
    fn take_up(self: &Rc<Self>) {
        self.arrivals.turn(|arrival| match arrival {
            Arrival::New(_) if self.stopping.get() => self.released(),
            Arrival::New(incoming) => W::accept(self, incoming),
            // It has gone meanwhile, or goes on.
            Arrival::Further(turn) => drop(turn.send(())),
        });
    }

    /// Waits for the turn to take another step in letting somebody in: see [`Wire::PACE`]. Dropping the future gives it up.
    pub async fn step(&self) {
        let turn = self.arrivals.go_further();
        self.flusher.wake();
        // A core that has ended gives none, and nobody goes on there.
        let _ = turn.await;
    }

    /// Whether to leave the letters for one more turn, since more are coming in than one: then each subscriber gets
    /// them in one write instead of several. `gathered` is what waited a turn ago. A single publication never waits.
    fn waits_for_more(&self, gathered: &mut usize) -> bool {
        let bytes = self.directory.mailbox(self.id).bytes();
        let waits = (*gathered + COALESCE_STEP_BYTES..COALESCE_BYTES_MAX).contains(&bytes);
        *gathered = if waits { bytes } else { 0 };
        waits
    }

    /// Handles letters in order until none waits or `budget` bytes are spent; how many were. Within itself it does
    /// nothing: the outer call goes on with what has been pushed meanwhile.
    fn handle_letters(self: &Rc<Self>, budget: usize) -> usize {
        if self.handling.replace(true) {
            return 0;
        }
        let mailbox = self.directory.mailbox(self.id);
        let mut spent = 0;
        while spent < budget {
            let Some(letter) = self.next_letter() else { break };
            spent += letter.bytes() + self.handle(letter, budget.saturating_sub(spent));
        }
        mailbox.handled(spent);
        self.handling.set(false);
        spent
    }

    fn next_letter(&self) -> Option<Letter<W>> {
        let mut letters = self.letters.borrow_mut();
        if letters.is_empty() {
            self.directory.mailbox(self.id).take(&mut letters);
        }
        letters.pop_front()
    }

    /// Handles a letter, and with a publication those behind it that can go with it while they fit into `room` bytes;
    /// how many bytes these were.
    fn handle(self: &Rc<Self>, letter: Letter<W>, room: usize) -> usize {
        match letter {
            Letter::Publish { space, publication } => return self.deliver(space, publication, room),
            Letter::Join { peer, topic, name } => {
                if let Some(peer) = self.peer(peer) {
                    peer.subscribed(&topic);
                    self.subscribers.borrow_mut().join(peer, &topic, name);
                }
            }
            Letter::Leave { peer, topic } => {
                self.subscribers.borrow_mut().leave(peer, &topic);
                if let Some(peer) = self.peer(peer) {
                    peer.unsubscribed(&topic);
                }
            }
            Letter::Accept(incoming) => self.arrivals.come(incoming),
            Letter::Mail(mail) => W::receive(self, mail),
            Letter::Stop => {
                self.stopping.set(true);
                self.arrivals.hurry();
                W::stop(self);
            }
        }
        0
    }

    fn deliver(&self, space: Space, first: W::Publication, room: usize) -> usize {
        // A large one is shared by all outboxes as it is, so there is nothing to gain.
        let is_small = |publication: &W::Publication| publication.bytes() < SHARED_BYTES_MIN;
        let room = room.min(TURN_BYTES_MAX);
        let mut letters = self.letters.borrow_mut();
        let mut run = self.run.borrow_mut();
        let mut bytes = 0;
        let mut more = is_small(&first);
        run.push(first);
        while more
            && bytes < room
            && let Some(letter) = letters.pop_front()
        {
            let letter_bytes = letter.bytes();
            match letter {
                Letter::Publish { space: its, publication }
                    if (its, publication.channel()) == (space, run[0].channel())
                        && is_small(&publication) =>
                {
                    bytes += letter_bytes;
                    run.push(publication);
                }
                other => {
                    letters.push_front(other);
                    more = false;
                }
            }
        }
        drop(letters);
        self.arrivals.published();
        self.subscribers.borrow().deliver(space, &run);
        run.clear();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use bytes::Bytes;
    use parking_lot::Mutex;
    use tokio::{
        task::{LocalSet, spawn_local},
        time::{Instant, sleep},
    };

    use super::*;
    use crate::{
        Incoming, StepsASecond,
        limits::{ARRIVALS_A_TURN, LIVE_TIME},
        nobody::Nobody,
    };

    /// Whom a core lets in, and when.
    enum Hall {}

    #[derive(Clone)]
    struct Word;

    const STEPS: u32 = 1_000;

    impl Publication for Word {
        fn channel(&self) -> &[u8] {
            b"hall"
        }

        fn bytes(&self) -> usize {
            1
        }
    }

    impl Wire for Hall {
        type Shared = Mutex<Vec<Instant>>;
        type Local = ();
        type Peer = Nobody;
        type Publication = Word;
        type Frame<'a> = ();
        type Mail = ();

        const PACE: Option<StepsASecond> = Some(StepsASecond(STEPS));

        fn local(_: CoreId, _: &Arc<Self::Shared>) {}

        /// A second step comes behind the first one.
        fn accept(core: &Rc<Core<Self>>, _: Incoming) {
            let core = core.clone();
            spawn_local(async move {
                core.step().await;
                core.shared().lock().push(Instant::now());
            });
        }

        fn receive(_: &Rc<Core<Self>>, (): ()) {}
        fn frame(_: &[Word], _: Option<&Bytes>) {}
    }

    /// Has `count` come to a core, beside a publication every so often if there are any; how long it took until all were in.
    /// No publication waited.
    async fn crowd(count: usize, publications: bool) -> Duration {
        let directory = Arc::new(Directory::<Hall>::new(1));
        let core = Core::new(CoreId(0), directory.clone(), Arc::default());
        spawn_local(core.clone().run(Duration::ZERO));
        // Nobody has that number, so a letter is all that comes of a publication.
        directory.join(CoreId(0), PeerId(1), Topic::Channel(Bytes::from_static(b"hall")));
        let speak = async || {
            if publications {
                directory.publish(b"hall", || Word);
                let mut turns = 0;
                while directory.mailbox(CoreId(0)).bytes() > 0 {
                    assert!(turns < 100, "it waits for those who come");
                    tokio::task::yield_now().await;
                    turns += 1;
                }
            }
        };
        speak().await;
        let begun = Instant::now();
        for _ in 0..count {
            directory.adopt(Incoming::Unix(UnixStream::pair().unwrap().0));
        }
        while core.shared().lock().len() < count {
            sleep(LIVE_TIME / 50).await;
            speak().await;
        }
        let last = core.shared().lock()[count - 1] - begun;
        directory.stop();
        last
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_let_in_at_its_pace_beside_publications_and_at_once_without() {
        let count = 300;
        let (at_once, paced) =
            LocalSet::new().run_until(async { (crowd(count, false).await, crowd(count, true).await) }).await;
        assert_eq!(at_once, Duration::ZERO);
        let steps = 2 * count as u32;
        let least = Duration::from_secs(1) * (steps - ARRIVALS_A_TURN as u32) / STEPS;
        assert!(least <= paced && paced <= least * 11 / 10, "{paced:?}, {least:?}");
    }
}
