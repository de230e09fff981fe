//! Waiting until what was written is as safe as was asked for.

use naru_ledger::Level;
use redis::Value;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::ask::{ask, in_time};
use crate::connection::{Connection, Driver};
use crate::inspect::{Inspection, Persistence, master_in};
use crate::limits::{LEVEL_WAIT, LEVEL_WAITS_MAX, PROBE_EVERY};
use crate::reply;

/// A connection on which the server is asked how far what was written has got. Not the one on which it was written: there,
/// everything behind the question would have to wait as well. Once for all who ask: whatever was answered before one
/// more write is covered when that write is.
///
/// It is believed only as long as it is to the same master as the line's connection; once it is not, or is lost, nothing is promised
/// any more, and the line is of no use.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    persistence: Persistence,
    can_wait_for_disk: bool,
    /// When it is full, who asks waits for room: the server answers all at once.
    waits: mpsc::Sender<Wait>,
}

struct Wait {
    level: Level,
    reached: oneshot::Sender<Level>,
}

impl Levels {
    /// `key` is what is written to.
    pub(crate) fn new((connection, driver): (Connection, Driver), key: String, found: &Inspection) -> Levels {
        let (waits, asked) = mpsc::channel(LEVEL_WAITS_MAX);
        let beside = Beside { connection, key, replication_id: found.replication_id.clone() };
        tokio::spawn(async move {
            select! {
                () = driver => {}
                () = beside.serve(asked) => {}
            }
        });
        let persistence = found.persistence;
        // Where nobody syncs, waiting for it is in vain.
        let syncs = matches!(persistence, Persistence::EverySecond | Persistence::Unknown);
        Levels { persistence, can_wait_for_disk: found.has_waitaof && syncs, waits }
    }

    /// Ends when nothing can be promised any more.
    pub(crate) async fn lost(&self) {
        self.waits.closed().await;
    }

    /// What everything has reached that the server has answered, without waiting.
    pub(crate) fn at_once(&self) -> Level {
        if self.persistence == Persistence::Always { Level::Fsync } else { Level::Memory }
    }

    /// Whether it may be reached: a replica may come at any time.
    pub(crate) fn can_reach(&self, level: Level) -> bool {
        level <= self.at_once() || level == Level::Replica || self.can_wait_for_disk
    }

    /// What everything has reached that the server has answered by now: at most what is asked for, if it gets there in time.
    pub(crate) async fn reach(&self, level: Level) -> Level {
        let at_once = self.at_once();
        if level <= at_once {
            return level;
        }
        if level == Level::Fsync && !self.can_wait_for_disk {
            return at_once;
        }
        let (reached, answer) = oneshot::channel();
        if self.waits.send(Wait { level, reached }).await.is_err() {
            return at_once;
        }
        answer.await.map_or(at_once, |reached| reached.max(at_once))
    }
}

/// The connection, and what is asked on it.
struct Beside {
    connection: Connection,
    key: String,
    replication_id: String,
}

impl Beside {
    /// Asks for all who wait, again and again, until nobody can ask any more or the server is another one.
    async fn serve(mut self, mut asked: mpsc::Receiver<Wait>) {
        let mut waiting = Vec::new();
        loop {
            let some = timeout(PROBE_EVERY, asked.recv_many(&mut waiting, LEVEL_WAITS_MAX)).await;
            if some == Ok(0) {
                return;
            }
            let wants = |level| waiting.iter().any(|wait: &Wait| wait.level == level);
            let (fsync, replica) = (wants(Level::Fsync), wants(Level::Replica));
            // Nobody has asked for a while: then it is asked whether it is there.
            let Some([on_disk, on_replica]) = self.look(fsync, replica).await else { return };
            for Wait { level, reached } in waiting.drain(..) {
                let level = match level {
                    Level::Replica if on_replica => Level::Replica,
                    Level::Fsync if on_disk => Level::Fsync,
                    _ => Level::Memory,
                };
                // Who has given up does not want to know.
                let _ = reached.send(level);
            }
        }
    }

    /// Whether what was written before this is on disk, and whether it is on a replica, as far as each is asked for; none if the
    /// server is not there any more or another one, or no master.
    async fn look(&mut self, fsync: bool, replica: bool) -> Option<[bool; 2]> {
        let replica = replica && self.has_replica().await;
        let millis = LEVEL_WAIT.as_millis().to_string();
        let mut pipeline = redis::pipe();
        if fsync || replica {
            pipeline.cmd("INCR").arg(&self.key);
        }
        if replica {
            pipeline.cmd("WAIT").arg(1).arg(&millis);
        }
        if fsync {
            pipeline.cmd("WAITAOF").arg(1).arg(0).arg(&millis);
        }
        // Last: so it is said of who has answered all that.
        pipeline.cmd("INFO").arg("replication");
        let values = in_time(self.connection.pipeline(&pipeline)).await.ok()?;
        let mut values = values.into_iter();
        let is_written = (fsync || replica) && matches!(values.next(), Some(Value::Int(_)));
        let on_replica = replica && values.next().is_some_and(|count| is_some(&count));
        let on_disk = fsync
            && values
                .next()
                .and_then(|counts| reply::list(counts).ok())
                .is_some_and(|counts| counts.first().is_some_and(is_some));
        let info = reply::text(values.next()?).ok()?;
        (master_in(&info)? == self.replication_id)
            .then_some([on_disk && is_written, on_replica && is_written])
    }

    /// Without one, the answer to WAIT would only come late.
    async fn has_replica(&mut self) -> bool {
        let role = ask(&self.connection, &redis::cmd("ROLE")).await.and_then(reply::list);
        match role.map(|mut role| role.pop()) {
            Ok(Some(replicas)) => reply::list(replicas).is_ok_and(|replicas| !replicas.is_empty()),
            // It may not be asked: then WAIT itself has to tell.
            _ => true,
        }
    }
}

fn is_some(count: &Value) -> bool {
    matches!(count, Value::Int(count) if *count > 0)
}
