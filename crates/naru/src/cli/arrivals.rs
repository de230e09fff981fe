//! What comes in from the broker while a person types: one ordered queue between the thread that reads
//! the socket and the thread that prints.
//!
//! Everything is printed in the order in which it arrived, replies among messages. The person's thread only waits
//! until the replies to its command are on the screen.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use naru_resp::Value;

use super::format::Style;
use super::subscriptions::{Frame, Subscriptions};

/// Frames read and not yet printed; when full, the socket is not read.
const QUEUE_FRAMES_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arrival>,
    subscriptions: Subscriptions,
    connected: bool,
    /// The prompt is over: print what is there, then end.
    finished: bool,
    /// Replies to the person's command that are not yet on the screen.
    awaited: usize,
    /// How those are printed.
    reply_style: Option<Style>,
}

enum Arrival {
    Frame(Value),
    Closed(String),
}

/// The connection as the prompt shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    NotConnected,
    Connected,
    Subscribed,
}

impl Arrivals {
    pub(super) fn mode(&self) -> Mode {
        let state = self.lock();
        match (state.connected, state.subscriptions.any()) {
            (false, _) => Mode::NotConnected,
            (true, false) => Mode::Connected,
            (true, true) => Mode::Subscribed,
        }
    }

    /// A new connection, subscribed to nothing.
    pub(super) fn connected(&self) {
        let mut state = self.lock();
        state.connected = true;
        state.awaited = 0;
    }

    /// From now on, the replies to `command` are waited for, and printed in their own style.
    pub(super) fn expect_replies(&self, command: &[Vec<u8>], style: Style) {
        let mut state = self.lock();
        state.reply_style = Some(style);
        state.awaited += state.subscriptions.replies_to(command);
    }

    /// Waits until all replies are on the screen, or no more can come.
    pub(super) fn wait_for_replies(&self) {
        let mut state = self.lock();
        while state.connected && state.awaited > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Adds a frame; waits while there is no room.
    pub(super) fn push(&self, frame: Value) {
        self.add(Arrival::Frame(frame));
    }

    /// Adds the end of the connection, and why.
    pub(super) fn close(&self, reason: String) {
        self.add(Arrival::Closed(reason));
    }

    /// No more commands.
    pub(super) fn finish(&self) {
        self.lock().finished = true;
        self.changed.notify_all();
    }

    /// Prints everything that arrives, messages in `style`, until [`finish`](Self::finish).
    pub(super) fn print_all(&self, style: Style, mut print: impl FnMut(&str)) {
        while let Some((arrival, reply_style)) = self.take() {
            let mut text = match &arrival {
                Arrival::Frame(frame) => {
                    let bytes = reply_style.unwrap_or(style).format(frame);
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                Arrival::Closed(reason) => format!("Error: {reason}"),
            };
            if !text.ends_with('\n') {
                text.push('\n');
            }
            print(&text);
            self.printed(&arrival, reply_style.is_some());
        }
    }

    /// The next arrival and, if it is a reply, its style.
    fn take(&self) -> Option<(Arrival, Option<Style>)> {
        let mut guard = self.lock();
        loop {
            let state = &mut *guard;
            if let Some(arrival) = state.queue.pop_front() {
                let kind = match &arrival {
                    Arrival::Frame(frame) => state.subscriptions.follow(frame),
                    Arrival::Closed(_) => Frame::Message,
                };
                self.changed.notify_all();
                return Some((arrival, if kind == Frame::Reply { state.reply_style } else { None }));
            }
            if state.finished {
                return None;
            }
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn printed(&self, arrival: &Arrival, is_reply: bool) {
        let mut state = self.lock();
        match arrival {
            Arrival::Frame(Value::Error(_)) => state.awaited = 0,
            Arrival::Frame(_) if is_reply => state.awaited = state.awaited.saturating_sub(1),
            Arrival::Frame(_) => {}
            Arrival::Closed(_) => {
                state.connected = false;
                state.subscriptions = Subscriptions::default();
            }
        }
        self.changed.notify_all();
    }

    fn add(&self, arrival: Arrival) {
        let mut state = self.lock();
        while state.queue.len() >= QUEUE_FRAMES_MAX && !state.finished {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.finished {
            state.queue.push_back(arrival);
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread::{scope, spawn};

    fn command(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn frame(words: &str) -> Value {
        Value::Array(command(words).into_iter().map(Value::Bulk).collect())
    }

    fn confirmation(words: &str) -> Value {
        let mut elements: Vec<Value> = command(words).into_iter().map(Value::Bulk).collect();
        elements.push(Value::Integer(1));
        Value::Array(elements)
    }

    #[test]
    fn replies_and_messages_are_printed_in_the_order_they_came() {
        let arrivals = Arrivals::default();
        arrivals.connected();
        arrivals.expect_replies(&command("subscribe a"), Style::Raw);
        arrivals.push(confirmation("subscribe a"));
        arrivals.push(frame("message a 1"));
        arrivals.push(Value::Simple(b"PONG".to_vec()));
        arrivals.push(frame("message a 2"));
        arrivals.close("Server closed the connection".to_owned());
        arrivals.finish();
        let mut screen = String::new();
        arrivals.print_all(Style::Raw, |text| screen.push_str(text));
        assert_eq!(
            screen,
            "subscribe\na\n1\nmessage\na\n1\nPONG\nmessage\na\n2\nError: Server closed the connection\n"
        );
        assert_eq!(arrivals.mode(), Mode::NotConnected);
    }

    #[test]
    fn the_prompt_waits_for_the_reply_and_not_for_messages() {
        let arrivals = Arrivals::default();
        arrivals.connected();
        arrivals.expect_replies(&command("subscribe a b"), Style::Raw);
        scope(|scope| {
            scope.spawn(|| arrivals.print_all(Style::Raw, |_| ()));
            arrivals.push(confirmation("subscribe a"));
            arrivals.push(frame("message a 1"));
            arrivals.push(confirmation("subscribe b"));
            arrivals.wait_for_replies();
            assert_eq!(arrivals.mode(), Mode::Subscribed);
            arrivals.expect_replies(&command("get a"), Style::Raw);
            arrivals.push(Value::Error(b"ERR only (P|S)SUBSCRIBE".to_vec()));
            arrivals.wait_for_replies();
            arrivals.finish();
        });
    }

    #[test]
    fn a_closed_connection_ends_the_wait() {
        let arrivals = Arrivals::default();
        arrivals.connected();
        arrivals.expect_replies(&command("ping"), Style::Raw);
        scope(|scope| {
            scope.spawn(|| arrivals.print_all(Style::Raw, |_| ()));
            arrivals.close("Server closed the connection".to_owned());
            arrivals.wait_for_replies();
            assert_eq!(arrivals.mode(), Mode::NotConnected);
            arrivals.finish();
        });
    }

    #[test]
    fn a_full_queue_stops_the_reader_until_something_is_printed() {
        let arrivals = Arc::new(Arrivals::default());
        for _ in 0..QUEUE_FRAMES_MAX {
            arrivals.push(Value::Null);
        }
        let reader = Arc::clone(&arrivals);
        let thread = spawn(move || (0..QUEUE_FRAMES_MAX).for_each(|_| reader.push(Value::Null)));
        let mut printed = 0;
        while printed < 2 * QUEUE_FRAMES_MAX {
            assert!(arrivals.lock().queue.len() <= QUEUE_FRAMES_MAX);
            if let Some((arrival, _)) = arrivals.take() {
                arrivals.printed(&arrival, false);
                printed += 1;
            }
        }
        thread.join().unwrap();
    }
}
