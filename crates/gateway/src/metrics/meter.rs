//! What one core counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    admission::Full,
    codes::Code,
    protocol::{
        command::{COMMANDS, Request},
        flavour::Flavour,
    },
};

/// A number that one thread changes and any may read.
#[derive(Default)]
struct Own(AtomicU64);

impl Own {
    fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What else comes as a command.
const OTHERS: [&str; 2] = ["pong", "unknown"];

/// How many names [`commands`] has.
const COUNTED: usize = COMMANDS.len() + OTHERS.len();

/// Commands as they are called.
pub(super) fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.into_iter().chain(OTHERS)
}

/// Codes of errors that clients are answered.
pub(super) const ERRORS: [(Code, &str); 13] = [
    (Code::Internal, "100"),
    (Code::UnknownChannel, "102"),
    (Code::PermissionDenied, "103"),
    (Code::MethodNotFound, "104"),
    (Code::AlreadySubscribed, "105"),
    (Code::LimitExceeded, "106"),
    (Code::BadRequest, "107"),
    (Code::NotAvailable, "108"),
    (Code::TokenExpired, "109"),
    (Code::Expired, "110"),
    (Code::TooManyRequests, "111"),
    (Code::UnrecoverablePosition, "112"),
    (Code::LastOwner, "400"),
];

/// Why clients get no session.
pub(super) const REFUSALS: [(Full, &str); 5] = [
    (Full::All, "connections"),
    (Full::Rate, "rate"),
    (Full::Address, "address"),
    (Full::AddressRate, "address_rate"),
    (Full::Refusals, "bad_tokens"),
];

/// The counters of one core, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Meter {
    began: [Own; Flavour::COUNT],
    ended: [Own; Flavour::COUNT],
    lined_up: Own,
    left_line: Own,
    turned_away: [Own; REFUSALS.len()],
    subscribed: Own,
    unsubscribed: Own,
    commands: [Own; COUNTED],
    errors: [Own; ERRORS.len()],
    /// Errors in the application's words.
    told: Own,
    delivered: Own,
}

/// Somebody new who waits.
struct InLine<'a>(&'a Meter);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.left_line.add(1);
    }
}

impl Meter {
    pub(crate) fn began(&self, flavour: Flavour) {
        self.began[flavour as usize].add(1);
    }

    pub(crate) fn ended(&self, flavour: Flavour) {
        self.ended[flavour as usize].add(1);
    }

    /// Waits for a newcomer's turn, which is counted meanwhile.
    pub(crate) async fn in_line<T>(&self, turn: impl Future<Output = T>) -> T {
        self.lined_up.add(1);
        // Who gives up leaves the line as well.
        let _in_line = InLine(self);
        turn.await
    }

    pub(crate) fn turned_away(&self, full: Full) {
        if let Some(place) = REFUSALS.iter().position(|(known, _)| *known == full) {
            self.turned_away[place].add(1);
        }
    }

    pub(crate) fn subscribed(&self) {
        self.subscribed.add(1);
    }

    pub(crate) fn unsubscribed(&self) {
        self.unsubscribed.add(1);
    }

    pub(crate) fn delivered(&self, publications: usize) {
        self.delivered.add(publications as u64);
    }

    pub(crate) fn commanded(&self, request: &Request) {
        let place = match request {
            Request::Connect(_) => 0,
            Request::Subscribe(_) => 1,
            Request::Unsubscribe(_) => 2,
            Request::Publish(_) => 3,
            Request::Presence(_) => 4,
            Request::PresenceStats(_) => 5,
            Request::History(_) => 6,
            Request::Ping => 7,
            Request::Send => 8,
            Request::Rpc(_) => 9,
            Request::Refresh(_) => 10,
            Request::SubRefresh(_) => 11,
            Request::Pong => COMMANDS.len(),
            Request::Unknown => COMMANDS.len() + 1,
        };
        self.commands[place].add(1);
    }

    pub(crate) fn refused(&self, code: Code) {
        if let Some(place) = ERRORS.iter().position(|(known, _)| *known == code) {
            self.errors[place].add(1);
        }
    }

    pub(crate) fn told(&self) {
        self.told.add(1);
    }

    pub(super) fn refusals(&self, place: usize) -> u64 {
        self.turned_away[place].get()
    }

    pub(super) fn errors_told(&self) -> u64 {
        self.told.get()
    }

    pub(super) fn sessions(&self, flavour: usize) -> u64 {
        self.began[flavour].get().saturating_sub(self.ended[flavour].get())
    }

    pub(super) fn opened(&self, flavour: usize) -> u64 {
        self.began[flavour].get()
    }

    pub(super) fn waiting(&self) -> u64 {
        self.lined_up.get().saturating_sub(self.left_line.get())
    }

    pub(super) fn subscriptions(&self) -> u64 {
        self.subscribed.get().saturating_sub(self.unsubscribed.get())
    }

    pub(super) fn command(&self, place: usize) -> u64 {
        self.commands[place].get()
    }

    pub(super) fn error(&self, place: usize) -> u64 {
        self.errors[place].get()
    }

    pub(super) fn deliveries(&self) -> u64 {
        self.delivered.get()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::encoding::Encoding;

    #[test]
    fn each_command_is_counted_by_its_name() {
        for (place, name) in commands().enumerate() {
            let command = match name {
                "pong" => "{}".to_owned(),
                name => format!(r#"{{"id":1,"{name}":{{}}}}"#),
            };
            let meter = Meter::default();
            for command in Encoding::Json.commands(Bytes::from(command)) {
                meter.commanded(&command.unwrap().request());
            }
            assert_eq!(
                (0..COUNTED).filter(|it| meter.command(*it) == 1).collect::<Vec<_>>(),
                [place],
                "{name}"
            );
        }
    }
}
