//! The WebSocket of a session: frames in, close handshake. Frames out are written into the link by those who have
//! something to say; only pongs and close frames come from here.

use std::{
    collections::VecDeque,
    future::pending,
    io::{self, Read, Write},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use naru_fanout::{Core, Link, Slow};
use tokio::time::{Instant, error::Elapsed, timeout};
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use crate::{
    codes::Disconnect,
    frame_end::FrameEnd,
    limits::{DECODER_BYTES, MESSAGE_BYTES_A_SECOND, MESSAGE_BYTES_FREE, MESSAGE_PATIENCE, TURN_BYTES_MAX},
    session::Ending,
    wire::Gate,
};

#[cfg(any(test, feature = "laws"))]
pub(crate) mod law;

pub(crate) struct WebSocket {
    core: Rc<Core<Gate>>,
    link: Rc<Link>,
    /// The decoder, while a message has begun and not ended, or when nothing more will come.
    context: Option<Box<WebSocketContext>>,
    frame_end: FrameEnd,
    /// Messages decoded and not yet handled: those of one turn.
    waiting: VecDeque<Bytes>,
    /// Bytes read since nothing was left to take: [`TURN_BYTES_MAX`] at most, but for what came right behind the handshake.
    turn_bytes: usize,
    /// Why nothing more will come, once the waiting ones are handled.
    ended: Option<Ending>,
    /// A close frame was sent: the decoder waits for its answer.
    is_closing: bool,
    /// What has been waited, and come, for the message that has begun.
    unfinished: Unfinished,
}

/// A message that has begun and not ended.
#[derive(Default)]
struct Unfinished {
    bytes: usize,
    /// How long there was nothing to read. That it was not read meanwhile is not the client's fault.
    waited: Duration,
}

impl Unfinished {
    /// How long the rest may still be waited for.
    fn patience(&self) -> Duration {
        let seconds = self.bytes.saturating_sub(MESSAGE_BYTES_FREE) / MESSAGE_BYTES_A_SECOND;
        (MESSAGE_PATIENCE + Duration::from_secs(seconds as u64)).saturating_sub(self.waited)
    }

    /// Waits for more, as long as there is patience. The wait counts also where it is given up for something else.
    async fn wait<T>(&mut self, more: impl Future<Output = T>) -> Result<T, Elapsed> {
        struct Counted<'a>(&'a mut Duration, Instant);

        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                *self.0 += self.1.elapsed();
            }
        }

        let patience = self.patience();
        let _counted = Counted(&mut self.waited, Instant::now());
        timeout(patience, more).await
    }
}

impl WebSocket {
    /// Takes over a link after the handshake; `read` is what has come already.
    pub(crate) fn new(core: Rc<Core<Gate>>, link: Rc<Link>, read: &[u8]) -> WebSocket {
        let (waiting, frame_end) = (VecDeque::new(), FrameEnd::default());
        let mut socket = WebSocket {
            core,
            link,
            context: None,
            frame_end,
            waiting,
            turn_bytes: 0,
            ended: None,
            is_closing: false,
            unfinished: Unfinished::default(),
        };
        socket.decode(read);
        socket
    }

    /// The next message, if it has come.
    pub(crate) fn take(&mut self) -> Option<Result<Bytes, Ending>> {
        let message = self.waiting.pop_front().map(Ok);
        if message.is_none() {
            self.turn_bytes = 0;
        }
        message.or_else(|| self.ended.clone().map(Err))
    }

    /// Whether nothing has come that is not taken. Then there is nothing in this that a new one would not have.
    pub(crate) fn is_silent(&self) -> bool {
        self.waiting.is_empty() && self.ended.is_none() && self.context.is_none()
    }

    /// Waits until something comes: it may be a message. Dropping the future loses nothing.
    pub(crate) async fn come(&mut self) -> Result<(), Ending> {
        if self.context.is_some() {
            // Apart: who is silent has no room kept for a timer.
            Box::pin(self.rest()).await?;
        } else if self.link.socket().readable().await.is_err() {
            return Err(Ending::Gone);
        }
        self.read();
        Ok(())
    }

    /// Waits for more of a message that has begun, but not for ever.
    async fn rest(&mut self) -> Result<(), Ending> {
        match self.unfinished.wait(self.link.socket().readable()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Ending::Gone),
            Err(_) => Err(Disconnect::ConnectionClosed.into()),
        }
    }

    /// Returns when the client has gone without having said anything more. What it does say waits: a turn of it at most.
    pub(crate) async fn gone(&mut self) -> Ending {
        while self.waiting.is_empty() {
            if let Some(ended) = &self.ended {
                return ended.clone();
            }
            if self.is_turn_over() {
                break;
            }
            if self.link.socket().readable().await.is_err() {
                return Ending::Gone;
            }
            self.read();
        }
        pending().await
    }

    /// Returns when a message that is so has come and is not taken, be there others before it, of a turn at most.
    pub(crate) async fn has_come(&mut self, is_so: impl Fn(&Bytes) -> bool) {
        let mut seen = 0;
        while !self.waiting.iter().skip(seen).any(&is_so) {
            seen = self.waiting.len();
            let is_over = self.is_turn_over() || self.ended.is_some();
            if is_over || self.link.socket().readable().await.is_err() {
                return pending().await;
            }
            self.read();
        }
    }

    /// Whether nothing more is read before all is taken.
    fn is_turn_over(&self) -> bool {
        self.turn_bytes >= TURN_BYTES_MAX
    }

    /// Reads what is left of a turn, of which something is left.
    fn read(&mut self) {
        let core = self.core.clone();
        let mut buffer = core.read_buffer().borrow_mut();
        let left = TURN_BYTES_MAX - self.turn_bytes;
        match self.link.socket().try_read(&mut buffer[..left]) {
            Ok(0) => self.ended = Some(Ending::Gone),
            Ok(count) => self.decode(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.ended = Some(Ending::Gone),
        }
    }

    fn decode(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.turn_bytes += bytes.len();
        let is_between_messages = self.frame_end.is_at_end_of(bytes);
        let waiting = self.waiting.len();
        let mut pipe = Pipe { read: bytes, link: &self.link };
        let bytes_max = self.core.shared().limits.message_bytes_max;
        let context = self.context.get_or_insert_with(|| decoder(bytes_max));
        while self.ended.is_none() {
            match context.read(&mut pipe) {
                Ok(Message::Text(text)) => self.waiting.push_back(text.into()),
                Ok(Message::Binary(bytes)) => self.waiting.push_back(bytes),
                // Answered when the session ends, behind the answers that are there by then: behind a close frame nothing is said
                // any more, and for what the broker has in hand nobody waits who goes.
                Ok(Message::Close(_)) => self.ended = Some(Ending::Gone),
                // Pongs are written by the next read.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.ended = Some(ending(&error)),
            }
        }
        if is_between_messages && self.ended.is_none() && !self.is_closing {
            self.context = None;
        }
        self.unfinished.bytes += bytes.len();
        if self.context.is_none() || self.waiting.len() > waiting {
            self.unfinished = Unfinished::default();
        }
    }

    /// Ends the connection: says why, waits a little for the client to have read it, and closes.
    pub(crate) async fn close(&mut self, ending: Ending, patience: Duration) {
        if let Some((code, reason)) = ending.close_frame() {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let mut pipe = Pipe { read: &[], link: &self.link };
            let bytes_max = self.core.shared().limits.message_bytes_max;
            let context = self.context.get_or_insert_with(|| decoder(bytes_max));
            match context.close(&mut pipe, Some(frame)) {
                Ok(()) => {
                    self.is_closing = true;
                    let said_and_heard = async {
                        // Closing while the client still sends would reset the connection before it has read the frame.
                        self.drain().await;
                        // A client that has closed meanwhile, too, gets what waits all the same.
                        self.link.flushed().await;
                    };
                    let _ = timeout(patience, said_and_heard).await;
                }
                // The client has closed first: that was answered instead.
                Err(Error::ConnectionClosed) => {
                    let _ = timeout(patience, self.link.flushed()).await;
                }
                Err(_) => {}
            }
        } else if ending == Ending::Gone {
            // The answer to the client's close frame waits, if there was one.
            let mut pipe = Pipe { read: &[], link: &self.link };
            if let Some(context) = &mut self.context {
                let _ = context.flush(&mut pipe);
            }
            let _ = timeout(patience, self.link.flushed()).await;
        }
        self.link.close();
    }

    /// Reads until the client has answered the close frame, or has gone.
    async fn drain(&mut self) {
        let faulty = self.ended.is_some();
        while !self.link.is_closed() && self.link.socket().readable().await.is_ok() {
            if faulty {
                // The decoder cannot go on.
                let core = self.core.clone();
                let mut buffer = core.read_buffer().borrow_mut();
                match self.link.socket().try_read(&mut buffer) {
                    Ok(0) => return,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                    Ok(_) | Err(_) => {}
                }
            } else {
                self.waiting.clear();
                self.turn_bytes = 0;
                self.read();
                if self.ended.is_some() {
                    return;
                }
            }
        }
    }
}

fn decoder(bytes_max: usize) -> Box<WebSocketContext> {
    let config = WebSocketConfig::default()
        .read_buffer_size(DECODER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(bytes_max))
        .max_frame_size(Some(bytes_max));
    Box::new(WebSocketContext::new(Role::Server, Some(config)))
}

/// How a fault of the client's WebSocket ends its connection (RFC 6455, section 7.4.1), or that a pong has no room among what waits.
fn ending(error: &Error) -> Ending {
    match error {
        Error::Capacity(_) => Ending::Faulty(1009, "message too big"),
        Error::Utf8(_) => Ending::Faulty(1007, "text is UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Gone,
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Slow>()) => {
            Disconnect::Slow.into()
        }
        Error::Protocol(_) => Ending::Faulty(1002, "protocol error"),
        _ => Ending::Gone,
    }
}

/// What was read, and the way into the outbox, as the decoder wants them.
struct Pipe<'a> {
    read: &'a [u8],
    link: &'a Rc<Link>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.read.read(into)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.link.write(|writer| writer.copy(bytes)) {
            Ok(()) => Ok(bytes.len()),
            Err(slow) => Err(io::Error::other(slow)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[test]
    fn a_pong_for_which_there_is_no_room_is_of_one_who_is_slow() {
        assert_eq!(ending(&Error::Io(io::Error::other(Slow))), Disconnect::Slow.into());
        assert_eq!(ending(&Error::Io(io::ErrorKind::ConnectionReset.into())), Ending::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_waited_for_a_message_counts_whatever_else_is_seen_to_meanwhile() {
        let begun = Instant::now();
        let mut unfinished = Unfinished::default();
        // Answers to what was said before come now and then.
        let pause = MESSAGE_PATIENCE * 2 / 5;
        for _ in 0..2 {
            assert!(
                timeout(pause, unfinished.wait(pending::<()>())).await.is_err(),
                "something else comes first"
            );
        }
        // A byte that comes does not begin it anew either.
        unfinished.wait(async {}).await.unwrap();
        assert!(unfinished.wait(pending::<()>()).await.is_err());
        assert!(begun.elapsed().abs_diff(MESSAGE_PATIENCE) < Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_what_is_free_a_message_that_comes_at_a_kib_a_second_is_waited_for_and_a_slower_one_is_not()
     {
        const SECOND: Duration = Duration::from_secs(1);
        const WHOLE: usize = 1 << 20;
        // How long is waited for a message of which so much has come, and more comes each second, and whether all of it comes.
        let waited = async |bytes, bytes_a_second| {
            let mut unfinished = Unfinished { bytes, ..Unfinished::default() };
            while unfinished.bytes < WHOLE {
                if unfinished.wait(sleep(SECOND)).await.is_err() {
                    break;
                }
                unfinished.bytes += bytes_a_second;
            }
            (unfinished.waited.as_secs_f64().round(), unfinished.bytes >= WHOLE)
        };
        let (free, floor) = (MESSAGE_BYTES_FREE, MESSAGE_BYTES_A_SECOND);
        let (patience, behind) = (MESSAGE_PATIENCE.as_secs_f64(), ((WHOLE - free) / floor) as f64);
        assert_eq!(waited(free, floor).await, (behind, true));
        // Of what comes in two seconds one is made up for.
        assert_eq!(waited(free, floor / 2).await, (patience * 2.0 - 1.0, false));
        assert_eq!(waited(free, 0).await, (patience, false));
        // What is free makes up for nothing, however steadily it comes.
        assert_eq!(waited(0, free / 11).await, (patience, false));
    }
}
