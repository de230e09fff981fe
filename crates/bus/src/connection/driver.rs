//! Reading and writing a connection's stream.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use naru_resp::{MalformedReply, ReplyLimits, ReplyParser, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Sleep, sleep};

use super::{Shared, awaited::Awaited};
use crate::event::Events;
use crate::limits::BEHIND_PAUSE;

/// Reads and writes the connection's stream. Nothing moves on it unless this is polled.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Read at once; what is left of a larger answer is not kept.
const READ_BYTES: usize = 64 * 1024;

/// Reads in one turn, before what is asked meanwhile is written and others on this thread have theirs.
const READS_A_TURN: usize = 4;

/// Room that is kept for what is written next.
const WORDS_KEPT: usize = 256 * 1024;

pub(super) fn drive<S>(shared: Arc<Shared>, stream: S, events: Arc<Events>) -> Driver
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let moving = Moving {
        shared,
        stream,
        events,
        words: Vec::new(),
        written: 0,
        is_unflushed: false,
        taken: Vec::new(),
        awaited: VecDeque::new(),
        input: BytesMut::new(),
        parser: ReplyParser::new(ReplyLimits::default()),
        pause: None,
    };
    Box::pin(moving)
}

/// What is under way.
struct Moving<S> {
    shared: Arc<Shared>,
    stream: S,
    events: Arc<Events>,
    /// What is being written, and how much of it is.
    words: Vec<u8>,
    written: usize,
    is_unflushed: bool,
    /// Room to take over what was asked.
    taken: Vec<Awaited>,
    awaited: VecDeque<Awaited>,
    input: BytesMut,
    parser: ReplyParser,
    /// Until when nothing is read, since whoever hears it is behind.
    pause: Option<Pin<Box<Sleep>>>,
}

/// Why nothing moves any more.
struct Over;

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Moving<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // First: a server may answer what it has not read, that it takes nobody in.
        if let Poll::Ready(Over) = this.write(context) {
            return Poll::Ready(());
        }
        match this.read(context) {
            Poll::Ready(Err(Over)) => Poll::Ready(()),
            Poll::Ready(Ok(())) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Moving<S> {
    /// Reads what there is, while whoever hears it keeps up. Ready: there may be more.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        for _ in 0..READS_A_TURN {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            if self.events.are_behind() {
                self.pause = Some(Box::pin(sleep(BEHIND_PAUSE)));
                continue;
            }
            self.input.reserve(READ_BYTES);
            let read = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(context));
            if !read.is_ok_and(|read| read > 0) || self.take_in().is_err() {
                return Poll::Ready(Err(Over));
            }
            if self.input.is_empty() && self.input.capacity() > 2 * READ_BYTES {
                self.input = BytesMut::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take_in(&mut self) -> Result<(), Over> {
        while let Some((value, len)) = self.parser.next(&self.input).map_err(senseless)? {
            self.input.advance(len);
            match value {
                Value::Push(values) => self.pushed(values),
                // Who answers what was not asked is not to be trusted with the next answer either.
                reply => {
                    let asked = self.awaited.pop_front().ok_or(Over)?;
                    self.left(asked.replied(reply));
                }
            }
        }
        Ok(())
    }

    fn pushed(&mut self, values: Vec<Value>) {
        let kind = values.first().and_then(Value::as_bytes).unwrap_or_default();
        if let Some(asked) = self.awaited.pop_front() {
            self.left(asked.pushed(kind));
        }
        self.events.pushed(values);
    }

    /// What of the first call is still awaited.
    fn left(&mut self, awaited: Option<Awaited>) {
        match awaited {
            Some(awaited) => self.awaited.push_front(awaited),
            None => self.shared.room.add_permits(1),
        }
    }

    fn write(&mut self, context: &mut Context<'_>) -> Poll<Over> {
        loop {
            while self.written < self.words.len() {
                let left = &self.words[self.written..];
                match ready!(Pin::new(&mut self.stream).poll_write(context, left)) {
                    Ok(written) if written > 0 => self.written += written,
                    Ok(_) | Err(_) => return Poll::Ready(Over),
                }
                self.is_unflushed = true;
            }
            if self.words.capacity() > WORDS_KEPT {
                self.words = Vec::new();
            }
            self.words.clear();
            self.written = 0;
            let is_held = self.shared.take(context.waker(), &mut self.words, &mut self.taken);
            self.awaited.extend(self.taken.drain(..));
            if !self.words.is_empty() {
                continue;
            }
            if self.is_unflushed {
                if ready!(Pin::new(&mut self.stream).poll_flush(context)).is_err() {
                    return Poll::Ready(Over);
                }
                self.is_unflushed = false;
            }
            return if is_held { Poll::Pending } else { Poll::Ready(Over) };
        }
    }
}

fn senseless(fault: MalformedReply) -> Over {
    tracing::error!(%fault, "the broker says what is not understood");
    Over
}

impl<S> Drop for Moving<S> {
    fn drop(&mut self) {
        self.shared.end();
    }
}
