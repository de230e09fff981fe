//! What this gateway wants to hear, and the changes of that.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;

use futures_util::future::try_join_all;
use naru_ledger::op::Run;
use naru_ledger::{Op, User, channel};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::ask::in_time;
use crate::dialect::Dialect;
use crate::error::BusError;
use crate::limits::{AGAIN_EVERY, BATCH_NAMES_MAX, PRESENT_EVERY};
use crate::line::Line;
use crate::present::Here;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Subscribe,
    Unsubscribe,
    Route,
    Unroute,
    Enter,
    Leave,
}

/// What is wanted, or not wanted any more.
#[derive(Debug, Clone)]
struct Wish {
    name: Arc<str>,
    /// What is said of who enters; of nobody and nothing else.
    here: Option<Arc<Here>>,
}

/// Something to hear or not to hear any more, or to be said, and who waits to know that the broker agreed.
pub(crate) struct Change {
    step: Step,
    wish: Wish,
    answer: oneshot::Sender<Result<(), BusError>>,
}

/// A change, and what becomes of it.
pub(crate) type Wanted = (Change, oneshot::Receiver<Result<(), BusError>>);

impl Change {
    pub(crate) fn new(step: Step, name: impl Into<Arc<str>>) -> Wanted {
        Change::of(step, Wish { name: name.into(), here: None })
    }

    /// Somebody is to be present, who is told from others by this name.
    pub(crate) fn entering(name: &str, here: Here) -> Wanted {
        Change::of(Step::Enter, Wish { name: name.into(), here: Some(Arc::new(here)) })
    }

    fn of(step: Step, wish: Wish) -> Wanted {
        let (answer, answered) = oneshot::channel();
        (Change { step, wish, answer }, answered)
    }
}

/// Changes in the order they were asked for. Those taken off the queue are kept here until they are applied, so
/// that a link lost in between leaves none unanswered.
pub(crate) struct Changes {
    queue: mpsc::Receiver<Change>,
    taken: Vec<Change>,
}

impl Changes {
    pub(crate) fn new(queue: mpsc::Receiver<Change>) -> Changes {
        Changes { queue, taken: Vec::new() }
    }

    /// The next changes that do the same thing: at least one, at most [`BATCH_NAMES_MAX`]. Waits for ever when all
    /// handles are gone. Nothing is lost if the future is dropped.
    pub(crate) async fn batch(&mut self) -> (Step, Vec<Change>) {
        if self.taken.is_empty() && self.queue.recv_many(&mut self.taken, BATCH_NAMES_MAX).await == 0 {
            pending::<()>().await;
        }
        let step = self.taken[0].step;
        let same = self.taken.iter().take_while(|change| change.step == step).count();
        (step, self.taken.drain(..same).collect())
    }
}

/// Where wishes go: a line, and the run of this server on it.
pub(crate) struct Registered {
    pub(crate) line: Line,
    pub(crate) run: Run,
}

/// What is wanted: in force at the broker while the link is up, asked for again when it is made again.
#[derive(Default)]
pub(crate) struct Desired {
    channels: HashSet<Arc<str>>,
    users: HashSet<Arc<str>>,
    /// Users that are not wanted, as far as they are not above, and of whom the broker may still believe it. At most as many as
    /// were wanted, and one batch.
    left: HashSet<Arc<str>>,
    present: HashMap<Arc<str>, Arc<Here>>,
    /// The same of those who were present.
    gone: HashSet<Arc<str>>,
    /// What was not taken on this connection, to be asked for again: a user's rights or memory may have come to an end, and what is
    /// about some names must not cost everybody the link.
    untaken: Vec<(Step, Wish)>,
    /// When.
    again_at: Option<Instant>,
    /// When it is said again who is present, where that is forgotten otherwise.
    present_at: Option<Instant>,
}

impl Desired {
    /// Answers changes while there is no broker: what is new is refused, what is not wanted any more is forgotten.
    pub(crate) fn refuse(&mut self, step: Step, changes: Vec<Change>) {
        if step == Step::Unroute {
            let left = names(&changes).filter(|name| self.users.contains(*name));
            self.left.extend(left.cloned());
        }
        if step == Step::Leave {
            let gone = names(&changes).filter(|name| self.present.contains_key(*name));
            self.gone.extend(gone.cloned());
        }
        self.forget(step, &changes);
        for change in changes {
            let outcome = match step {
                Step::Subscribe | Step::Route | Step::Enter => Err(BusError::Unreachable),
                Step::Unsubscribe | Step::Unroute | Step::Leave => Ok(()),
            };
            // Whoever stopped waiting counts it as failed, which an addition is, and a removal does not mind.
            let _ = change.answer.send(outcome);
        }
    }

    /// Makes changes that do the same thing, and answers them. An error means that the link is of no use any more;
    /// additions are then not wanted, removals are made.
    pub(crate) async fn apply(
        &mut self,
        step: Step,
        mut changes: Vec<Change>,
        registered: &Registered,
    ) -> Result<(), BusError> {
        self.forget(step, &changes);
        if matches!(step, Step::Subscribe | Step::Route | Step::Enter) {
            changes.retain(|change| !change.answer.is_closed());
        }
        let wishes: Vec<Wish> = changes.iter().map(|change| change.wish.clone()).collect();
        match tell(step, &wishes, registered).await {
            Ok(()) => self.answer(step, changes, registered).await,
            // One name that the broker does not take must not cost the others theirs.
            Err(error) if is_about_names(&error) && changes.len() > 1 => {
                for change in changes {
                    Box::pin(self.apply(step, vec![change], registered)).await?;
                }
                Ok(())
            }
            Err(error) if is_about_names(&error) => {
                for change in changes {
                    let _ = change.answer.send(Err(error.clone()));
                }
                Ok(())
            }
            Err(error) => {
                let names = wishes.into_iter().map(|wish| wish.name);
                match step {
                    Step::Route | Step::Unroute => self.left.extend(names),
                    Step::Enter | Step::Leave => self.gone.extend(names),
                    Step::Subscribe | Step::Unsubscribe => {}
                }
                Err(error)
            }
        }
    }

    /// Asks the broker for everything wanted, on a new connection.
    pub(crate) async fn restore(&mut self, registered: &Registered) -> Result<(), BusError> {
        // Where routes outlive a connection, who has left meanwhile is still held.
        self.left.retain(|name| !self.users.contains(name));
        self.gone.retain(|name| !self.present.contains_key(name));
        let named = |names: &HashSet<Arc<str>>| -> Vec<Wish> {
            names.iter().map(|name| Wish { name: Arc::clone(name), here: None }).collect()
        };
        let present = self.present.iter();
        let present = present.map(|(name, here)| Wish { name: name.clone(), here: Some(here.clone()) });
        let steps = [
            (Step::Unroute, named(&self.left)),
            (Step::Leave, named(&self.gone)),
            (Step::Route, named(&self.users)),
            (Step::Enter, present.collect()),
            (Step::Subscribe, named(&self.channels)),
        ];
        let mut untaken = Vec::new();
        for (step, wishes) in steps {
            for wishes in wishes.chunks(BATCH_NAMES_MAX) {
                take(step, wishes, registered, &mut untaken).await?;
            }
        }
        self.left.clear();
        self.gone.clear();
        if let Some((step, Wish { name, .. })) = untaken.first() {
            tracing::warn!(
                ?step,
                name = %name.replace('\0', " "),
                count = untaken.len(),
                "the broker does not take all that is wanted; trying again"
            );
        }
        self.untaken = untaken;
        self.again_at = Some(Instant::now() + AGAIN_EVERY);
        let is_forgotten = registered.line.dialect() == Dialect::Scripts;
        self.present_at = is_forgotten.then(|| Instant::now() + PRESENT_EVERY);
        Ok(())
    }

    /// Waits until it is time to ask again for what was not taken, if there is any, or to say again who is present.
    pub(crate) async fn until_again(&self) {
        let at = if self.untaken.is_empty() { self.present_at } else { self.again_at };
        match at {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }

    /// Asks again for what was not taken, as far as it is still wanted. Of many that are refused, the first ones' answer is enough.
    pub(crate) async fn again(&mut self, registered: &Registered) -> Result<(), BusError> {
        let mut asked = std::mem::take(&mut self.untaken);
        // One batch after the other, as what was not taken; not before the last time has been gone through.
        let is_due = self.present_at.is_some_and(|at| at <= Instant::now());
        if is_due && asked.len() <= BATCH_NAMES_MAX {
            asked.retain(|(step, _)| *step != Step::Enter);
            let wish =
                |(name, here): (&Arc<str>, &Arc<Here>)| Wish { name: name.clone(), here: Some(here.clone()) };
            asked.extend(self.present.iter().map(wish).map(|wish| (Step::Enter, wish)));
            self.present_at = Some(Instant::now() + PRESENT_EVERY);
        }
        asked.retain(|(step, Wish { name, here })| match step {
            Step::Subscribe => self.channels.contains(name),
            Step::Route => self.users.contains(name),
            Step::Unroute => !self.users.contains(name),
            Step::Enter => {
                self.present.get(name).zip(here.as_ref()).is_some_and(|(now, is)| Arc::ptr_eq(now, is))
            }
            Step::Leave => !self.present.contains_key(name),
            Step::Unsubscribe => false,
        });
        let batch = asked.split_off(asked.len().saturating_sub(BATCH_NAMES_MAX));
        for step in [Step::Unroute, Step::Leave, Step::Route, Step::Enter, Step::Subscribe] {
            let same = batch.iter().filter(|(of, _)| *of == step);
            let wishes: Vec<Wish> = same.map(|(_, wish)| wish.clone()).collect();
            take(step, &wishes, registered, &mut self.untaken).await?;
        }
        self.untaken.append(&mut asked);
        self.again_at = Some(Instant::now() + AGAIN_EVERY);
        Ok(())
    }

    /// The broker has confirmed: what somebody still waits for is wanted; what was given up meanwhile is undone.
    async fn answer(
        &mut self,
        step: Step,
        changes: Vec<Change>,
        registered: &Registered,
    ) -> Result<(), BusError> {
        let undo = match step {
            Step::Subscribe => Step::Unsubscribe,
            Step::Route => Step::Unroute,
            Step::Enter => Step::Leave,
            Step::Unsubscribe | Step::Unroute | Step::Leave => {
                for change in changes {
                    let _ = change.answer.send(Ok(()));
                }
                return Ok(());
            }
        };
        let mut given_up = Vec::new();
        for Change { wish, answer, .. } in changes {
            match answer.send(Ok(())) {
                Ok(()) => self.want(step, wish),
                Err(_) => given_up.push(Wish { here: None, ..wish }),
            }
        }
        given_up.retain(|wish| !self.wants(step, &wish.name));
        tell(undo, &given_up, registered).await
    }

    fn want(&mut self, step: Step, Wish { name, here }: Wish) {
        match (step, here) {
            (Step::Enter, Some(here)) => drop(self.present.insert(name, here)),
            (Step::Route, _) => drop(self.users.insert(name)),
            _ => drop(self.channels.insert(name)),
        }
    }

    fn wants(&self, step: Step, name: &str) -> bool {
        match step {
            Step::Subscribe | Step::Unsubscribe => self.channels.contains(name),
            Step::Route | Step::Unroute => self.users.contains(name),
            Step::Enter | Step::Leave => self.present.contains_key(name),
        }
    }

    fn forget(&mut self, step: Step, changes: &[Change]) {
        for name in names(changes) {
            match step {
                Step::Unsubscribe => drop(self.channels.remove(name)),
                Step::Unroute => drop(self.users.remove(name)),
                Step::Leave => drop(self.present.remove(name)),
                Step::Subscribe | Step::Route | Step::Enter => {}
            }
        }
    }
}

fn names(changes: &[Change]) -> impl Iterator<Item = &Arc<str>> {
    changes.iter().map(|change| &change.wish.name)
}

/// Whether it is about what was asked; else the link is of no use.
fn is_about_names(error: &BusError) -> bool {
    matches!(error, BusError::Refused { .. } | BusError::Uncertain { .. })
}

/// Asks for some at once, or, if the broker does not take one of them, for one after the other. An error means that the link is of no
/// use any more.
async fn take(
    step: Step,
    wishes: &[Wish],
    registered: &Registered,
    untaken: &mut Vec<(Step, Wish)>,
) -> Result<(), BusError> {
    match tell(step, wishes, registered).await {
        Err(error) if is_about_names(&error) => {}
        outcome => return outcome,
    }
    for wish in wishes {
        match tell(step, std::slice::from_ref(wish), registered).await {
            Err(error) if is_about_names(&error) => untaken.push((step, wish.clone())),
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Tells the broker, which answers when it is done.
async fn tell(step: Step, wishes: &[Wish], registered: &Registered) -> Result<(), BusError> {
    if wishes.is_empty() {
        return Ok(());
    }
    let Registered { line, run } = registered;
    let names = || -> Vec<&str> { wishes.iter().map(|wish| &*wish.name).collect() };
    let users = || wishes.iter().filter_map(|wish| User::parse(&wish.name).ok()).collect();
    let op = match step {
        Step::Subscribe => return in_time(line.connection().subscribe(&names())).await,
        Step::Unsubscribe => return in_time(line.connection().unsubscribe(&names())).await,
        Step::Enter => {
            let here = wishes.iter().filter_map(|wish| wish.here.as_ref());
            return each(line, here.map(|here| here.enter(run))).await;
        }
        Step::Leave => {
            return each(line, wishes.iter().filter_map(|wish| Here::leave(&wish.name, run))).await;
        }
        Step::Route => Op::Route { run: run.clone(), users: users() },
        Step::Unroute => Op::Unroute { run: run.clone(), users: users() },
    };
    line.step(&op).await.map(drop)
}

/// Asks all of these at once, each of which is safe to ask again.
async fn each(line: &Line, ops: impl Iterator<Item = channel::Op>) -> Result<(), BusError> {
    try_join_all(ops.map(|op| async move { line.ask_channel(&op).await.map(drop) })).await.map(drop)
}

#[cfg(test)]
mod tests {
    use naru_ledger::{Epoch, Server};
    use tokio::join;

    use super::*;
    use crate::connection::Connection;
    use crate::event::Events;
    use crate::played::{self, hears, says};

    fn confirmed(kind: &str, channel: &str) -> String {
        format!(">3\r\n+{kind}\r\n${}\r\n{channel}\r\n:1\r\n", channel.len())
    }

    fn silent() -> Arc<Events> {
        Arc::new(Events::new(&Server::parse("s1").unwrap(), Box::new(|_| ())))
    }

    fn registered(connection: Connection) -> Registered {
        let run = Run { server: Server::parse("s1").unwrap(), epoch: Epoch::parse("r1").unwrap() };
        Registered { line: Line::native(connection), run }
    }

    fn asked<const N: usize>(
        step: Step,
        names: [&str; N],
    ) -> (Vec<Change>, [oneshot::Receiver<Result<(), BusError>>; N]) {
        let mut changes = Vec::new();
        let answers = names.map(|name| {
            let (change, answer) = Change::new(step, name);
            changes.push(change);
            answer
        });
        (changes, answers)
    }

    #[tokio::test]
    async fn a_batch_is_what_does_the_same_in_a_row() {
        let (sender, receiver) = mpsc::channel(16);
        let mut changes = Changes::new(receiver);
        for (step, name) in [
            (Step::Subscribe, "a"),
            (Step::Subscribe, "b"),
            (Step::Unsubscribe, "a"),
            (Step::Subscribe, "a"),
            (Step::Route, "a"),
        ] {
            sender.send(Change::new(step, name).0).await.unwrap();
        }
        let mut batches = Vec::new();
        for _ in 0..4 {
            let (step, batch) = changes.batch().await;
            batches.push((step, names(&batch).map(|name| &**name).collect::<Vec<_>>().join(" ")));
        }
        let expected =
            [(Step::Subscribe, "a b"), (Step::Unsubscribe, "a"), (Step::Subscribe, "a"), (Step::Route, "a")];
        assert_eq!(batches, expected.map(|(step, names)| (step, names.to_owned())));
    }

    #[tokio::test]
    async fn a_refused_name_does_not_cost_the_others_theirs() {
        let (connection, mut broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let (changes, [a, b]) = asked(Step::Subscribe, ["a", "b"]);
        let mut desired = Desired::default();
        let broker = async {
            assert_eq!(hears(&mut broker).await, "SUBSCRIBE a b");
            says(&mut broker, "-NOPERM not both\r\n").await;
            assert_eq!(hears(&mut broker).await, "SUBSCRIBE a");
            says(&mut broker, "-NOPERM not a\r\n").await;
            assert_eq!(hears(&mut broker).await, "SUBSCRIBE b");
            says(&mut broker, &confirmed("subscribe", "b")).await;
        };
        let (applied, ()) = join!(desired.apply(Step::Subscribe, changes, &registered), broker);
        applied.unwrap();
        let refused = BusError::Refused { code: "NOPERM".to_owned(), message: "not a".to_owned() };
        assert_eq!(a.await.unwrap(), Err(refused));
        assert_eq!(b.await.unwrap(), Ok(()));
        assert_eq!(desired.channels, HashSet::from(["b".into()]));
    }

    #[tokio::test]
    async fn what_was_given_up_before_it_was_asked_is_never_asked() {
        let (connection, _broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let (changes, answers) = asked(Step::Route, ["bob"]);
        drop(answers);
        let mut desired = Desired::default();
        desired.apply(Step::Route, changes, &registered).await.unwrap();
        assert!(desired.users.is_empty());
    }

    #[tokio::test]
    async fn what_was_given_up_while_it_was_asked_is_undone_unless_another_wants_it() {
        let (connection, mut broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let (changes, [a, again, b]) = asked(Step::Subscribe, ["a", "a", "b"]);
        let mut desired = Desired::default();
        let broker = async {
            assert_eq!(hears(&mut broker).await, "SUBSCRIBE a a b");
            drop((a, b));
            let confirmations = ["a", "a", "b"].map(|name| confirmed("subscribe", name)).concat();
            says(&mut broker, &confirmations).await;
            assert_eq!(hears(&mut broker).await, "UNSUBSCRIBE b");
            says(&mut broker, &confirmed("unsubscribe", "b")).await;
        };
        let (applied, ()) = join!(desired.apply(Step::Subscribe, changes, &registered), broker);
        applied.unwrap();
        assert_eq!(again.await.unwrap(), Ok(()));
        assert_eq!(desired.channels, HashSet::from(["a".into()]));
    }

    #[tokio::test]
    async fn a_link_lost_while_asking_leaves_additions_unwanted_and_removals_made() {
        let (connection, broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        drop(broker);
        let mut desired = Desired::default();
        desired.channels.insert("old".into());
        let (changes, [removed]) = asked(Step::Unsubscribe, ["old"]);
        let lost = desired.apply(Step::Unsubscribe, changes, &registered).await;
        assert_eq!(lost, Err(BusError::Unreachable));
        let (changes, [added]) = asked(Step::Subscribe, ["new"]);
        let lost = desired.apply(Step::Subscribe, changes, &registered).await;
        assert_eq!(lost, Err(BusError::Unreachable));
        assert!(desired.channels.is_empty());
        assert!(removed.await.is_err() && added.await.is_err());
    }

    #[tokio::test]
    async fn who_left_while_nobody_could_be_told_is_given_up_on_the_next_connection() {
        let (connection, mut broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let mut desired = Desired::default();
        desired.users.extend(["ann".into(), "bob".into(), "eve".into()]);
        let (changes, _answers) = asked(Step::Unroute, ["bob", "eve", "nobody"]);
        desired.refuse(Step::Unroute, changes);
        desired.users.insert("eve".into());
        let broker = async {
            assert_eq!(hears(&mut broker).await, "NARU.UNROUTE s1 r1 bob");
            says(&mut broker, "+OK\r\n").await;
            assert!(hears(&mut broker).await.starts_with("NARU.ROUTE s1 r1 "));
            says(&mut broker, "+OK\r\n").await;
        };
        let (restored, ()) = join!(desired.restore(&registered), broker);
        restored.unwrap();
        assert!(desired.left.is_empty());
    }

    #[tokio::test]
    async fn a_name_that_is_not_taken_any_more_costs_the_others_nothing_and_is_asked_for_again() {
        let (connection, mut broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let mut desired = Desired::default();
        desired.users.extend(["ann".into(), "bob".into()]);
        desired.channels.insert("room".into());
        let broker = async {
            assert!(hears(&mut broker).await.starts_with("NARU.ROUTE s1 r1 "));
            says(&mut broker, "-OOM no memory\r\n").await;
            for _ in 0..2 {
                let is_bob = hears(&mut broker).await == "NARU.ROUTE s1 r1 bob";
                says(&mut broker, if is_bob { "-OOM no memory\r\n" } else { "+OK\r\n" }).await;
            }
            assert_eq!(hears(&mut broker).await, "SUBSCRIBE room");
            says(&mut broker, &confirmed("subscribe", "room")).await;
            assert_eq!(hears(&mut broker).await, "NARU.ROUTE s1 r1 bob");
            says(&mut broker, "+OK\r\n").await;
        };
        let restored = async {
            desired.restore(&registered).await.unwrap();
            assert_eq!(desired.untaken.len(), 1);
            desired.again(&registered).await.unwrap();
            assert!(desired.untaken.is_empty());
        };
        join!(restored, broker);
    }

    #[tokio::test]
    async fn who_is_present_is_said_again_where_it_would_be_forgotten() {
        let (connection, mut broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let mut desired = Desired { present_at: Some(Instant::now()), ..Desired::default() };
        let here = Here::of("room", "c");
        desired.present.insert("room\0c".into(), Arc::new(here));
        let broker = async {
            assert!(hears(&mut broker).await.starts_with("NARU.CHANNEL.ENTER s1 r1 room c"));
            says(&mut broker, "+OK\r\n").await;
        };
        let again = async {
            desired.until_again().await;
            desired.again(&registered).await.unwrap();
        };
        join!(again, broker);
        assert!(desired.untaken.is_empty());
        assert!(desired.present_at.unwrap() > Instant::now(), "not at once again");
    }

    #[tokio::test]
    async fn a_new_connection_is_asked_for_512_names_at_a_time() {
        let (connection, mut broker) = played::connection(&silent()).await;
        let registered = registered(connection);
        let mut desired = Desired::default();
        desired.users.extend((0..1100).map(|user| Arc::from(user.to_string())));
        desired.channels.insert("room".into());
        let broker = async {
            for names in [512, 512, 76] {
                let command = hears(&mut broker).await;
                assert!(command.starts_with("NARU.ROUTE s1 r1 "));
                assert_eq!(command.split(' ').count(), 3 + names);
                says(&mut broker, "+OK\r\n").await;
            }
            assert_eq!(hears(&mut broker).await, "SUBSCRIBE room");
            says(&mut broker, &confirmed("subscribe", "room")).await;
        };
        let (restored, ()) = join!(desired.restore(&registered), broker);
        restored.unwrap();
    }
}
