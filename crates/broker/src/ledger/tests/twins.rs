use naru_ledger::answer::{Answer, Entry, Refused};
use naru_ledger::op::{From, History, What};
use naru_ledger::testing::{Event, epoch, model};
use naru_ledger::{ClientId, Conversation as Name, Device, Limits, Millis, Model, Op, Seq, Useq, User};
use proptest::sample::Index;

use super::super::{Head, IdKey, Ledger, LedgerChange, Subject, Undecided};
use super::bodies::Kept;
use crate::numbered::Number;

/// A record: the changes of one operation as they are written, and where it begins.
type Record = (u64, Vec<u8>);

/// The model and the native ledger, to which the same happens.
pub(super) struct Twins {
    model: Model,
    native: Ledger,
    /// Made of the records alone, one behind the other: the native ledger at each prefix of them.
    follower: Ledger,
    kept: Kept,
    records: Vec<Record>,
    /// What there is if the rest is lost: the model, the number of records, and the bodies.
    saved: (Model, usize, Kept),
    checkpoint: Checkpoint,
    limits: Limits,
    now: Millis,
}

/// A checkpoint: each part is as it was when so many records had been made.
#[derive(Default)]
struct Checkpoint {
    head: Option<(usize, Vec<u8>)>,
    conversations: Option<Piece>,
    people: Option<Piece>,
}

type Piece = (usize, Vec<(Number, Vec<u8>)>);

fn head() -> Head {
    Head::new(epoch(), IdKey::new([7; 16]))
}

impl Twins {
    pub(super) fn new(limits: Limits) -> Twins {
        let model = model(limits.clone());
        Twins {
            native: Ledger::new(head()),
            follower: Ledger::new(head()),
            kept: Kept::default(),
            records: Vec::new(),
            saved: (model.clone(), 0, Kept::default()),
            checkpoint: Checkpoint::default(),
            model,
            limits,
            now: Millis(0),
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match event {
            Event::Asked(op, now) => self.ask(op, *now),
            Event::Raised(generation) => {
                self.model.raise(*generation);
                self.make(vec![LedgerChange::Raised(*generation)]);
            }
            Event::Restarted => {
                self.model.restart();
                self.restart();
            }
            Event::Saved => self.saved = (self.model.clone(), self.records.len(), self.kept.clone()),
            Event::Lost => {
                let (model, records, kept) = &self.saved;
                (self.model, self.kept) = (model.clone(), kept.clone());
                self.records.truncate(*records);
                let is_lost = |at: Option<usize>| at.is_some_and(|at| at > *records);
                let Checkpoint { head, conversations, people } = &self.checkpoint;
                let ats = [
                    head.as_ref().map(|(at, _)| *at),
                    conversations.as_ref().map(|(at, _)| *at),
                    people.as_ref().map(|(at, _)| *at),
                ];
                if ats.into_iter().any(is_lost) {
                    self.checkpoint = Checkpoint::default();
                }
                self.restart();
                self.follower = self.load(&Checkpoint::default());
            }
        }
    }

    /// Other limits from here on.
    pub(super) fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    fn ask(&mut self, op: &Op, now: Millis) {
        self.now = now;
        let mut limits = self.limits.clone();
        if matches!(op, Op::Sweep(_)) {
            // Of those that began to wait in the same millisecond any comes first, and the rest depends on which are left out.
            limits.page_entries_max = limits.page_entries_max.max(1000);
        }
        self.model.limit(limits.clone());
        let wanted = self.model.run(op, now);
        let decided = match self.native.decide(op, now, &limits, &mut self.kept) {
            Ok(decided) => Ok(decided),
            Err(Undecided::Refused(refused)) => Err(refused),
            Err(undecided) => panic!("{undecided:?} for {op:?}"),
        };
        let given = decided.map(|decided| {
            self.make(decided.changes);
            decided.answer
        });
        assert_eq!(in_order(given), in_order(wanted), "{op:?}");
    }

    /// Records changes and makes them.
    fn make(&mut self, mut changes: Vec<LedgerChange>) {
        if changes.is_empty() {
            return;
        }
        let address = self.kept.record(&mut changes);
        let written = postcard::to_stdvec(&changes).unwrap();
        self.records.push((address, written));
        for change in changes {
            let Twins { native, kept, .. } = self;
            native.apply(change, address, &mut |place| kept.free(place)).unwrap();
        }
        let last = self.records.last().unwrap();
        follow(&mut self.follower, last, |_| true);
        assert_same(&self.native, &self.follower);
    }

    /// Each of the three parts of a checkpoint is taken on its own, the head first.
    pub(super) fn take_piece(&mut self) {
        let at = self.records.len();
        let Checkpoint { head, conversations, people } = &mut self.checkpoint;
        if head.is_none() {
            *head = Some((at, postcard::to_stdvec(self.native.head()).unwrap()));
        } else if conversations.is_none() {
            let all = self.native.conversations().iter();
            let all = all.map(|(number, one)| (number, postcard::to_stdvec(one).unwrap()));
            *conversations = Some((at, all.collect()));
        } else if people.is_none() {
            let all = self.native.people().iter();
            *people =
                Some((at, all.map(|(number, one)| (number, postcard::to_stdvec(one).unwrap())).collect()));
        } else {
            self.checkpoint = Checkpoint::default();
        }
    }

    /// The native ledger is taken back in, from the checkpoint if there is one.
    fn restart(&mut self) {
        let is_complete = self.checkpoint.people.is_some();
        let none = Checkpoint::default();
        self.native = self.load(if is_complete { &self.checkpoint } else { &none });
    }

    fn load(&self, checkpoint: &Checkpoint) -> Ledger {
        let mut native = Ledger::new(head());
        let Checkpoint { head, conversations, people } = checkpoint;
        let head_known = head.as_ref().map_or(0, |(at, bytes)| {
            native.put_head(postcard::from_bytes(bytes).unwrap());
            *at
        });
        let (conversations_known, conversations) =
            conversations.as_ref().map_or((0, &[][..]), |(at, all)| (*at, all));
        for (number, bytes) in conversations {
            native.put_conversation(*number, postcard::from_bytes(bytes).unwrap()).unwrap();
        }
        let (people_known, people) = people.as_ref().map_or((0, &[][..]), |(at, all)| (*at, all));
        for (number, bytes) in people {
            native.put_person(*number, postcard::from_bytes(bytes).unwrap()).unwrap();
        }
        for (at, record) in self.records.iter().enumerate().skip(head_known) {
            let is_new = |subject| match subject {
                Subject::Head => true,
                Subject::Conversation(number) => {
                    at >= conversations_known || number.index() >= conversations.len()
                }
                Subject::Person(number) => at >= people_known || number.index() >= people.len(),
                Subject::People => true,
            };
            follow(&mut native, record, is_new);
        }
        native.check().unwrap();
        native
    }

    /// Asks both at the moment of the last.
    pub(super) fn ask_now(&mut self, op: &Op) {
        self.ask(op, self.now);
    }

    /// All conversations.
    fn names(&self) -> Vec<Name> {
        self.native.conversations().iter().map(|(_, conversation)| conversation.id()).collect()
    }

    /// One of the conversations.
    pub(super) fn place(&self, index: &Index) -> Option<Name> {
        let names = self.names();
        (!names.is_empty()).then(|| index.get(&names).clone())
    }

    /// One of the entries of one of the conversations.
    pub(super) fn entry(&mut self, place: &Index, which: &Index) -> Option<Entry> {
        let conversation = self.place(place)?;
        let from = From::After(Seq::ZERO);
        let history = History { conversation, reader: None, from, limit: 1000, bytes: None };
        self.model.limit(Limits::default());
        let Ok(Answer::Page(page)) = self.model.run(&Op::History(history), self.now) else { panic!() };
        (!page.entries.is_empty()).then(|| which.get(&page.entries).clone())
    }

    /// Asks both what they say of everything that is about these.
    pub(super) fn look(&mut self, users: &[User]) {
        assert_eq!(self.native.totals(), self.native.counted(), "what is counted with each change");
        let even = self.records.len().is_multiple_of(2);
        for user in users {
            self.ask_now(&Op::Conversations { user: user.clone(), before: None, limit: 3 });
            let middle = Useq(if even { 5 } else { 2 });
            self.ask_now(&Op::Conversations { user: user.clone(), before: Some(middle), limit: 100 });
            for device in ["default", "phone", "new"] {
                let (user, device) = (user.clone(), Device::parse(device).unwrap());
                self.ask_now(&Op::Changed { user, device, after: middle, limit: 4 });
            }
        }
        for conversation in self.names() {
            for user in users {
                self.ask_now(&Op::Standing { user: user.clone(), conversation: conversation.clone() });
                for id in ["m1", "r1", "e1"] {
                    let what = What::Sent { sender: user.clone(), client_id: ClientId::parse(id).unwrap() };
                    self.ask_now(&Op::Trace { conversation: conversation.clone(), what });
                }
            }
            let (members, after) = (conversation.clone(), users.first().cloned());
            self.ask_now(&Op::Members { conversation: members.clone(), after: None, limit: 2 });
            self.ask_now(&Op::Members { conversation: members, after, limit: 9 });
            let reader = if even { None } else { users.first().cloned() };
            for (from, bytes) in [
                (From::Newest, None),
                (From::Newest, Some(20)),
                (From::Before(Seq(5)), None),
                (From::After(Seq(2)), Some(20)),
                (From::After(Seq(0)), None),
            ] {
                let (conversation, reader) = (conversation.clone(), reader.clone());
                self.ask_now(&Op::History(History { conversation, reader, from, limit: 7, bytes }));
            }
        }
    }

    /// Bodies are there as long as something refers to them, and it is known what does.
    pub(super) fn check_bodies(&self) {
        let conversations = self.native.conversations().iter();
        let mut places: Vec<_> = conversations
            .flat_map(|(_, conversation)| conversation.references(Seq::ZERO).map(|(_, place)| place))
            .collect();
        places.sort_by_key(|place| place.address);
        assert_eq!(places, self.kept.places());
    }
}

/// Makes the changes of a record again, but for what is known already.
fn follow(native: &mut Ledger, (address, written): &Record, is_new: impl Fn(Subject) -> bool) {
    let changes: Vec<LedgerChange> = postcard::from_bytes(written).unwrap();
    for mut change in changes {
        if is_new(change.subject()) {
            change.retain_reached(|person| is_new(Subject::Person(person)));
            native.apply(change, *address, &mut |_| {}).unwrap();
        }
    }
}

fn assert_same(one: &Ledger, other: &Ledger) {
    assert_eq!(one.head(), other.head());
    assert!(one.conversations().iter().eq(other.conversations().iter()));
    assert!(one.people().iter().eq(other.people().iter()));
    assert_eq!(one.waiting, other.waiting);
}

/// Fan-outs that began to wait in the same millisecond come in any order.
fn in_order(answer: Result<Answer, Refused>) -> Result<Answer, Refused> {
    answer.map(|answer| match answer {
        Answer::Open(mut open) => {
            open.sort_by(|one, other| one.conversation.cmp(&other.conversation));
            Answer::Open(open)
        }
        other => other,
    })
}
