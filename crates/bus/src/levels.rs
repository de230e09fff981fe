//! Waiting until what was written is as safe as was asked for.

use naru_ledger::Level;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot};

use crate::ask::{ask, in_time};
use crate::inspect::{Inspection, Persistence};
use crate::limits::{LEVEL_WAIT, LEVEL_WAITS_MAX};
use crate::reply;

/// A connection on which the server is asked how far what was written has got. Not the one on which it was written: there,
/// everything behind the question would have to wait as well. Once for all who ask: whatever was answered before one
/// more write is covered when that write is.
///
/// The connection is to the same run of the same server as the line's. Once it is lost nothing is promised any more.
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
    pub(crate) fn new(connection: MultiplexedConnection, key: String, found: &Inspection) -> Levels {
        let (waits, asked) = mpsc::channel(LEVEL_WAITS_MAX);
        tokio::spawn(serve(connection, key, asked));
        let persistence = found.persistence;
        // Where nobody syncs, waiting for it is in vain.
        let syncs = matches!(persistence, Persistence::EverySecond | Persistence::Unknown);
        Levels { persistence, can_wait_for_disk: found.has_waitaof && syncs, waits }
    }

    /// What everything has reached that the server has answered, without waiting.
    pub(crate) fn at_once(&self) -> Level {
        if self.persistence == Persistence::Always { Level::Fsync } else { Level::Memory }
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

/// Asks for all who wait, again and again, until nobody can ask any more.
async fn serve(mut connection: MultiplexedConnection, key: String, mut asked: mpsc::Receiver<Wait>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, LEVEL_WAITS_MAX).await > 0 {
        let wants = |level| waiting.iter().any(|wait| wait.level == level);
        let (fsync, replica) = (wants(Level::Fsync), wants(Level::Replica));
        let [on_disk, on_replica] = look(&mut connection, &key, fsync, replica).await;
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

/// Whether what was written before this is on disk here, and whether it is on a replica, as far as each is asked for.
async fn look(connection: &mut MultiplexedConnection, key: &str, fsync: bool, replica: bool) -> [bool; 2] {
    let replica = replica && has_replica(connection).await;
    let millis = LEVEL_WAIT.as_millis().to_string();
    let mut pipeline = redis::pipe();
    pipeline.cmd("INCR").arg(key);
    let mut commands = 1;
    if replica {
        pipeline.cmd("WAIT").arg(1).arg(&millis);
        commands += 1;
    }
    if fsync {
        pipeline.cmd("WAITAOF").arg(1).arg(0).arg(&millis);
        commands += 1;
    }
    let Ok(values) = in_time(connection.send_packed_commands(&pipeline, 0, commands)).await else {
        return [false; 2];
    };
    let mut values = values.into_iter();
    if !matches!(values.next(), Some(Value::Int(_))) {
        // It is no master any more.
        return [false; 2];
    }
    let on_replica = replica && values.next().is_some_and(|count| is_some(&count));
    let on_disk = fsync
        && values
            .next()
            .and_then(|counts| reply::list(counts).ok())
            .is_some_and(|counts| counts.first().is_some_and(is_some));
    [on_disk, on_replica]
}

fn is_some(count: &Value) -> bool {
    matches!(count, Value::Int(count) if *count > 0)
}

/// Without one, the answer to WAIT would only come late.
async fn has_replica(connection: &mut MultiplexedConnection) -> bool {
    let role = ask(connection, &redis::cmd("ROLE")).await.and_then(reply::list);
    match role.map(|mut role| role.pop()) {
        Ok(Some(replicas)) => reply::list(replicas).is_ok_and(|replicas| !replicas.is_empty()),
        // It may not be asked: then WAIT itself has to tell.
        _ => true,
    }
}
