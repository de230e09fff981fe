use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    net::Shutdown,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream, sync::Notify};

use crate::{
    Outbox, Socket,
    limits::{FLUSH_SENDS_MIN, RING_SENDS_MAX, RING_SENDS_MIN, ROUND_TURNS_MAX},
    outbox::{Spares, Writer},
    ring::Ring,
};

/// Slices handed to the kernel in one write.
const SLICES_MAX: usize = 16;

/// How much may wait for a peer before it counts as slow: Redis's `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimit {
    /// Over this it is slow at once.
    pub hard_bytes: usize,
    /// Over this for longer than `soft_time` it is slow.
    pub soft_bytes: usize,
    /// See `soft_bytes`.
    pub soft_time: Duration,
}

/// The peer reads too slowly: its outbox is over the limit. Nothing was skipped yet; end the connection.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the peer reads too slowly")]
pub struct Slow;

/// What a core does at the end of its turn: outboxes that have something to write, and what the core lends them;
/// other cores that have letters now.
///
/// Replies leave at the end of the turn they were made in. Deliveries leave in *rounds*, some of them a turn, so that a
/// publisher is heard again while a message still goes out to thousands, and what it says joins what has not left yet.
#[derive(Default)]
pub(crate) struct Flusher {
    replies: RefCell<Vec<Rc<Link>>>,
    deliveries: RefCell<VecDeque<Rc<Link>>>,
    round: Cell<Round>,
    asleep: RefCell<Vec<Waker>>,
    /// How many outboxes wait for their sockets.
    held_up: Cell<usize>,
    spares: RefCell<Spares>,
    /// Bytes handed to the kernel; only this core adds to it.
    written: Arc<AtomicU64>,
    waker: RefCell<Option<Waker>>,
    ring: RefCell<Option<Ring>>,
    /// Of the link that was made last.
    limit: RefCell<Option<Rc<OutboxLimit>>>,
    /// Outboxes while the kernel reads from them; empty in between, and kept for its room.
    in_kernel: RefCell<Vec<(Rc<Link>, Outbox)>>,
}

impl Flusher {
    pub(crate) fn new(written: Arc<AtomicU64>) -> Rc<Self> {
        Rc::new(Flusher { written, ring: RefCell::new(Ring::new()), ..Flusher::default() })
    }

    /// The same as the last link's, if that has the same.
    fn shared(&self, limit: OutboxLimit) -> Rc<OutboxLimit> {
        let mut last = self.limit.borrow_mut();
        if last.as_deref() != Some(&limit) {
            *last = None;
        }
        last.get_or_insert_with(|| Rc::new(limit)).clone()
    }

    /// Wakes another core, when the turn ends.
    pub(crate) fn wake_later(&self, waker: Waker) {
        self.asleep.borrow_mut().push(waker);
        self.wake();
    }

    pub(crate) fn wake_others(&self) {
        self.asleep.borrow_mut().drain(..).for_each(Waker::wake);
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.replies.borrow().is_empty()
            && self.deliveries.borrow().is_empty()
            && self.asleep.borrow().is_empty()
    }

    pub(crate) fn wake_with(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    /// Whether an outbox waits for its socket.
    pub(crate) fn holds_up_any(&self) -> bool {
        self.held_up.get() > 0
    }

    /// Whether no round is under way: what is delivered now begins one.
    pub(crate) fn is_between_rounds(&self) -> bool {
        self.round.get().left == 0
    }

    /// Wakes who is to be woken, then writes what waits in the outboxes with replies and in some of those with deliveries
    /// only, one write each.
    pub(crate) fn flush(&self) {
        self.wake_others();
        let mut batch = std::mem::take(&mut *self.replies.borrow_mut());
        self.take_deliveries(&mut batch);
        if let Some(ring) = &mut *self.ring.borrow_mut()
            && batch.len() >= RING_SENDS_MIN
        {
            batch.chunks(RING_SENDS_MAX).for_each(|links| self.send(ring, links));
        }
        for link in batch.drain(..) {
            link.flush();
        }
        let mut replies = self.replies.borrow_mut();
        if replies.is_empty() {
            *replies = batch;
        }
    }

    fn take_deliveries(&self, batch: &mut Vec<Rc<Link>>) {
        let mut deliveries = self.deliveries.borrow_mut();
        let mut round = self.round.get();
        if round.left == 0 {
            round = Round::of(deliveries.len());
        }
        let batch_max = batch.len() + round.a_turn;
        while round.left > 0
            && batch.len() < batch_max
            && let Some(link) = deliveries.pop_front()
        {
            round.left -= 1;
            if link.due.get() == Due::InTurn {
                batch.push(link);
            }
        }
        self.round.set(round);
    }

    /// Has the kernel take what it will of what waits for each of `links`. What it does not take is left.
    fn send(&self, ring: &mut Ring, links: &[Rc<Link>]) {
        // Nobody looks for them meanwhile.
        let mut outboxes = self.in_kernel.borrow_mut();
        let lent = links.iter().filter(|link| link.takes_one_send());
        outboxes.extend(lent.map(|link| (link.clone(), link.outbox.take())));
        let sends =
            outboxes.iter().filter_map(|(link, outbox)| Some((link.socket.plain()?, outbox.front()?)));
        let outcomes = ring.send_each(sends);
        let mut spares = self.spares.borrow_mut();
        for ((link, mut outbox), sent) in outboxes.drain(..).zip(outcomes) {
            // Errors come again when the link is flushed.
            self.sent(&mut outbox, sent.unwrap_or(0), &mut spares);
            link.outbox.replace(outbox);
        }
    }

    fn sent(&self, outbox: &mut Outbox, bytes: usize, spares: &mut Spares) {
        let before = self.written.load(Ordering::Relaxed);
        self.written.store(before + bytes as u64, Ordering::Relaxed);
        outbox.advance(bytes, spares);
    }
}

/// One write to each outbox with deliveries.
#[derive(Clone, Copy, Default)]
struct Round {
    /// How many outboxes are still to come, from the front.
    left: usize,
    /// How many are written to before other tasks run.
    a_turn: usize,
}

impl Round {
    fn of(outboxes: usize) -> Round {
        Round { left: outboxes, a_turn: FLUSH_SENDS_MIN.max(outboxes / ROUND_TURNS_MAX) }
    }
}

/// When an outbox is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// It is empty.
    Never,
    /// In its turn: it is among the flusher's deliveries.
    InTurn,
    /// At the end of the core's turn: it is among the flusher's replies.
    Soon,
    /// When the socket takes more: a task of its own waits for that.
    WhenPossible,
}

/// Whether a link is closed, and by what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closed {
    No,
    Asked,
    Failed,
}

/// A peer's socket and outbox. Whatever is written into the outbox is flushed by the core; a peer that does not keep up
/// gets a task of its own that waits for the socket.
pub struct Link {
    socket: Socket,
    outbox: RefCell<Outbox>,
    flusher: Rc<Flusher>,
    /// Most links of a core have the same. Always there.
    limit: Cell<Option<Rc<OutboxLimit>>>,
    due: Cell<Due>,
    closed: Cell<Closed>,
    /// Made when somebody waits for it.
    emptied: OnceCell<Box<Notify>>,
}

impl Link {
    pub(crate) fn new(socket: Socket, limit: OutboxLimit, flusher: Rc<Flusher>) -> Rc<Link> {
        Rc::new(Link {
            socket,
            outbox: RefCell::default(),
            limit: Cell::new(Some(flusher.shared(limit))),
            flusher,
            due: Cell::new(Due::Never),
            closed: Cell::new(Closed::No),
            emptied: OnceCell::new(),
        })
    }

    /// The socket, for reading and for addresses.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Changes how much may wait.
    pub fn set_limit(&self, limit: OutboxLimit) {
        self.limit.set(Some(self.flusher.shared(limit)));
    }

    /// Bytes that wait for the peer.
    pub fn queued(&self) -> usize {
        self.outbox.borrow().queued()
    }

    /// Whether the kernel has refused what waits: the peer does not read, or not fast enough. What is only to leave in its turn, or at
    /// the end of this one, holds nobody up.
    pub fn is_held_up(&self) -> bool {
        self.due.get() == Due::WhenPossible && !self.is_closed()
    }

    /// For how long the peer has taken nothing of what waits, as this finds out if it is called again and again: what is taken between
    /// two calls is seen by the later one. That includes what its kernel takes of what ours was handed, which says nothing as long as
    /// it has not got rid of much.
    pub fn stuck_for(&self) -> Duration {
        if !self.is_held_up() {
            return Duration::ZERO;
        }
        self.outbox.borrow_mut().stuck_for(self.socket.unsent(), Instant::now())
    }

    /// Appends with `write`; it leaves at the end of the core's turn. After [`Slow`] the caller ends the connection.
    /// Writing to a closed link does nothing.
    pub fn write(self: &Rc<Self>, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), Slow> {
        self.append(Due::Soon, write)
    }

    /// As [`Link::write`], for what many get: it leaves when all have got what was before it.
    pub fn deliver(self: &Rc<Self>, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), Slow> {
        self.append(Due::InTurn, write)
    }

    fn append(self: &Rc<Self>, due: Due, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), Slow> {
        if self.is_closed() {
            return Ok(());
        }
        let kept_up = {
            let mut outbox = self.outbox.borrow_mut();
            let mut spares = self.flusher.spares.borrow_mut();
            let mut writer = outbox.writer(&mut spares, self.socket.takes_pages().is_some());
            write(&mut writer);
            let limit = self.limit.take();
            let kept_up = limit.as_deref().map_or(Ok(()), |limit| writer.check(limit));
            self.limit.set(limit);
            kept_up
        };
        match (self.due.get(), due) {
            (Due::Never, Due::InTurn) => {
                self.due.set(Due::InTurn);
                self.flusher.deliveries.borrow_mut().push_back(self.clone());
                self.flusher.wake();
            }
            // Its place among the deliveries is passed over.
            (Due::Never | Due::InTurn, Due::Soon) => {
                self.due.set(Due::Soon);
                self.flusher.replies.borrow_mut().push(self.clone());
                self.flusher.wake();
            }
            _ => {}
        }
        kept_up
    }

    /// Whether all that waits is one piece that can be sent as it is.
    fn takes_one_send(&self) -> bool {
        let outbox = self.outbox.borrow();
        self.socket.plain().is_some() && outbox.is_single() && outbox.front_pages().is_none()
    }

    fn flush(self: &Rc<Self>) {
        match self.write_out() {
            Ok(()) => self.due.set(Due::Never),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.due.set(Due::WhenPossible);
                self.flusher.held_up.set(self.flusher.held_up.get() + 1);
                tokio::task::spawn_local(self.clone().write_when_possible());
            }
            Err(_) => self.close_as(Closed::Failed),
        }
    }

    async fn write_when_possible(self: Rc<Self>) {
        let written = self.write_to_the_end().await;
        self.flusher.held_up.set(self.flusher.held_up.get() - 1);
        match written {
            Ok(()) => self.due.set(Due::Never),
            Err(_) => self.close_as(Closed::Failed),
        }
    }

    async fn write_to_the_end(&self) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            match self.write_out() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    fn write_out(&self) -> io::Result<()> {
        let mut outbox = self.outbox.borrow_mut();
        let mut spares = self.flusher.spares.borrow_mut();
        while !outbox.is_empty() {
            let written = self.write_some(&outbox)?;
            self.flusher.sent(&mut outbox, written, &mut spares);
        }
        self.notify_emptied();
        Ok(())
    }

    fn write_some(&self, outbox: &Outbox) -> io::Result<usize> {
        if let Some(front) = outbox.front()
            && outbox.is_single()
        {
            return self.socket.try_write(front);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outbox.slices(&mut slices);
        match self.socket.takes_pages() {
            Some(stream) if outbox.pages_follow(count) => write_paged(stream, outbox, &slices[..count]),
            _ => self.socket.try_write_vectored(&slices[..count]),
        }
    }

    fn emptied(&self) -> &Notify {
        self.emptied.get_or_init(Box::default)
    }

    fn notify_emptied(&self) {
        if let Some(emptied) = self.emptied.get() {
            emptied.notify_waiters();
        }
    }

    /// Waits until all that was written has been handed to the kernel, or the link is closed.
    pub async fn flushed(&self) {
        loop {
            let emptied = self.emptied().notified();
            if self.is_closed() || self.outbox.borrow().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Drops what waits, except for what is missing of a message of which a part has left, so that last words can follow; whether it
    /// could. `end` is given messages one behind the other, of which so many bytes have left, maybe none, and says where the one
    /// ends that has left in part, or that has to come before any other. Each call of [`Link::write`] and [`Link::deliver`] has to have written whole messages.
    pub fn drop_waiting(&self, end: impl FnOnce(&[u8], usize) -> Option<usize>) -> bool {
        // Of what is encrypted already nothing can be taken back.
        let is_plain = self.socket.plain().is_some();
        is_plain && self.outbox.borrow_mut().keep_begun(&mut self.flusher.spares.borrow_mut(), end)
    }

    /// Ends reading: the peer's task finds the end of the stream once it has read what had arrived.
    pub fn shutdown_read(&self) {
        self.socket.shutdown(Shutdown::Read);
    }

    /// Ends writing: the peer finds the end of the stream once it has read what was handed to the kernel.
    pub fn shutdown_write(&self) {
        self.socket.shutdown(Shutdown::Write);
    }

    /// Ends the connection at once and drops what waits. The peer's task finds the end of the stream.
    pub fn close(&self) {
        self.close_as(Closed::Asked);
    }

    fn close_as(&self, closed: Closed) {
        if !self.is_closed() {
            self.closed.set(closed);
            self.socket.shutdown(Shutdown::Both);
            self.outbox.borrow_mut().clear(&mut self.flusher.spares.borrow_mut());
            self.notify_emptied();
        }
    }

    /// Waits until [`Link::close`] was called or writing failed.
    pub async fn closed(&self) {
        loop {
            // Closing empties the outbox, too.
            let emptied = self.emptied().notified();
            if self.is_closed() {
                return;
            }
            emptied.await;
        }
    }

    /// Whether [`Link::close`] was called or writing failed.
    pub fn is_closed(&self) -> bool {
        self.closed.get() != Closed::No
    }

    /// Whether writing failed before [`Link::close`] was called.
    pub fn has_failed(&self) -> bool {
        self.closed.get() == Closed::Failed
    }
}

/// Writes what is before pages, or else of the pages.
fn write_paged(stream: &TcpStream, outbox: &Outbox, before: &[IoSlice<'_>]) -> io::Result<usize> {
    if let Some((pages, range)) = outbox.front_pages() {
        return stream.try_io(Interest::WRITABLE, || pages.send(stream, range));
    }
    let socket = SockRef::from(stream);
    stream.try_io(Interest::WRITABLE, || socket.send_vectored_with_flags(before, libc::MSG_MORE))
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;
    use crate::Incoming;

    const NO_LIMIT: OutboxLimit =
        OutboxLimit { hard_bytes: usize::MAX, soft_bytes: usize::MAX, soft_time: Duration::MAX };

    fn linked(flusher: &Rc<Flusher>) -> (Rc<Link>, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        [&near, &far].iter().for_each(|end| end.set_nonblocking(true).unwrap());
        (Link::new(Incoming::Unix(near).into_socket().unwrap(), NO_LIMIT, flusher.clone()), far)
    }

    fn heard(far: &mut UnixStream) -> String {
        let mut bytes = [0; 64];
        let count = far.read(&mut bytes).unwrap_or(0);
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_link_is_small() {
        // With the counts of its `Rc`. Where Tokio has many threads, too, a socket is larger by a word.
        assert!(size_of::<Link>() + 16 <= 112, "{}", size_of::<Link>());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_delivered_during_a_round_joins_what_has_not_left_and_replies_wait_for_neither() {
        let flusher = Flusher::new(Arc::default());
        let mut subscribers: Vec<_> = (0..FLUSH_SENDS_MIN * 2).map(|_| linked(&flusher)).collect();
        let (publisher, mut publishers_end) = linked(&flusher);
        let deliver = |text: &[u8], subscribers: &[(Rc<Link>, UnixStream)]| {
            subscribers.iter().for_each(|(link, _)| link.deliver(|writer| writer.copy(text)).unwrap());
        };

        deliver(b"a", &subscribers);
        publisher.write(|writer| writer.copy(b"1")).unwrap();
        flusher.flush();
        assert_eq!(heard(&mut publishers_end), "1");
        assert!(!flusher.is_between_rounds());

        deliver(b"b", &subscribers);
        publisher.write(|writer| writer.copy(b"2")).unwrap();
        // A reply takes what was delivered before it along, and no second write comes of its place in the round.
        let (early, _) = &subscribers[FLUSH_SENDS_MIN];
        early.write(|writer| writer.copy(b"!")).unwrap();
        flusher.flush();
        assert_eq!(heard(&mut publishers_end), "2");
        let (written, waiting) = subscribers.split_at_mut(FLUSH_SENDS_MIN);
        assert!(written.iter_mut().all(|(_, far)| heard(far) == "a"));
        assert_eq!(heard(&mut waiting[0].1), "ab!");
        assert!(waiting[1..].iter_mut().all(|(_, far)| heard(far) == "ab"));

        while !flusher.is_clean() {
            flusher.flush();
        }
        assert!(flusher.is_between_rounds());
        let (written, waiting) = subscribers.split_at_mut(FLUSH_SENDS_MIN);
        assert!(written.iter_mut().all(|(_, far)| heard(far) == "b"));
        assert!(waiting.iter_mut().all(|(_, far)| heard(far).is_empty()));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_peer_is_stuck_until_it_takes_something_of_what_waits() {
        let here = tokio::task::LocalSet::new();
        let _guard = here.enter();
        let flusher = Flusher::new(Arc::default());
        let (link, mut far) = linked(&flusher);
        let _ = link.socket.writable().await;
        assert_eq!(link.stuck_for(), Duration::ZERO);
        link.write(|writer| writer.copy(&vec![0; 4 << 20])).unwrap();
        flusher.flush();
        let stuck_longer = || {
            let begun = link.stuck_for();
            std::thread::sleep(Duration::from_millis(1));
            link.stuck_for() > begun
        };
        assert!(stuck_longer());
        // Too little for the kernel to take more of it.
        let before = link.queued();
        far.read_exact(&mut vec![0; 64 << 10]).unwrap();
        assert_eq!((link.stuck_for(), link.queued()), (Duration::ZERO, before));
        assert!(stuck_longer());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_does_not_take_what_is_written_any_more_has_failed_and_who_is_closed_has_not() {
        let flusher = Flusher::new(Arc::default());
        let ((lost, far), (closed, _far)) = (linked(&flusher), linked(&flusher));
        let _ = tokio::join!(lost.socket.writable(), closed.socket.writable());
        drop(far);
        closed.close();
        for link in [&lost, &closed] {
            link.write(|writer| writer.copy(b"x")).unwrap();
        }
        flusher.flush();
        assert_eq!(
            [&lost, &closed].map(|link| (link.is_closed(), link.has_failed())),
            [(true, true), (true, false)]
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_peer_is_held_up_once_the_kernel_refuses_what_waits_and_until_it_has_read_that() {
        let here = tokio::task::LocalSet::new();
        let _guard = here.enter();
        let flusher = Flusher::new(Arc::default());
        let ((link, mut far), (quick, mut quick_far)) = (linked(&flusher), linked(&flusher));
        // The runtime has to have seen a socket once.
        let _ = tokio::join!(link.socket.writable(), quick.socket.writable());
        link.deliver(|writer| writer.copy(&vec![0; 4 << 20])).unwrap();
        quick.deliver(|writer| writer.copy(&[0; 64])).unwrap();
        // Its turn has not come.
        assert!(link.queued() > 0 && !link.is_held_up() && !flusher.holds_up_any());
        flusher.flush();
        assert!(link.queued() > 0 && link.is_held_up() && flusher.holds_up_any());
        quick.deliver(|writer| writer.copy(&[0; 64])).unwrap();
        assert!(quick.queued() > 0 && !quick.is_held_up());
        flusher.flush();
        heard(&mut quick_far);

        let mut bytes = vec![0; 1 << 20];
        let read_all = async {
            while link.is_held_up() {
                let _ = far.read(&mut bytes);
                tokio::task::yield_now().await;
            }
        };
        here.run_until(read_all).await;
        assert!(link.queued() == 0 && !flusher.holds_up_any());

        // Nor is it when it is closed.
        link.deliver(|writer| writer.copy(&vec![0; 4 << 20])).unwrap();
        flusher.flush();
        assert!(link.is_held_up());
        link.close();
        assert!(!link.is_held_up());
    }
}
