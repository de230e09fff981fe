//! Rooms of many members, which their members follow by the room's channel.
//!
//! The server subscribes the client to a channel of the room's own name. What is said there is live: a client that does not
//! keep up misses it, and is told how far the room has come as soon as it does, as it is after it was away. It reads what it
//! wants of the rest.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use ahash::RandomState;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use naru_bus::BusError;
use naru_fanout::Publication as _;
use naru_ledger::{Conversation, Seq, answer::Followed};
use tokio::time::Instant;

use super::{Session, topic};
use crate::{
    codes::Unsubscribed,
    departed::Turn,
    heads::Head,
    keyed::Keyed,
    limits::{FOLLOWS_AT_ONCE, PAUSE_BYTES},
    protocol::{
        data::{Counts, MarkData},
        json, message,
        push::Push,
    },
    publication::Publication,
};

/// The rooms a client follows by their channels. Made with the first: most follow none.
#[derive(Default)]
pub(super) struct Rooms(OnceCell<Box<Following>>);

#[derive(Default)]
struct Following {
    /// By the name of the channel.
    all: RefCell<HashMap<Bytes, Room, Keyed>>,
    /// Those that are behind, each once.
    behind: RefCell<VecDeque<Bytes>>,
}

struct Room {
    /// How far it is, for all of this server. Keeps it subscribed.
    head: Arc<Head>,
    /// How many of its messages are read.
    read: Cell<u64>,
    /// The newest entry the client has been told of, once it has.
    told: Cell<Option<Seq>>,
    /// It may have come further than the client has been told: a look that is not older than this says so.
    behind: Cell<Option<Instant>>,
    part: Cell<Part>,
    /// The entry that last said so.
    turned: Cell<Seq>,
}

/// Whether the user takes part in a room, by what was heard there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Takes,
    /// They have left: the client gets nothing more of it, also while their inbox does not say so yet.
    Left,
    /// The same; but the link to the broker was lost since, so they may have come back: their inbox says so.
    MayBeBack,
}

impl Room {
    fn tell(&self, seq: Seq) {
        self.told.set(self.told.get().max(Some(seq)));
    }

    fn is_heard(&self) -> bool {
        self.part.get() == Part::Takes
    }

    /// The user comes or goes by an entry; whether the client is to hear that. What is told again, or late, says nothing.
    fn turn(&self, seq: Seq, leaves: bool) -> bool {
        let was_heard = self.is_heard();
        if seq <= self.turned.replace(self.turned.get().max(seq)) {
            return was_heard;
        }
        self.part.set(if leaves { Part::Left } else { Part::Takes });
        was_heard || self.is_heard()
    }
}

impl Rooms {
    /// What was said in them meanwhile was not heard.
    pub(super) fn all_behind(&self, since: Instant) {
        let Some(rooms) = self.0.get() else { return };
        for (name, room) in &*rooms.all.borrow() {
            if !room.is_heard() {
                room.part.set(Part::MayBeBack);
            }
            rooms.is_behind(name, room, since);
        }
    }

    /// What was said last in one of them may not have been heard. Another one at each call.
    pub(super) fn one_behind(&self, since: Instant) {
        let Some(rooms) = self.0.get() else { return };
        let all = rooms.all.borrow();
        if all.is_empty() {
            return;
        }
        let random = getrandom::u32().unwrap_or_default() as usize;
        if let Some((name, room)) = all.iter().nth(random % all.len()) {
            rooms.is_behind(name, room, since);
        }
    }

    fn is_behind(&self, name: &Bytes, room: &Room, since: Instant) {
        self.0.get_or_init(Box::default).is_behind(name, room, since);
    }

    /// Takes one that is behind.
    fn take_behind(&self) -> Option<Behind> {
        self.0.get()?.take_behind()
    }

    fn with(&self, name: &[u8], then: impl FnOnce(&Bytes, &Room)) {
        let Some(rooms) = self.0.get() else { return };
        let all = rooms.all.borrow();
        if let Some((name, room)) = all.get_key_value(name) {
            then(name, room);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.get().is_none_or(|rooms| rooms.all.borrow().is_empty())
    }

    fn has(&self, room: &Conversation) -> bool {
        self.0.get().is_some_and(|rooms| rooms.all.borrow().contains_key(room.as_str().as_bytes()))
    }

    fn insert(&self, name: Bytes, room: Room) {
        self.0.get_or_init(Box::default).all.borrow_mut().insert(name, room);
    }

    fn remove(&self, name: &[u8]) {
        let Some(rooms) = self.0.get() else { return };
        rooms.all.borrow_mut().remove(name);
        rooms.behind.borrow_mut().retain(|behind| behind != name);
    }

    /// Shows each.
    fn each(&self, look: impl FnMut(&Room)) {
        if let Some(rooms) = self.0.get() {
            rooms.all.borrow().values().for_each(look);
        }
    }

    fn take(&self) -> Vec<Room> {
        self.0.get().map(|rooms| rooms.all.take().into_values().collect()).unwrap_or_default()
    }
}

impl Following {
    fn is_behind(&self, name: &Bytes, room: &Room, since: Instant) {
        if room.behind.replace(room.behind.get().max(Some(since))).is_none() {
            self.behind.borrow_mut().push_back(name.clone());
        }
    }

    fn take_behind(&self) -> Option<Behind> {
        let rooms = self.all.borrow();
        loop {
            let name = self.behind.borrow_mut().pop_front()?;
            if let Some(room) = rooms.get(&name)
                && let Some(since) = room.behind.take()
            {
                return Some(Behind { name, head: room.head.clone(), since });
            }
        }
    }
}

/// A room that is behind.
struct Behind {
    name: Bytes,
    head: Arc<Head>,
    since: Instant,
}

/// Rooms that this server hears, and how many of their messages are read.
pub(super) type Held = BTreeMap<Conversation, (Arc<Head>, u64)>;

impl Session {
    /// Makes sure that this server hears the rooms a client that connects follows.
    pub(super) async fn hold_rooms(&self, followed: &[Followed]) -> Result<Held, BusError> {
        let unknown = followed.iter().filter(|one| !self.rooms.has(&one.conversation));
        let unknown: Vec<&Followed> = unknown.collect();
        let holds = unknown.into_iter().map(async |Followed { conversation, read }| {
            let head = self.shared().heads.follow(conversation).await?;
            Ok((conversation.clone(), (head, *read)))
        });
        stream::iter(holds).buffer_unordered(FOLLOWS_AT_ONCE).try_collect().await
    }

    /// Subscribes the client to them.
    pub(super) fn enter_rooms(self: &Rc<Self>, held: Held) {
        for (conversation, (head, read)) in held {
            let room = Room {
                head: head.clone(),
                read: Cell::new(read),
                told: Cell::default(),
                behind: Cell::default(),
                part: Cell::default(),
                turned: Cell::default(),
            };
            let name = Bytes::copy_from_slice(conversation.as_str().as_bytes());
            self.rooms.is_behind(&name, &room, self.shared().heads.since());
            self.rooms.insert(name.clone(), room);
            self.core.subscribe(self.id, topic(conversation.as_str()));
            // Between what said that they follow it, and this.
            if let Some(seq) = head.left(&self.member().user) {
                self.rooms.with(&name, |_, room| {
                    room.turn(seq, true);
                });
            }
        }
    }

    /// Subscribes the client to those it does not follow yet, and ends what it does not follow any more.
    pub(super) async fn follow(self: &Rc<Self>, followed: &[Followed]) -> Result<(), BusError> {
        let mut left: Vec<Conversation> = Vec::new();
        if followed.is_empty() && self.rooms.is_empty() {
            return Ok(());
        }
        let now: HashMap<&Conversation, u64, RandomState> =
            followed.iter().map(|one| (&one.conversation, one.read)).collect();
        self.rooms.each(|room| match now.get(room.head.conversation()) {
            Some(read) => {
                room.read.set(*read);
                if room.part.get() == Part::MayBeBack {
                    room.part.set(Part::Takes);
                }
            }
            None => left.push(room.head.conversation().clone()),
        });
        let held = self.hold_rooms(followed).await?;
        for conversation in left {
            self.leave_room(&conversation);
            self.send(&Push::unsubscribe(conversation.as_str(), Unsubscribed::Server).into());
        }
        for conversation in held.keys() {
            self.send(&Push::subscribe(conversation.as_str()).into());
        }
        self.enter_rooms(held);
        Ok(())
    }

    fn leave_room(self: &Rc<Self>, conversation: &Conversation) {
        self.core.unsubscribe(self.id, topic(conversation.as_str()));
        let name = conversation.as_str().as_bytes();
        self.rooms.remove(name);
    }

    pub(super) fn leave_rooms(self: &Rc<Self>) {
        for room in self.rooms.take() {
            self.core.unsubscribe(self.id, topic(room.head.conversation().as_str()));
        }
    }

    /// The link to the broker was lost: rooms may have come further.
    pub(super) fn rooms_behind(&self) {
        self.rooms.all_behind(self.shared().heads.since());
    }

    /// Something may have been told and got lost.
    pub(super) fn some_room_behind(&self) {
        self.rooms.one_behind(self.shared().heads.since());
    }

    /// Something that has just been said in a room; without a frame it is too large for that. Who leaves with it hears nothing after
    /// that: what is said in a room is heard in the order of its log.
    pub(super) fn deliver_room(&self, seq: Seq, turn: Option<&Turn>, publication: &Publication) {
        let own = turn.filter(|turn| self.signed_in().is_some_and(|member| member.user == turn.user));
        let mut is_heard = false;
        self.rooms.with(publication.channel(), |_, room| {
            is_heard = own.map_or_else(|| room.is_heard(), |turn| room.turn(seq, turn.leaves));
        });
        if !is_heard {
            return;
        }
        if self.link.queued() <= PAUSE_BYTES
            && let Some(frame) = publication.frame(self.flavour)
        {
            // Before it is told how far the room is, a newer one would hide that something was missed.
            self.rooms.with(publication.channel(), |_, room| {
                if room.told.get().is_some() {
                    room.tell(seq);
                }
            });
            return self.spread(frame);
        }
        let since = self.shared().heads.since();
        self.rooms.with(publication.channel(), |name, room| self.rooms.is_behind(name, room, since));
        self.look_soon();
    }

    /// Tells the client how far a room has come of which it has missed something; answers whether there was one.
    pub(super) async fn push_head(&self) -> Result<bool, BusError> {
        let Some(Behind { name, head, since }) = self.rooms.take_behind() else { return Ok(false) };
        let newest = head.newest(since).await;
        let newest = newest.inspect_err(|_| {
            self.rooms.with(&name, |name, room| self.rooms.is_behind(name, room, since));
        })?;
        let mut news = None;
        self.rooms.with(&name, |_, room| {
            if !room.is_heard() {
                return;
            }
            // A newer one may have been pushed meanwhile, and then this would take back what is unread.
            if room.told.get().is_none_or(|told| told < newest.seq) {
                news = Some(room.read.get());
            }
            room.tell(newest.seq);
        });
        if let Some(read) = news {
            let conversation = head.conversation();
            let mark = MarkData::head(conversation, newest.seq, Counts::new(newest.count, read, 0));
            let head = message::Publication { data: json::payload_of(&mark), ..Default::default() };
            self.send(&Push::publication(conversation.as_str(), head).into());
        }
        Ok(true)
    }
}
