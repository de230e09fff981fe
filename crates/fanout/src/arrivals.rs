//! Who comes to a core, and how fast they are let in.
//!
//! A connection is taken up at once: what it asks may cost next to nothing. To let somebody in who stays costs as much as a
//! message to some tens of subscribers, in steps that the protocol waits for ([`Core::step`](crate::Core::step)). Where nothing
//! is published, a core gives as many as it can; beside publications so many in a second, and it sleeps in between, so that it
//! is free for the next message, and so are the others that the message needs.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    Incoming,
    limits::{ARRIVALS_A_TURN, LIVE_TIME, ROOM_PAUSE},
};

/// How many steps those who come take in a second beside publications: each that they wait for with
/// [`Core::step`](crate::Core::step) is one.
#[derive(Clone, Copy, Debug)]
pub struct StepsASecond(pub u32);

/// What is waited for with [`Core::step`](crate::Core::step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first of somebody new. It waits for [room](crate::Wire::has_room), and behind all others.
    First,
    /// One of somebody who has been let in as far as that, and waits for an answer there.
    Further,
}

/// Those who wait to be let in.
pub(crate) struct Arrivals {
    /// Who has not been taken up yet.
    accepted: RefCell<VecDeque<Incoming>>,
    first: Line,
    further: Line,
    /// How far the steps are apart beside publications.
    apart: Duration,
    /// When the next one is due then. What is saved up of a pause is at most a turn's.
    due: Cell<Instant>,
    /// When something was published last.
    published: Cell<Option<Instant>>,
    /// The core ends: those who wait are told.
    is_hurried: Cell<bool>,
}

/// Those who wait for a step, by when they came.
#[derive(Default)]
struct Line {
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<()>>>,
    came: Cell<u64>,
}

/// A place in the line, given up when dropped.
pub(crate) struct Turn<'a> {
    line: &'a Line,
    number: u64,
    comes: oneshot::Receiver<()>,
}

impl Arrivals {
    pub(crate) fn new(pace: Option<StepsASecond>) -> Arrivals {
        let apart = pace.map_or(Duration::ZERO, |StepsASecond(steps)| Duration::from_secs(1) / steps);
        Arrivals {
            accepted: RefCell::default(),
            first: Line::default(),
            further: Line::default(),
            apart,
            due: Cell::new(Instant::now()),
            published: Cell::new(None),
            is_hurried: Cell::new(false),
        }
    }

    pub(crate) fn come(&self, incoming: Incoming) {
        self.accepted.borrow_mut().push_back(incoming);
    }

    /// A place among those who wait for such a step.
    pub(crate) fn line_up(&self, step: Step) -> Turn<'_> {
        self.line(step).line_up()
    }

    /// How many wait for such a step.
    pub(crate) fn waiting(&self, step: Step) -> usize {
        self.line(step).waiting.borrow().len()
    }

    pub(crate) fn published(&self) {
        if !self.apart.is_zero() {
            self.published.set(Some(Instant::now()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accepted.borrow().is_empty() && self.first.is_empty() && self.further.is_empty()
    }

    /// When something is to be done next; `None` if that is now, or nobody waits. `has_room` as for [`Self::turn`].
    pub(crate) fn pause(&self, has_room: impl Fn() -> bool) -> Option<Instant> {
        if self.is_empty() || !self.accepted.borrow().is_empty() {
            return None;
        }
        let now = Instant::now();
        let due = if self.is_paced(now) { self.due.get() } else { now };
        let waits_for_room = self.further.is_empty() && !self.has_room(has_room);
        let until = if waits_for_room { due.max(now + ROOM_PAUSE) } else { due };
        (now < until).then_some(until)
    }

    /// Takes up some of those who have come, and gives the steps whose turn it is; first ones only while there is room.
    pub(crate) fn turn(&self, has_room: impl Fn() -> bool, mut take_up: impl FnMut(Incoming)) {
        if self.is_empty() {
            return;
        }
        for _ in 0..ARRIVALS_A_TURN {
            let Some(incoming) = self.accepted.borrow_mut().pop_front() else { break };
            take_up(incoming);
        }
        let has_room = self.has_room(has_room);
        let now = Instant::now();
        let is_paced = self.is_paced(now);
        for _ in 0..ARRIVALS_A_TURN {
            let is_due = !is_paced || self.due.get() <= now;
            if !(is_due && (self.further.let_on() || has_room && self.first.let_on())) {
                return;
            }
            if is_paced {
                let saved = self.apart * ARRIVALS_A_TURN as u32;
                let from = now.checked_sub(saved).map_or(now, |earliest| self.due.get().max(earliest));
                self.due.set(from + self.apart);
            }
        }
    }

    /// From here on nobody waits, for the pace or for room.
    pub(crate) fn hurry(&self) {
        self.is_hurried.set(true);
    }

    fn line(&self, step: Step) -> &Line {
        match step {
            Step::First => &self.first,
            Step::Further => &self.further,
        }
    }

    fn is_paced(&self, now: Instant) -> bool {
        !self.is_hurried.get() && self.published.get().is_some_and(|at| now - at < LIVE_TIME)
    }

    fn has_room(&self, has_room: impl Fn() -> bool) -> bool {
        self.is_hurried.get() || self.first.is_empty() || has_room()
    }
}

impl Line {
    fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    fn line_up(&self) -> Turn<'_> {
        let number = self.came.get();
        self.came.set(number + 1);
        let (turn, comes) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, turn);
        Turn { line: self, number, comes }
    }

    /// Tells the one who has waited longest, if anybody has.
    fn let_on(&self) -> bool {
        let first = self.waiting.borrow_mut().pop_first();
        first.is_some_and(|(_, turn)| turn.send(()).is_ok())
    }
}

impl Turn<'_> {
    /// Returns when it has come.
    pub(crate) async fn comes(mut self) {
        // A core that has ended gives none, and nobody goes on there.
        let _ = (&mut self.comes).await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.line.waiting.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::time::advance;

    use super::*;

    const STEPS: u32 = 1_000;

    /// Those who wait for a step, and how many have been given theirs.
    struct Waiting<'a>(Vec<Turn<'a>>);

    impl Waiting<'_> {
        fn let_on(&mut self) -> usize {
            let before = self.0.len();
            self.0.retain_mut(|turn| turn.comes.try_recv().is_err());
            before - self.0.len()
        }
    }

    fn paced() -> Arrivals {
        Arrivals::new(Some(StepsASecond(STEPS)))
    }

    fn line_up(arrivals: &Arrivals, step: Step, count: usize) -> Waiting<'_> {
        Waiting((0..count).map(|_| arrivals.line_up(step)).collect())
    }

    fn turn(arrivals: &Arrivals) {
        arrivals.turn(|| true, |_| unreachable!("nobody was accepted"));
    }

    fn pause(arrivals: &Arrivals) -> Option<Instant> {
        arrivals.pause(|| true)
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_published_each_turn_gives_what_it_can() {
        let arrivals = paced();
        let mut waiting = line_up(&arrivals, Step::First, 3 * ARRIVALS_A_TURN);
        for _ in 0..3 {
            assert_eq!(pause(&arrivals), None);
            turn(&arrivals);
            assert_eq!(waiting.let_on(), ARRIVALS_A_TURN);
        }
        assert!(arrivals.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_taken_up_at_once_whoever_waits() {
        let arrivals = paced();
        let mut waiting = line_up(&arrivals, Step::First, 100);
        arrivals.published();
        turn(&arrivals);
        assert_eq!(waiting.let_on(), 1);
        for _ in 0..2 * ARRIVALS_A_TURN {
            arrivals.come(Incoming::Unix(UnixStream::pair().unwrap().0));
        }
        let mut taken_up = 0;
        for _ in 0..2 {
            assert_eq!(pause(&arrivals), None);
            arrivals.turn(|| false, |_| taken_up += 1);
        }
        assert_eq!((taken_up, waiting.let_on()), (2 * ARRIVALS_A_TURN, 0));
        assert!(pause(&arrivals).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn beside_publications_so_many_are_let_in_in_a_second_and_there_is_time_between() {
        let arrivals = paced();
        let mut waiting = line_up(&arrivals, Step::First, 2 * STEPS as usize);
        let (begun, mut most, mut count) = (Instant::now(), 0, 0);
        while begun.elapsed() < Duration::from_secs(1) {
            arrivals.published();
            turn(&arrivals);
            let new = waiting.let_on();
            (most, count) = (most.max(new), count + new);
            // The timer's grain, and a turn that took long now and then.
            advance(Duration::from_millis(if count % 100 == 0 { 9 } else { 2 })).await;
        }
        assert!(count.abs_diff(STEPS as usize) <= ARRIVALS_A_TURN, "{count}");
        assert!(most <= 10, "{most}");
        // Once it is silent they need not wait any longer.
        advance(LIVE_TIME).await;
        assert_eq!(pause(&arrivals), None);
        turn(&arrivals);
        assert_eq!(waiting.let_on(), ARRIVALS_A_TURN);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_ends_when_the_next_one_is_due() {
        let arrivals = paced();
        let mut waiting = line_up(&arrivals, Step::First, 2);
        arrivals.published();
        turn(&arrivals);
        assert_eq!(waiting.let_on(), 1);
        let until = pause(&arrivals).unwrap();
        assert_eq!(until - Instant::now(), Duration::from_secs(1) / STEPS);
        tokio::time::sleep_until(until).await;
        assert_eq!(pause(&arrivals), None);
        turn(&arrivals);
        assert_eq!((waiting.let_on(), pause(&arrivals)), (1, None), "nobody waits");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_been_let_in_as_far_goes_first_and_who_has_gone_does_not_count() {
        let arrivals = paced();
        let mut new = line_up(&arrivals, Step::First, 2);
        arrivals.published();
        drop((arrivals.line_up(Step::Further), new.0.remove(0)));
        assert_eq!((arrivals.waiting(Step::First), arrivals.waiting(Step::Further)), (1, 0));
        let mut further = line_up(&arrivals, Step::Further, 1);
        turn(&arrivals);
        assert_eq!((further.let_on(), new.let_on()), (1, 0));
        advance(Duration::from_secs(1) / STEPS).await;
        turn(&arrivals);
        assert_eq!((new.let_on(), arrivals.is_empty()), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn while_there_is_no_room_nobody_new_is_let_in_and_it_is_looked_for_now_and_then() {
        let arrivals = paced();
        let (mut new, mut further) =
            (line_up(&arrivals, Step::First, 2), line_up(&arrivals, Step::Further, 2));
        assert_eq!(arrivals.pause(|| false), None, "others need no room");
        arrivals.turn(|| false, |_| ());
        assert_eq!((further.let_on(), new.let_on()), (2, 0));
        let until = arrivals.pause(|| false).unwrap();
        assert_eq!(until - Instant::now(), ROOM_PAUSE);
        assert_eq!(pause(&arrivals), None);
        turn(&arrivals);
        assert_eq!(new.let_on(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_a_core_nobody_waits_for_the_pace_or_for_room() {
        let arrivals = paced();
        let mut waiting = line_up(&arrivals, Step::First, 3 * ARRIVALS_A_TURN);
        arrivals.published();
        turn(&arrivals);
        assert_eq!(waiting.let_on(), 1);
        arrivals.hurry();
        assert_eq!(arrivals.pause(|| false), None);
        arrivals.turn(|| false, |_| ());
        assert_eq!(waiting.let_on(), ARRIVALS_A_TURN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_little_is_never_paced() {
        let arrivals = Arrivals::new(None);
        arrivals.published();
        let mut waiting = line_up(&arrivals, Step::Further, 2 * ARRIVALS_A_TURN);
        for _ in 0..2 {
            turn(&arrivals);
            assert_eq!(waiting.let_on(), ARRIVALS_A_TURN);
        }
    }
}
