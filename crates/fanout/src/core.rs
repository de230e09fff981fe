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
    CoreId, Directory, Incoming, Link, OutboxLimit, Peer, PeerId, Publication, Socket, Space, Topic, Wire,
    limits::{
        ARRIVALS_A_TURN, COALESCE_BYTES_MAX, COALESCE_STEP_BYTES, READ_BYTES_MAX, ROUND_BYTES_MAX,
        SHARED_BYTES_MIN, TURN_BYTES_MAX,
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
    /// Connections that were given to this core and are not taken up yet.
    arrivals: RefCell<VecDeque<Incoming>>,
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
            arrivals: RefCell::default(),
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
            let turn = poll_fn(|context| {
                // Both wakers, always: either side may wake the core.
                self.flusher.wake_with(context.waker());
                let letters = self.directory.mailbox(self.id).wake_with(context.waker());
                // A command may have come upon the letter that stops this core, in its own turn.
                let just_stopped = self.stopping.get() && deadline.is_none();
                let has_letters = letters || !self.letters.borrow().is_empty();
                let has_arrivals = !self.arrivals.borrow().is_empty();
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
            match deadline {
                None => turn.await,
                // While stopping, look again now and then: peers end without a letter.
                Some(_) => drop(tokio::time::timeout(Duration::from_millis(10), turn).await),
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

    /// Takes up some of the new connections; none any more while stopping.
    fn take_up(self: &Rc<Self>) {
        for _ in 0..ARRIVALS_A_TURN {
            let next = self.arrivals.borrow_mut().pop_front();
            match next {
                Some(_) if self.stopping.get() => self.released(),
                Some(incoming) => W::accept(self, incoming),
                None => return,
            }
        }
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
            Letter::Accept(incoming) => self.arrivals.borrow_mut().push_back(incoming),
            Letter::Mail(mail) => W::receive(self, mail),
            Letter::Stop => {
                self.stopping.set(true);
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
        self.subscribers.borrow().deliver(space, &run);
        run.clear();
        bytes
    }
}
