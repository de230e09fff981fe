//! A session's task. It lives as long as the connection, and most of that time the client is silent: so what it does when somebody says
//! something is made anew each time, and dropped when nothing is under way any more.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use super::{Session, Source};

/// All that a silent connection has of a task.
pub(crate) struct Life {
    session: Rc<Session>,
    awake: Option<Pin<Box<dyn Future<Output = Turn>>>>,
}

/// What comes when a session was awake.
pub(super) enum Turn {
    /// It is silent again.
    Rest,
    /// The connection has ended.
    End,
}

impl Life {
    pub(super) fn new(session: Rc<Session>, source: Source) -> Life {
        let awake: Pin<Box<dyn Future<Output = Turn>>> = Box::pin(session.clone().wake(source));
        Life { session, awake: Some(awake) }
    }
}

impl Future for Life {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Life { session, awake } = &mut *self;
        loop {
            let turn = match awake {
                Some(awake) => ready!(awake.as_mut().poll(context)),
                None => {
                    ready!(session.poll_called(context));
                    let source = Source::of(session, &[]);
                    *awake = Some(Box::pin(session.clone().wake(source)));
                    continue;
                }
            };
            match turn {
                Turn::Rest => *awake = None,
                Turn::End => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.session.core.released();
    }
}
