//! The ledger, and channels that keep something, on Redis and Valkey: each operation as scripts, every one of which touches one
//! partition; or, where a message comes into many inboxes and the server is of no cluster, several.
//!
//! What is kept where is in `docs/redis.md`. The scripts (`*.lua`) answer as Naru's commands of the same names do; what
//! concerns several partitions is put together here.

mod call;
mod channel;
mod clear;
mod deliver;
pub(crate) mod library;
mod presence;
mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;

use naru_ledger::answer::{Appended, Refused};
use naru_ledger::op::{Append, Delete, Edit, Read, Sweep};
use naru_ledger::{
    Answer, Conversation, Epoch, Generation, Kind, Level, Limits, Millis, Mode, Op, Seq, User, op::Deliver,
};
use redis::Value;

use crate::ask::in_time;
use crate::connection::Connection;
use crate::error::BusError;
use crate::levels::Levels;
use crate::partition::Partition;
use crate::reply::{self, Fields};
use crate::wire::answer;
use crate::wire::{Request, request};
use call::Call;
pub(crate) use deliver::{Comings, Deliveries};
use library::{GENERATION, Library, PART, TURNS};
pub(crate) use spread::Reach;

/// Since which entry users take part in a conversation; 0 where it has always been so.
pub(crate) type Since = BTreeMap<User, Seq>;

/// Somebody has come, gone or been given a role by an entry that may not be in all inboxes yet.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    user: User,
    seq: Seq,
    count: u64,
    kind: Kind,
    mode: Mode,
}

/// Partitions that are looked at at once: a server's short turn.
const SWEPT_AT_ONCE: usize = 256;

/// How a ledger is kept on Redis or Valkey.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// What every key begins with, so that there can be several, or something else, on one server.
    pub prefix: String,
    /// The same for all who use it.
    pub limits: Limits,
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { prefix: "n".to_owned(), limits: Limits::default() }
    }
}

/// What is else the store's to say, said by a test.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// When it is.
    pub now: Millis,
    /// In which generation numbers are given.
    pub generation: Generation,
    /// The epoch of a partition that has none.
    pub epoch: Epoch,
}

/// The scripts on one connection.
#[derive(Clone)]
pub(crate) struct Scripts {
    library: Arc<Library>,
    prefix: Arc<str>,
    generation: Generation,
    epoch: Epoch,
    /// None where the store's clock says it.
    now: Option<Millis>,
    levels: Levels,
    reach: Reach,
}

impl Scripts {
    /// As `keeping` says, on a master whose numbers are of this generation. `epoch` is new.
    pub(crate) fn new(
        keeping: &Keeping,
        generation: Generation,
        epoch: Epoch,
        levels: Levels,
        reach: Reach,
    ) -> Scripts {
        let library = Arc::new(Library::new(&keeping.limits));
        Scripts {
            library,
            prefix: keeping.prefix.as_str().into(),
            generation,
            epoch,
            now: None,
            levels,
            reach,
        }
    }

    /// The generation of a master by its replication id, and whether it is met for the first time, so that it is the next one.
    pub(crate) async fn generation(
        connection: &Connection,
        keeping: &Keeping,
        replication_id: &str,
    ) -> Result<(Generation, bool), BusError> {
        let key = format!("{}:gen", keeping.prefix);
        let call = Call {
            keys: vec![key],
            given: Vec::new(),
            request: Request::new(GENERATION).word(replication_id),
        };
        let value = call::run(&Library::new(&keeping.limits), connection, &[call]).await?.into_iter().next();
        let mut fields = Fields::of(value.unwrap_or(Value::Nil))?;
        let too_many = |_| reply::wrong("more generations than there can be");
        let generation = Generation(u32::try_from(fields.number()?).map_err(too_many)?);
        Ok((generation, fields.flag()?))
    }

    /// Has the server know all scripts, if it may: it is then asked for them by name alone, so that calls that are on their way at
    /// once are run in their order. One that is not known is given, behind what was asked meanwhile.
    pub(crate) async fn load(&self, connection: &Connection) -> Result<(), BusError> {
        let mut pipeline = redis::pipe();
        for script in self.library.all() {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(&script.text);
        }
        in_time(connection.pipeline(&pipeline)).await.map(drop)
    }

    /// The same, with what a test says.
    pub(crate) fn pinned(&self, Pinned { now, generation, epoch }: Pinned) -> Scripts {
        Scripts { generation, epoch, now: Some(now), ..self.clone() }
    }

    /// The same, under another prefix.
    pub(crate) fn under(&self, prefix: &str) -> Scripts {
        Scripts { prefix: prefix.into(), ..self.clone() }
    }

    /// Takes an operation. What concerns several users, or several steps, is no longer one atomic step.
    pub(crate) async fn ask(&self, connection: &Connection, op: &Op) -> Result<Answer, BusError> {
        match op {
            Op::Send(_) => Err(BusError::Unusable("a send is no one step here".to_owned())),
            Op::Deliver(deliver) => {
                let since = self.since(connection, deliver).await?;
                let turns = self.turns_of(connection, deliver).await?;
                let done =
                    self.deliver(connection, deliver, Comings { since: &since, turns: &turns }, None).await?;
                Ok(Answer::Delivered(done.delivered))
            }
            Op::Sweep(sweep) => self.sweep(connection, sweep, Partition::all()).await,
            Op::Route { run, users } => {
                self.route(connection, users, |users| Op::Route { run: run.clone(), users }).await
            }
            Op::Unroute { run, users } => {
                self.route(connection, users, |users| Op::Unroute { run: run.clone(), users }).await
            }
            Op::Presence { users } => self.presence(connection, users).await,
            Op::Append(Append { level, .. })
            | Op::Edit(Edit { level, .. })
            | Op::Delete(Delete { level, .. }) => self.written(self.one(connection, op).await?, *level).await,
            Op::Done { .. } | Op::Mark { .. } => self.one(connection, op).await,
            Op::Read(Read { conversation, user, .. }) => {
                may_hear_of(conversation, user)?;
                self.one(connection, op).await
            }
            Op::Resume(_) | Op::Changed { .. } | Op::Conversations { .. } | Op::Ack(_) => {
                self.one(connection, op).await
            }
            Op::History(_) | Op::Membership(_) | Op::Members { .. } | Op::Server(_) => {
                self.one(connection, op).await
            }
            Op::Trace { .. } | Op::Standing { .. } => self.one(connection, op).await,
        }
    }

    /// Appends, edits or deletes, and does not wait until it is safe.
    pub(crate) async fn write(&self, connection: &Connection, op: &Op) -> Result<Answer, BusError> {
        self.one(connection, op).await
    }

    /// Since which entry these users take part in a conversation; those who do not are left out.
    pub(crate) async fn part(
        &self,
        connection: &Connection,
        conversation: &Conversation,
        users: &[User],
    ) -> Result<Since, BusError> {
        let request = Request::new(PART).word(conversation.as_str());
        let request = users.iter().fold(request, |request, user| request.word(user.as_str()));
        let call = self.call(Partition::of(conversation.as_str()), request);
        let mut taking = Since::new();
        for parts in self.run(connection, &[call]).await? {
            for (user, part) in users.iter().zip(reply::list(parts)?) {
                if let Ok(since) = reply::number(part) {
                    taking.insert(user.clone(), Seq(since));
                }
            }
        }
        Ok(taking)
    }

    /// Who has come or gone before an entry, and not yet into all inboxes: of some users, or of all.
    pub(crate) async fn turns(
        &self,
        connection: &Connection,
        (conversation, before): (&Conversation, Seq),
        of: Option<impl Iterator<Item = &User>>,
    ) -> Result<Vec<Turn>, BusError> {
        if matches!(conversation, Conversation::Direct(_)) {
            return Ok(Vec::new());
        }
        let request = Request::new(TURNS).word(conversation.as_str()).number(before.0);
        let request = of.into_iter().flatten().fold(request, |request, user| request.word(user.as_str()));
        let call = self.call(Partition::of(conversation.as_str()), request);
        let turns = self.run(connection, &[call]).await?.into_iter().next().unwrap_or(Value::Nil);
        reply::each(turns, |mut fields| {
            let user = fields.name()?;
            let (seq, count) = (Seq(fields.number()?), fields.number()?);
            Ok(Turn {
                user,
                seq,
                count,
                kind: fields.parsed(Kind::parse)?,
                mode: fields.parsed(Mode::parse)?,
            })
        })
    }

    /// The same before what is delivered.
    pub(crate) async fn turns_of(
        &self,
        connection: &Connection,
        deliver: &Deliver,
    ) -> Result<Vec<Turn>, BusError> {
        let to = deliver.to.iter().map(|recipient| &recipient.user);
        let of = (deliver.mode == Mode::Broadcast).then_some(to);
        self.turns(connection, (&deliver.conversation, deliver.seq), of).await
    }

    pub(crate) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// An answer to what is written, when that is as safe as was asked for, or is not going to be: also to a repeat, which may be
    /// one because the first answer said so.
    async fn written(&self, answer: Answer, level: Level) -> Result<Answer, BusError> {
        match answer {
            Answer::Appended(appended) => {
                Ok(Answer::Appended(Appended { level: self.levels.reach(level).await, ..appended }))
            }
            answer => Ok(answer),
        }
    }

    /// Asks the script of the operation's own name, whose first argument says where it belongs.
    async fn one(&self, connection: &Connection, op: &Op) -> Result<Answer, BusError> {
        let request = request(op);
        let name = request.arguments().next().unwrap_or_default();
        let partition = Partition::of(std::str::from_utf8(name).unwrap_or_default());
        let call = self.call(partition, request);
        let values = self.run(connection, &[call]).await?;
        answer(op, values.into_iter().next().unwrap_or(Value::Nil))
    }

    /// Looks for open entries in these partitions, one after the other, until there are as many conversations as were asked for.
    pub(crate) async fn sweep(
        &self,
        connection: &Connection,
        sweep: &Sweep,
        partitions: impl Iterator<Item = Partition>,
    ) -> Result<Answer, BusError> {
        let partitions: Vec<Partition> = partitions.collect();
        let mut open = Vec::new();
        for partitions in partitions.chunks(SWEPT_AT_ONCE) {
            if open.len() >= sweep.limit.max(1) {
                break;
            }
            let waiting = self.waiting(connection, partitions).await?;
            let limit = sweep.limit.saturating_sub(open.len()).max(1);
            let sweep = Op::Sweep(Sweep { limit, ..sweep.clone() });
            let calls: Vec<Call> =
                waiting.into_iter().map(|partition| self.call(partition, request(&sweep))).collect();
            for value in self.run(connection, &calls).await? {
                if let Answer::Open(found) = answer(&sweep, value)? {
                    open.extend(found);
                }
            }
        }
        Ok(Answer::Open(open))
    }

    /// In which of these partitions anything is open. Hardly ever in any: a plain command is a tenth of a script's work.
    async fn waiting(
        &self,
        connection: &Connection,
        partitions: &[Partition],
    ) -> Result<Vec<Partition>, BusError> {
        let mut pipeline = redis::pipe();
        for partition in partitions {
            pipeline.cmd("EXISTS").arg(format!("{}:pend", self.key(*partition)));
        }
        let counts = in_time(connection.pipeline(&pipeline)).await?;
        let mut waiting = Vec::new();
        for (partition, count) in partitions.iter().zip(counts) {
            if reply::number(count.extract_error()?)? > 0 {
                waiting.push(*partition);
            }
        }
        Ok(waiting)
    }

    fn call(&self, partition: Partition, request: Request) -> Call {
        self.call_in(&[partition], request)
    }

    fn call_in(&self, partitions: &[Partition], request: Request) -> Call {
        let now = self.now.map_or_else(String::new, |now| now.0.to_string());
        let given = vec![self.generation.0.to_string(), self.epoch.as_str().to_owned(), now];
        let keys = partitions.iter().map(|partition| self.key(*partition)).collect();
        Call { keys, given, request }
    }

    fn key(&self, partition: Partition) -> String {
        format!("{}:{{{}}}", self.prefix, partition.tag())
    }

    async fn run(&self, connection: &Connection, calls: &[Call]) -> Result<Vec<Value>, BusError> {
        call::run(&self.library, connection, calls).await
    }
}

/// That an inbox may have a conversation. Whether the entry is there the caller is believed: its log is in another slot.
fn may_hear_of(conversation: &Conversation, user: &User) -> Result<(), BusError> {
    match conversation {
        Conversation::Direct(direct) if !direct.has(user) => Err(Refused::NotAMember.into()),
        Conversation::Direct(_) | Conversation::Room(_) => Ok(()),
    }
}
