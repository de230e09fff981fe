//! What a session's loops wait by. Every silent connection has it, so it is small: one waker for all of them.

use std::{
    cell::Cell,
    future::poll_fn,
    task::{Context, Poll, Waker},
};

/// Has a task look again at what it waits for. Several futures may wait by it, of one task.
#[derive(Default)]
pub(super) struct Bell(Cell<Option<Waker>>);

impl Bell {
    pub(super) fn ring(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }

    /// Waits until `look` finds something: now, or after the bell was rung.
    pub(super) fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
        poll_fn(move |context| match look() {
            Some(found) => Poll::Ready(found),
            None => {
                self.listen(context);
                Poll::Pending
            }
        })
    }

    fn listen(&self, context: &Context<'_>) {
        let known = self.0.take().filter(|waker| waker.will_wake(context.waker()));
        self.0.set(Some(known.unwrap_or_else(|| context.waker().clone())));
    }
}

/// What one of the loops sees to.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Chore {
    Inbox = 1,
    Steered = 2,
    Renewal = 4,
    Subscriptions = 8,
    Commands = 16,
}

/// The bell of a session, which of its loops are to look, and which are at something.
#[derive(Default)]
pub(super) struct Bells {
    bell: Bell,
    rung: Cell<u8>,
    busy: Cell<u8>,
}

impl Bells {
    /// There is something to do.
    pub(super) fn ring(&self, chore: Chore) {
        self.rung.set(self.rung.get() | chore as u8);
        self.bell.ring();
    }

    /// Waits until there is something to do, or returns if there has been since the last time. Whoever waits for this has nothing
    /// else to do, and is at it from then on until they wait again.
    pub(super) fn rung(&self, chore: Chore) -> impl Future<Output = ()> {
        self.bell.until(move || {
            let is_rung = self.take(chore);
            self.set_busy(chore, is_rung);
            is_rung.then_some(())
        })
    }

    /// The same, for who is at it already.
    pub(super) fn rung_again(&self, chore: Chore) -> impl Future<Output = ()> {
        self.bell.until(move || self.take(chore).then_some(()))
    }

    fn take(&self, chore: Chore) -> bool {
        let rung = self.rung.get();
        self.rung.set(rung & !(chore as u8));
        rung & chore as u8 != 0
    }

    /// Waits until there is something to do for one of these, which is left to be done.
    pub(super) fn rung_for_any(&self, chores: &'static [Chore]) -> impl Future<Output = ()> {
        self.bell.until(move || chores.iter().any(|chore| self.rung.get() & *chore as u8 != 0).then_some(()))
    }

    /// Whether one is at something that is not to be dropped.
    pub(super) fn set_busy(&self, chore: Chore, is_busy: bool) {
        let others = self.busy.get() & !(chore as u8);
        self.busy.set(if is_busy { others | chore as u8 } else { others });
    }

    /// Whether nobody is at anything, and nothing is to be done.
    pub(super) fn are_silent(&self) -> bool {
        self.busy.get() == 0 && self.rung.get() == 0
    }

    /// Something has changed that one waits for with [`Self::until`].
    pub(super) fn changed(&self) {
        self.bell.ring();
    }

    pub(super) fn until<T>(&self, look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
        self.bell.until(look)
    }

    /// Has a task look again when something has changed.
    pub(super) fn listen(&self, context: &Context<'_>) {
        self.bell.listen(context);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{join, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn each_loop_hears_what_it_is_rung_for_once_and_no_other_does() {
        let (bells, heard) = (Bells::default(), Cell::new((0, 0)));
        let inbox = async {
            for _ in 0..2 {
                bells.rung(Chore::Inbox).await;
                heard.set((heard.get().0 + 1, heard.get().1));
            }
        };
        let steered = async {
            bells.rung(Chore::Steered).await;
            heard.set((heard.get().0, heard.get().1 + 1));
        };
        let rings = async {
            yield_now().await;
            bells.ring(Chore::Inbox);
            bells.ring(Chore::Inbox);
            yield_now().await;
            yield_now().await;
            assert_eq!(heard.get(), (1, 0));
            bells.ring(Chore::Steered);
            bells.ring(Chore::Inbox);
        };
        join!(inbox, steered, rings);
        assert_eq!(heard.get(), (2, 1));
    }
}
