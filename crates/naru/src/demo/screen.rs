//! What the demo shows in the terminal: the addresses, and a line for each step of what crosses.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    io::{self, IsTerminal, stdout},
    net::SocketAddr,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter},
};

use crate::{pages::Peer, printed::say};

/// The tracing target of what crosses; the events are described in the gateway's and the broker's `crossing`.
const TARGET: &str = "crossing";

pub(super) fn say_if_moved(what: &str, wanted: u16, port: u16) -> io::Result<()> {
    if port != wanted {
        say!("Port {wanted} is taken; {what} uses {port} instead.")?;
    }
    Ok(())
}

pub(super) fn welcome(peers: &[Peer], broker: SocketAddr) -> io::Result<()> {
    say!("\nNaru is running. Open both pages, sign in under two names, and write to each other:\n")?;
    for peer in peers {
        say!("  {:<9} {}", peer.server, peer.url)?;
    }
    say!(
        "  {:<9} redis://{broker}    (redis-cli -p {port}, or naru cli -p {port})",
        "broker",
        port = broker.port()
    )?;
    say!("\nSwitch one of them to offline and keep writing. Ctrl-C ends it. What crosses:\n")
}

/// Turns the events of what crosses into lines.
pub(super) struct Crossings;

impl<S: Subscriber> Layer<S> for Crossings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(line) = fields.line() {
            // Whoever looks may have seen enough; what runs goes on.
            let _ = say!("{}", line.shown(stdout().is_terminal()));
        }
    }
}

/// Lets only what crosses through, so that other debug events cost nothing.
pub(super) struct OnlyCrossings;

impl<S> Filter<S> for OnlyCrossings {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= Level::DEBUG
    }
}

/// The fields of an event, as text.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// One line: where, which step, what.
struct Line {
    place: String,
    step: &'static str,
    what: String,
    /// SGR colour of the step.
    colour: u8,
}

impl Fields {
    fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// What a person is shown of it; nothing for what would only repeat another line.
    fn line(&self) -> Option<Line> {
        let of = |name| self.of(name);
        let line =
            |step, colour, what: String| Some(Line { place: of("server").to_owned(), step, what, colour });
        // The sender's own devices get a copy too; a line for each would hide the story.
        let own_copy = of("user") == of("from") && of("from") != of("to");
        match of("step") {
            "online" => line("online", 32, format!("{} is connected", of("user"))),
            "offline" => line("offline", 90, format!("{} has gone", of("user"))),
            "hand" => line("publish", 36, format!("{} → {}: handed to the broker", of("from"), of("to"))),
            "send" if of("duplicate") == "true" => line(
                "stored",
                36,
                format!(
                    "{} → {}: sent again; it is #{} and was stored already",
                    of("from"),
                    of("to"),
                    of("seq")
                ),
            ),
            "send" => line(
                "stored",
                36,
                format!(
                    "{} → {}: #{} is on disk, and {} knows it",
                    of("from"),
                    of("to"),
                    of("seq"),
                    of("from")
                ),
            ),
            "queue" if !own_copy => line(
                "queue",
                33,
                format!(
                    "#{} from {} is in {}'s queue at {}",
                    of("seq"),
                    of("from"),
                    of("user"),
                    of("offset")
                ),
            ),
            "route" if !own_copy && of("servers").is_empty() => {
                line("wait", 35, format!("{} is away: it stays in the queue", of("user")))
            }
            "route" if !own_copy => line("route", 34, format!("{} is on {}", of("user"), of("servers"))),
            "deliver" if !own_copy && of("missed") == "true" => line(
                "deliver",
                32,
                format!("#{} from {} to {}, who had missed it", of("seq"), of("from"), of("user")),
            ),
            "deliver" if !own_copy => {
                line("deliver", 32, format!("#{} from {} to {}", of("seq"), of("from"), of("user")))
            }
            // A new inbox is empty: there is nothing to come back to.
            "resume" if of("head") == "0" => None,
            "resume" => {
                let missed = match of("missed") {
                    "0" => "nothing was missed".to_owned(),
                    count => format!("{count} waited"),
                };
                line(
                    "resume",
                    35,
                    format!("{} is at {} of {}: {missed}", of("user"), of("offset"), of("head")),
                )
            }
            "publish" if of("receivers") == "0" => {
                line("gone", 31, format!("{}: nobody was listening, and nothing keeps it", of("channel")))
            }
            "publish" => line(
                "live",
                36,
                format!(
                    "{}: plain pub/sub, heard by {} server(s), kept nowhere",
                    of("channel"),
                    of("receivers")
                ),
            ),
            _ => None,
        }
    }
}

impl Line {
    fn shown(&self, in_colour: bool) -> String {
        let mut shown = String::new();
        let step = format!("{:<8}", self.step);
        let step = if in_colour { format!("\x1b[{}m{step}\x1b[0m", self.colour) } else { step };
        // Names are what users chose; the terminal must not obey them. Writing to a string does not fail.
        let what: String = self.what.chars().filter(|char| !char.is_control()).collect();
        let _ = write!(shown, "  {:<9} {step} {what}", self.place);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fields: &[(&'static str, &str)]) -> Option<String> {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Fields(fields).line().map(|line| line.shown(false))
    }

    #[test]
    fn the_senders_own_copy_is_not_shown() {
        let copy =
            [("step", "deliver"), ("server", "s"), ("user", "alice"), ("from", "alice"), ("to", "bob")];
        assert_eq!(shown(&copy), None);
        let note =
            [("step", "deliver"), ("server", "s"), ("user", "a"), ("from", "a"), ("to", "a"), ("seq", "1")];
        assert!(shown(&note).is_some());
    }

    #[test]
    fn who_is_away_is_said_to_be() {
        let fields = [
            ("step", "route"),
            ("server", "broker"),
            ("user", "bob"),
            ("from", "alice"),
            ("to", "bob"),
            ("servers", ""),
        ];
        assert_eq!(shown(&fields).unwrap(), "  broker    wait     bob is away: it stays in the queue");
    }
}
