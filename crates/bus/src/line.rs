//! A connection on which a ledger is asked.

mod native;

use std::future::pending;
use std::sync::Arc;

use naru_ledger::answer::Open;
use naru_ledger::op::Sweep;
use naru_ledger::{Answer, Epoch, Level, Op, Server, channel};
use tokio::time::timeout;

use crate::ask::ask;
use crate::connection::{Connection, Driver};
use crate::dialect::Dialect;
use crate::error::BusError;
use crate::event::Events;
use crate::inspect::{Inspection, inspect};
use crate::levels::Levels;
use crate::limits::CONNECT_TIMEOUT;
use crate::link::{connect, silent, who};
use crate::partition::Partition;
use crate::reply::other_answer;
use crate::scripts::{Keeping, Pinned, Reach, Scripts};
use crate::target::{Place, Target};
use crate::wire::{self, answer, request};

/// A connection to a broker on which the ledger's operations are asked, whatever the broker speaks. Cheap to clone; calls
/// on its clones share the connection, and each waits for its own answer.
///
/// It is not made again when it breaks, and carries no subscriptions: that is a [`Bus`](crate::Bus).
#[derive(Clone)]
pub struct Line {
    connection: Connection,
    spoken: Spoken,
}

#[derive(Clone)]
enum Spoken {
    Native,
    Scripts { scripts: Scripts, found: Arc<Inspection> },
}

impl Line {
    /// Connects. The connection is driven on the Tokio runtime this is called on, as long as there is a clone. `keeping`
    /// is for Redis and Valkey; Naru's broker has its own settings.
    pub async fn connect(target: Target, keeping: &Keeping) -> Result<Line, BusError> {
        let place = Place::parse(target)?;
        let (connection, driver) = connection(&place).await?;
        tokio::spawn(driver);
        let line = Line::open(connection, &place, keeping).await?;
        if let Some(found) = line.inspection() {
            found.say(&place);
        }
        Ok(line)
    }

    /// Makes a connection a line: learns what the broker speaks, and what it is like.
    pub(crate) async fn open(
        connection: Connection,
        place: &Place,
        keeping: &Keeping,
    ) -> Result<Line, BusError> {
        let (name, version) = who(ask(&connection, redis::cmd("HELLO").arg(3)).await?);
        let spoken = match Dialect::of(&name) {
            Some(Dialect::Native) => Spoken::Native,
            Some(Dialect::Scripts) => {
                let (scripts, found) = scripts(&connection, place, keeping).await?;
                Spoken::Scripts { scripts, found: Arc::new(found) }
            }
            None => {
                return Err(BusError::Unusable(format!(
                    "the server {place} is {name} {version}: neither Naru's broker nor Redis nor Valkey"
                )));
            }
        };
        Ok(Line { connection, spoken })
    }

    /// A line to a broker of ours that a test plays.
    #[cfg(test)]
    pub(crate) fn native(connection: Connection) -> Line {
        Line { connection, spoken: Spoken::Native }
    }

    /// What the broker speaks.
    pub fn dialect(&self) -> Dialect {
        match self.spoken {
            Spoken::Native => Dialect::Native,
            Spoken::Scripts { .. } => Dialect::Scripts,
        }
    }

    /// What was found at the other end, if it is Redis or Valkey.
    pub fn inspection(&self) -> Option<&Inspection> {
        match &self.spoken {
            Spoken::Native => None,
            Spoken::Scripts { found, .. } => Some(found),
        }
    }

    /// The same line, on which a test says what else the store says. Naru's broker cannot be told.
    #[must_use]
    pub fn pinned(&self, pinned: Pinned) -> Line {
        let spoken = match &self.spoken {
            Spoken::Native => Spoken::Native,
            Spoken::Scripts { scripts, found } => {
                Spoken::Scripts { scripts: scripts.pinned(pinned), found: Arc::clone(found) }
            }
        };
        Line { connection: self.connection.clone(), spoken }
    }

    /// The same line, for a ledger under another prefix on Redis or Valkey.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Line {
        let spoken = match &self.spoken {
            Spoken::Native => Spoken::Native,
            Spoken::Scripts { scripts, found } => {
                Spoken::Scripts { scripts: scripts.under(prefix), found: Arc::clone(found) }
            }
        };
        Line { connection: self.connection.clone(), spoken }
    }

    /// Removes everything there is under the prefix on Redis or Valkey: for what tests leave behind.
    pub async fn clear(&self) -> Result<(), BusError> {
        match &self.spoken {
            Spoken::Native => Err(BusError::Unusable("Naru's broker is not cleared".to_owned())),
            Spoken::Scripts { scripts, .. } => scripts.clear(&self.connection()).await,
        }
    }

    /// Asks an operation. After [`BusError::Unreachable`] it may have been done or not; asking it again is safe.
    pub async fn ask(&self, op: &Op) -> Result<Answer, BusError> {
        match (&self.spoken, op) {
            (Spoken::Scripts { .. }, Op::Send(append)) => self.send(append).await.map(Answer::Appended),
            (Spoken::Scripts { .. }, Op::Deliver(deliver)) => {
                self.deliver(deliver).await.map(Answer::Delivered)
            }
            _ => self.step(op).await,
        }
    }

    /// Asks an operation on a channel. Asked again after [`BusError::Unreachable`], all but a publication without
    /// [`Once`](naru_ledger::channel::Once) are safe.
    pub async fn ask_channel(&self, op: &channel::Op) -> Result<channel::Answer, BusError> {
        match &self.spoken {
            Spoken::Native => {
                let value = ask(&self.connection(), &wire::channel_request(op)).await;
                wire::channel_answer(op, value.map_err(BusError::of_channels)?)
            }
            Spoken::Scripts { scripts, .. } => scripts.ask_channel(&self.connection(), op).await,
        }
    }

    /// Looks for conversations with open entries in these partitions alone. Naru's broker has none, and looks everywhere.
    pub async fn sweep(
        &self,
        sweep: &Sweep,
        partitions: impl Iterator<Item = Partition>,
    ) -> Result<Vec<Open>, BusError> {
        let answer = match &self.spoken {
            Spoken::Native => self.step(&Op::Sweep(sweep.clone())).await?,
            Spoken::Scripts { scripts, .. } => scripts.sweep(&self.connection(), sweep, partitions).await?,
        };
        match answer {
            Answer::Open(open) => Ok(open),
            _ => Err(other_answer()),
        }
    }

    /// Ends when the line is of no use any more although its connection may be there.
    pub(crate) async fn lost(&self) {
        match &self.spoken {
            Spoken::Native => pending().await,
            Spoken::Scripts { scripts, .. } => scripts.levels().lost().await,
        }
    }

    /// What a message survives when it is answered, without a wait for more.
    pub(crate) fn level(&self) -> Level {
        match &self.spoken {
            Spoken::Native => Level::default(),
            Spoken::Scripts { scripts, .. } => scripts.levels().at_once(),
        }
    }

    /// Refuses what could never be reached here: sent again and again, it would never be as safe as is asked for.
    pub(crate) fn check_level(&self, level: Level) -> Result<(), BusError> {
        let most = match &self.spoken {
            Spoken::Native => Level::Fsync,
            Spoken::Scripts { scripts, .. } if scripts.levels().can_reach(level) => return Ok(()),
            Spoken::Scripts { scripts, .. } => scripts.levels().at_once(),
        };
        if level <= most { Ok(()) } else { Err(BusError::out_of_reach(level, most)) }
    }

    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Whether a message is brought to everybody by the step that writes it.
    pub(crate) fn sends_in_one_step(&self) -> bool {
        matches!(self.spoken, Spoken::Native)
    }

    /// The scripts, where it is by them.
    pub(crate) fn scripts(&self) -> Option<&Scripts> {
        match &self.spoken {
            Spoken::Native => None,
            Spoken::Scripts { scripts, .. } => Some(scripts),
        }
    }

    /// What is one step, on the wire: a command, or scripts.
    pub(crate) async fn step(&self, op: &Op) -> Result<Answer, BusError> {
        let connection = self.connection();
        match &self.spoken {
            Spoken::Native => answer(op, ask(&connection, &request(op)).await?),
            Spoken::Scripts { scripts, .. } => scripts.ask(&connection, op).await,
        }
    }
}

async fn connection(place: &Place) -> Result<(Connection, Driver), BusError> {
    let name = Server::parse("line").expect("a short word is a name");
    let events = Arc::new(Events::new(&name, Box::new(|_| {})));
    let connected = timeout(CONNECT_TIMEOUT, connect(place, &events)).await;
    connected.map_err(|_| BusError::Unusable(silent(place)))?.map_err(BusError::Unusable)
}

/// Looks at a Redis or Valkey, and prepares to keep a ledger there.
async fn scripts(
    connection: &Connection,
    place: &Place,
    keeping: &Keeping,
) -> Result<(Scripts, Inspection), BusError> {
    let found = inspect(connection, &place.to_string()).await?;
    // Whether it is the same master's is seen with each thing that is asked on it.
    let levels = Levels::new(self::connection(place).await?, format!("{}:wait", keeping.prefix), &found);
    let (generation, is_new) = Scripts::generation(connection, keeping, &found.replication_id).await?;
    // Were it lost together with numbers that are given in it, they would be given again.
    let level = if found.replicas > 0 { Level::Replica } else { Level::Fsync };
    if is_new && levels.reach(level).await < level {
        tracing::warn!("the server {place} cannot say that it will not forget which generation it is in");
    }
    let reach = if found.is_clustered { Reach::Slot } else { Reach::All };
    let scripts = Scripts::new(keeping, generation, new_epoch(), levels, reach);
    scripts.load(connection).await?;
    Ok((scripts, found))
}

pub(crate) fn new_epoch() -> Epoch {
    // Without randomness from the system nothing could be kept apart; a process that has none does not get this far.
    let random = getrandom::u64().expect("the operating system has random numbers");
    Epoch::parse(&format!("{random:016x}")).expect("sixteen digits are an epoch")
}

#[cfg(test)]
mod tests {
    use naru_ledger::{Conversation, Seq};

    use super::*;
    use crate::played;

    #[tokio::test]
    async fn an_operation_is_a_command_and_its_reply_the_answer() {
        let name = Server::parse("s1").unwrap();
        let events = Arc::new(Events::new(&name, Box::new(|_| {})));
        let (connection, mut broker) = played::connection(&events).await;
        let line = Line::native(connection);
        let done = Op::Done { conversation: Conversation::parse("room:a").unwrap(), seq: Seq(7) };
        let mut answers = Vec::new();
        for reply in [":7\r\n", "-NOTFOUND no such message\r\n", "+OK\r\n"] {
            let asked = tokio::spawn({
                let (line, done) = (line.clone(), done.clone());
                async move { line.ask(&done).await }
            });
            assert_eq!(played::hears(&mut broker).await, "NARU.DONE room:a 7");
            played::says(&mut broker, reply).await;
            answers.push(asked.await.unwrap());
        }
        let refused = ("NOTFOUND".to_owned(), "no such message".to_owned());
        assert_eq!(answers[0], Ok(Answer::Done(Seq(7))));
        assert_eq!(answers[1], Err(BusError::Refused { code: refused.0, message: refused.1 }));
        assert!(matches!(answers[2], Err(BusError::Protocol(_))));
    }
}
