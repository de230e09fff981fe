//! Who comes to a core, and how fast they are let in.
//!
//! To let one in costs as much as a message to some tens of subscribers. Where nothing is published, a core lets in as many
//! as it can; beside publications so many in a second, and it sleeps in between, so that it is free for the next message,
//! and so are the others that the message needs.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    Incoming,
    limits::{ARRIVALS_A_TURN, LIVE_TIME},
};

/// How many steps those who come take in a second beside publications: being taken up is one, and so is each that they
/// wait for with [`Core::step`](crate::Core::step).
#[derive(Clone, Copy, Debug)]
pub struct StepsASecond(pub u32);

/// Who is let in.
pub(crate) enum Arrival {
    /// It is taken up.
    New(Incoming),
    /// It has been, and goes on.
    Further(oneshot::Sender<()>),
}

/// Those who wait to be let in.
pub(crate) struct Arrivals {
    new: RefCell<VecDeque<Incoming>>,
    further: RefCell<VecDeque<oneshot::Sender<()>>>,
    /// How far the steps are apart beside publications.
    apart: Duration,
    /// When the next one is due then. What is saved up of a pause is at most a turn's.
    due: Cell<Instant>,
    /// When something was published last.
    published: Cell<Option<Instant>>,
    /// The core ends: those who wait are told.
    is_hurried: Cell<bool>,
}

impl Arrivals {
    pub(crate) fn new(pace: Option<StepsASecond>) -> Arrivals {
        let apart = pace.map_or(Duration::ZERO, |StepsASecond(steps)| Duration::from_secs(1) / steps);
        Arrivals {
            new: RefCell::default(),
            further: RefCell::default(),
            apart,
            due: Cell::new(Instant::now()),
            published: Cell::new(None),
            is_hurried: Cell::new(false),
        }
    }

    pub(crate) fn come(&self, incoming: Incoming) {
        self.new.borrow_mut().push_back(incoming);
    }

    /// What is said when it is the turn of one who has been taken up.
    pub(crate) fn go_further(&self) -> oneshot::Receiver<()> {
        let (turn, comes) = oneshot::channel();
        self.further.borrow_mut().push_back(turn);
        comes
    }

    pub(crate) fn published(&self) {
        if !self.apart.is_zero() {
            self.published.set(Some(Instant::now()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.new.borrow().is_empty() && self.further.borrow().is_empty()
    }

    /// When somebody is let in next; `None` if that is now, or nobody waits.
    pub(crate) fn pause(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let now = Instant::now();
        (self.is_paced(now) && now < self.due.get()).then(|| self.due.get())
    }

    /// Lets in those whose turn it is, and says who.
    pub(crate) fn turn(&self, mut let_in: impl FnMut(Arrival)) {
        if self.is_empty() {
            return;
        }
        let now = Instant::now();
        let is_paced = self.is_paced(now);
        for _ in 0..ARRIVALS_A_TURN {
            if is_paced && now < self.due.get() {
                return;
            }
            let Some(arrival) = self.next() else { return };
            let_in(arrival);
            if is_paced {
                let saved = self.apart * ARRIVALS_A_TURN as u32;
                let from = now.checked_sub(saved).map_or(now, |earliest| self.due.get().max(earliest));
                self.due.set(from + self.apart);
            }
        }
    }

    /// Who has been taken up goes first: somebody waits for an answer there.
    fn next(&self) -> Option<Arrival> {
        let further = std::iter::from_fn(|| self.further.borrow_mut().pop_front()).find(|it| !it.is_closed());
        further.map(Arrival::Further).or_else(|| self.new.borrow_mut().pop_front().map(Arrival::New))
    }

    /// From here on nobody waits for the pace.
    pub(crate) fn hurry(&self) {
        self.is_hurried.set(true);
    }

    fn is_paced(&self, now: Instant) -> bool {
        !self.is_hurried.get() && self.published.get().is_some_and(|at| now - at < LIVE_TIME)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::time::advance;

    use super::*;

    const STEPS: u32 = 1_000;

    fn arrivals(count: usize) -> Arrivals {
        let arrivals = Arrivals::new(Some(StepsASecond(STEPS)));
        for _ in 0..count {
            arrivals.come(Incoming::Unix(UnixStream::pair().unwrap().0));
        }
        arrivals
    }

    /// Who is let in in one turn: how many that are new, and how many others.
    fn turn(arrivals: &Arrivals) -> (usize, usize) {
        let (mut new, mut further) = (0, 0);
        arrivals.turn(|arrival| match arrival {
            Arrival::New(_) => new += 1,
            Arrival::Further(turn) => {
                turn.send(()).unwrap();
                further += 1;
            }
        });
        (new, further)
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_published_each_turn_lets_in_what_it_can() {
        let arrivals = arrivals(3 * ARRIVALS_A_TURN);
        for _ in 0..3 {
            assert_eq!(arrivals.pause(), None);
            assert_eq!(turn(&arrivals), (ARRIVALS_A_TURN, 0));
        }
        assert!(arrivals.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn beside_publications_so_many_are_let_in_in_a_second_and_there_is_time_between() {
        let arrivals = arrivals(2 * STEPS as usize);
        let (begun, mut most, mut count) = (Instant::now(), 0, 0);
        while begun.elapsed() < Duration::from_secs(1) {
            arrivals.published();
            let (new, _) = turn(&arrivals);
            (most, count) = (most.max(new), count + new);
            // The timer's grain, and a turn that took long now and then.
            advance(Duration::from_millis(if count % 100 == 0 { 9 } else { 2 })).await;
        }
        assert!(count.abs_diff(STEPS as usize) <= ARRIVALS_A_TURN, "{count}");
        assert!(most <= 10, "{most}");
        // Once it is silent they need not wait any longer.
        advance(LIVE_TIME).await;
        assert_eq!(arrivals.pause(), None);
        assert_eq!(turn(&arrivals), (ARRIVALS_A_TURN, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_ends_when_the_next_one_is_due() {
        let arrivals = arrivals(2);
        arrivals.published();
        assert_eq!(turn(&arrivals), (1, 0));
        let pause = arrivals.pause().unwrap();
        assert_eq!(pause - Instant::now(), Duration::from_secs(1) / STEPS);
        tokio::time::sleep_until(pause).await;
        assert_eq!((arrivals.pause(), turn(&arrivals)), (None, (1, 0)));
        assert_eq!(arrivals.pause(), None, "nobody waits");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_been_taken_up_goes_first_unless_it_has_gone() {
        let arrivals = arrivals(1);
        arrivals.published();
        drop(arrivals.go_further());
        let comes = arrivals.go_further();
        assert_eq!(turn(&arrivals), (0, 1));
        comes.await.unwrap();
        advance(Duration::from_secs(1) / STEPS).await;
        assert_eq!(turn(&arrivals), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_a_core_nobody_waits_for_the_pace() {
        let arrivals = arrivals(3 * ARRIVALS_A_TURN);
        arrivals.published();
        assert_eq!(turn(&arrivals), (1, 0));
        arrivals.hurry();
        assert_eq!((arrivals.pause(), turn(&arrivals)), (None, (ARRIVALS_A_TURN, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_little_is_never_paced() {
        let arrivals = Arrivals::new(None);
        arrivals.published();
        let all: Vec<_> = (0..2 * ARRIVALS_A_TURN).map(|_| arrivals.go_further()).collect();
        assert_eq!((turn(&arrivals), turn(&arrivals)), ((0, ARRIVALS_A_TURN), (0, ARRIVALS_A_TURN)));
        drop(all);
    }
}
