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
}

/// The bell of a session, and which of its loops are to look.
#[derive(Default)]
pub(super) struct Bells {
    bell: Bell,
    rung: Cell<u8>,
}

impl Bells {
    /// There is something to do.
    pub(super) fn ring(&self, chore: Chore) {
        self.rung.set(self.rung.get() | chore as u8);
        self.bell.ring();
    }

    /// Waits until there is something to do, or returns if there has been since the last time.
    pub(super) fn rung(&self, chore: Chore) -> impl Future<Output = ()> {
        self.bell.until(move || {
            let rung = self.rung.get();
            (rung & chore as u8 != 0).then(|| self.rung.set(rung & !(chore as u8)))
        })
    }

    /// Waits until there is something to do for one of these, which is left to be done.
    pub(super) fn rung_for_any(&self, chores: &'static [Chore]) -> impl Future<Output = ()> {
        self.bell.until(move || chores.iter().any(|chore| self.rung.get() & *chore as u8 != 0).then_some(()))
    }

    /// Something has changed that one waits for with [`Self::until`].
    pub(super) fn changed(&self) {
        self.bell.ring();
    }

    pub(super) fn until<T>(&self, look: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
        self.bell.until(look)
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
