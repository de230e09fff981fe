//! Rooms of many members, which their members follow by the room's channel.
//!
//! The server subscribes the client to a channel of the room's own name. What is said there is live: a client that does not
//! keep up misses it, and is told how far the room has come as soon as it does, as it is after it was away. It reads what it
//! wants of the rest.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use ahash::RandomState;
use futures_util::{StreamExt, TryStreamExt, stream};
use naru_bus::BusError;
use naru_fanout::Publication as _;
use naru_ledger::{Conversation, Seq, answer::Followed};

use super::{Session, topic};
use crate::{
    codes::Unsubscribed,
    interests::{Hold, Interest},
    limits::{FOLLOWS_AT_ONCE, PAUSE_BYTES},
    protocol::{
        data::{Counts, MarkData},
        json, message,
        push::Push,
    },
    publication::Publication,
};

/// The rooms a client follows by their channels.
#[derive(Default)]
pub(super) struct Rooms(RefCell<HashMap<Conversation, Room, RandomState>>);

struct Room {
    /// Keeps this server subscribed to it.
    _hold: Hold,
    /// How many of its messages are read.
    read: Cell<u64>,
    /// The newest entry the client has been told of, once it has.
    told: Cell<Option<Seq>>,
    /// It may have come further than the client has been told.
    is_behind: Cell<bool>,
}

impl Room {
    fn tell(&self, seq: Seq) {
        self.told.set(self.told.get().max(Some(seq)));
    }
}

impl Rooms {
    /// What was said in them meanwhile was not heard.
    pub(super) fn all_behind(&self) {
        self.0.borrow().values().for_each(|room| room.is_behind.set(true));
    }

    /// What was said last in one of them may not have been heard. Another one at each call: a look costs a question.
    pub(super) fn one_behind(&self) {
        let rooms = self.0.borrow();
        if rooms.is_empty() {
            return;
        }
        let random = getrandom::u32().unwrap_or_default() as usize;
        if let Some(room) = rooms.values().nth(random % rooms.len()) {
            room.is_behind.set(true);
        }
    }

    /// Takes one that is behind.
    fn take_behind(&self) -> Option<(Conversation, u64)> {
        let rooms = self.0.borrow();
        let (room, behind) = rooms.iter().find(|(_, room)| room.is_behind.take())?;
        Some((room.clone(), behind.read.get()))
    }

    fn with(&self, conversation: &[u8], then: impl FnOnce(&Room)) {
        let rooms = self.0.borrow();
        if let Some((_, room)) = rooms.iter().find(|(room, _)| room.as_str().as_bytes() == conversation) {
            then(room);
        }
    }
}

impl Session {
    /// Makes sure that this server hears the rooms a client that connects follows.
    pub(super) async fn hold_rooms(
        &self,
        followed: &[Followed],
    ) -> Result<BTreeMap<Conversation, (Hold, u64)>, BusError> {
        let known: Vec<&Followed> = {
            let rooms = self.rooms.0.borrow();
            followed.iter().filter(|one| !rooms.contains_key(&one.conversation)).collect()
        };
        let holds = known.into_iter().map(async |Followed { conversation, read }| {
            let hold = self.shared().interests.hold(Interest::Room(conversation.clone())).await?;
            Ok((conversation.clone(), (hold, *read)))
        });
        stream::iter(holds).buffer_unordered(FOLLOWS_AT_ONCE).try_collect().await
    }

    /// Subscribes the client to them.
    pub(super) fn enter_rooms(self: &Rc<Self>, holds: BTreeMap<Conversation, (Hold, u64)>) {
        for (conversation, (hold, read)) in holds {
            self.core.subscribe(self.id, topic(conversation.as_str()));
            let room = Room {
                _hold: hold,
                read: Cell::new(read),
                told: Cell::default(),
                is_behind: Cell::new(true),
            };
            self.rooms.0.borrow_mut().insert(conversation, room);
        }
    }

    /// Subscribes the client to those it does not follow yet, and ends what it does not follow any more.
    pub(super) async fn follow(self: &Rc<Self>, followed: &[Followed]) -> Result<(), BusError> {
        let mut left: Vec<Conversation> = Vec::new();
        {
            let rooms = self.rooms.0.borrow();
            if rooms.is_empty() && followed.is_empty() {
                return Ok(());
            }
            let now: HashMap<&Conversation, u64, RandomState> =
                followed.iter().map(|one| (&one.conversation, one.read)).collect();
            for (conversation, room) in &*rooms {
                match now.get(conversation) {
                    Some(read) => room.read.set(*read),
                    None => left.push(conversation.clone()),
                }
            }
        }
        let holds = self.hold_rooms(followed).await?;
        for conversation in left {
            self.leave_room(&conversation);
            self.send(&Push::unsubscribe(conversation.as_str(), Unsubscribed::Server).into());
        }
        for conversation in holds.keys() {
            self.send(&Push::subscribe(conversation.as_str()).into());
        }
        self.enter_rooms(holds);
        Ok(())
    }

    fn leave_room(self: &Rc<Self>, conversation: &Conversation) {
        self.core.unsubscribe(self.id, topic(conversation.as_str()));
        self.rooms.0.borrow_mut().remove(conversation);
    }

    pub(super) fn leave_rooms(self: &Rc<Self>) {
        for conversation in self.rooms.0.take().into_keys() {
            self.core.unsubscribe(self.id, topic(conversation.as_str()));
        }
    }

    /// Something that has just been said in a room; without a frame it is too large for that.
    pub(super) fn deliver_room(&self, seq: Seq, publication: &Publication) {
        if self.link.queued() <= PAUSE_BYTES
            && let Some(frame) = publication.frame(self.flavour)
        {
            // Before it is told how far the room is, a newer one would hide that something was missed.
            self.rooms.with(publication.channel(), |room| {
                if room.told.get().is_some() {
                    room.tell(seq);
                }
            });
            return self.ended_if(self.link.deliver(|writer| writer.share(frame)));
        }
        self.rooms.with(publication.channel(), |room| room.is_behind.set(true));
        self.look_soon();
    }

    /// Tells the client how far a room has come of which it has missed something; answers whether there was one.
    pub(super) async fn push_head(&self) -> Result<bool, BusError> {
        let Some((conversation, read)) = self.rooms.take_behind() else { return Ok(false) };
        match self.newest(&conversation).await {
            Ok(newest) => {
                let (seq, count) = newest.map_or((Seq::ZERO, 0), |entry| (entry.seq, entry.count));
                // A newer one may have been pushed meanwhile, and then this would take back what is unread.
                let mut is_news = false;
                self.rooms.with(conversation.as_str().as_bytes(), |room| {
                    is_news = room.told.get().is_none_or(|told| told < seq);
                    room.tell(seq);
                });
                if !is_news {
                    return Ok(true);
                }
                let mark = MarkData::head(&conversation, seq, Counts::new(count, read, 0));
                let head = message::Publication { data: json::payload_of(&mark), ..Default::default() };
                self.send(&Push::publication(conversation.as_str(), head).into());
                Ok(true)
            }
            Err(error) => {
                self.rooms.with(conversation.as_str().as_bytes(), |room| room.is_behind.set(true));
                Err(error)
            }
        }
    }
}
