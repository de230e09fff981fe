//! Commands that are under way, and what comes of them.

use std::{
    future::{poll_fn, ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio::{
    runtime::Handle,
    sync::OwnedSemaphorePermit,
    task::{spawn_local, unconstrained},
};

use crate::{codes::Failure, protocol::reply::Outcome};

/// The outcome of a command, once the broker has answered.
pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Outcome, Failure>>>>;

/// Commands whose outcomes are awaited, in their order. While there are none, no room is kept for them.
#[derive(Default)]
pub(super) struct InHand(Option<Box<FuturesOrdered<Call>>>);

/// What comes of a command, with its id.
pub(super) struct Call {
    pub(super) id: u32,
    pub(super) outcome: Later,
    /// Its turn at the broker, which ends with the answer.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

impl Future for Call {
    type Output = (u32, Result<Outcome, Failure>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.outcome.as_mut().poll(context));
        self.turn = None;
        Poll::Ready((self.id, outcome))
    }
}

impl Call {
    /// Starts it, so that commands reach the broker in order whatever the order in which they are awaited.
    pub(super) async fn started(mut self) -> Call {
        // A task that has spent its budget would not start it, hence without one.
        let first = poll_fn(|context| Poll::Ready(self.outcome.as_mut().poll(context)));
        if let Poll::Ready(outcome) = unconstrained(first).await {
            self.outcome = Box::pin(ready(outcome));
            self.turn = None;
        }
        self
    }
}

impl InHand {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn push_back(&mut self, call: Call) {
        self.0.get_or_insert_default().push_back(call);
    }

    /// The first of them, once it is there. Dropping the future loses nothing.
    pub(super) fn next(&mut self) -> impl Future<Output = Option<(u32, Result<Outcome, Failure>)>> {
        poll_fn(|context| {
            let Some(all) = &mut self.0 else { return Poll::Ready(None) };
            let next = ready!(all.poll_next_unpin(context));
            if all.is_empty() {
                self.0 = None;
            }
            Poll::Ready(next)
        })
    }
}

impl Drop for InHand {
    /// What is under way goes on to its end and keeps its turn, also when its client has gone.
    fn drop(&mut self) {
        // At the end of a core there is nowhere to go on.
        if let Some(mut all) = self.0.take()
            && Handle::try_current().is_ok()
        {
            spawn_local(async move { while all.next().await.is_some() {} });
        }
    }
}
