//! A connection on which a ledger is asked.

use std::sync::Arc;

use naru_ledger::{Answer, Op, Server};
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use crate::ask::ask;
use crate::dialect::Dialect;
use crate::error::BusError;
use crate::event::Events;
use crate::limits::CONNECT_TIMEOUT;
use crate::link::{connect, who};
use crate::target::{Place, Target};
use crate::wire::answer::answer;
use crate::wire::request::{Request, request};

/// A connection to a broker on which the ledger's operations are asked, whatever the broker speaks. Cheap to clone; calls
/// on its clones share the connection, and each waits for its own answer.
///
/// It is not made again when it breaks, and carries no subscriptions: that is a [`Bus`](crate::Bus).
#[derive(Clone)]
pub struct Line {
    connection: MultiplexedConnection,
    dialect: Dialect,
}

impl Line {
    /// Connects. The connection is driven on the Tokio runtime this is called on, as long as there is a clone.
    pub async fn connect(target: Target) -> Result<Line, BusError> {
        let place = Place::parse(target)?;
        let name = Server::parse("line").expect("a short word is a name");
        let events = Arc::new(Events::new(&name, Box::new(|_| {})));
        let connected = timeout(CONNECT_TIMEOUT, connect(&place, &events)).await;
        let (connection, driver) = connected
            .map_err(|_| BusError::Unusable(format!("the broker {place} does not answer")))?
            .map_err(BusError::Unusable)?;
        tokio::spawn(driver);
        Line::on(connection, &place).await
    }

    /// Learns what is at the other end of a connection.
    async fn on(mut connection: MultiplexedConnection, place: &Place) -> Result<Line, BusError> {
        let (name, version) = who(ask(&mut connection, redis::cmd("HELLO").arg(3)).await?);
        match Dialect::of(&name) {
            Some(dialect @ Dialect::Native) => Ok(Line { connection, dialect }),
            Some(Dialect::Scripts) | None => Err(BusError::Unusable(format!(
                "the server {place} is {name} {version}, on which no ledger can be kept yet"
            ))),
        }
    }

    /// What the broker speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Asks an operation. After [`BusError::Unreachable`] it may have been done or not; asking it again is safe.
    pub async fn ask(&self, op: &Op) -> Result<Answer, BusError> {
        let Request { name, arguments } = request(op);
        let mut command = redis::cmd(name);
        command.arg(arguments);
        answer(op, ask(&mut self.connection.clone(), &command).await?)
    }
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
        let line = Line { connection, dialect: Dialect::Native };
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
