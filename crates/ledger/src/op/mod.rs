//! What can be asked of a ledger, whichever store keeps it.
//!
//! Each operation is one atomic step and safe to repeat: what it changed the first time it does not change the second. The
//! documentation of each has the command, which is the same for Naru's broker and, as the arguments of a script, for
//! Redis and Valkey; the one of its [`Answer`] has the answer's array. Those marked with (c) touch one conversation,
//! those with (u) one user (or several users, each on their own): one slot of a cluster.
//!
//! Numbers are decimal. Seq and useq begin at 1, and 0 is before the first. Moments are milliseconds since 1970.
//!
//! [`Answer`]: crate::Answer

mod append;
mod inbox;
mod members;
mod reading;
mod routes;

pub use append::{Append, Delete, Deliver, Edit, Recipient, Said, Sweep};
pub use inbox::{Ack, Read, Resume, Within};
pub use members::{Change, Membership};
pub use reading::{From, History, What};
pub use routes::{Run, ServerIs};

use crate::{Conversation, Device, Seq, Useq, User};

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// (c) Gives what is said its place in the conversation's log, and leaves it open until it is
    /// [done](Op::Done).
    ///
    /// `NARU.APPEND conversation sender client-id body [KIND message|reaction|system] [TARGET seq] [MENTION n user …]
    /// [LEVEL memory|fsync|replica]` → [`Appended`](crate::answer::Appended)
    Append(Append),
    /// (c) Appends that a message reads differently from now on.
    ///
    /// `NARU.EDIT conversation sender client-id target body [LEVEL l]` → [`Appended`](crate::answer::Appended)
    Edit(Edit),
    /// (c) Appends that what an entry said is gone, and removes it.
    ///
    /// `NARU.DELETE conversation sender client-id target [LEVEL l]` → [`Appended`](crate::answer::Appended)
    Delete(Delete),
    /// (u) Sees to it that an entry has come into inboxes.
    ///
    /// `NARU.DELIVER conversation seq count sender USERS n user … [MENTIONED n user …] [KIND k] [MODE m]` → array of
    /// [`Delivered`](crate::answer::Delivered), in the order of the users; only those for whom it changed something
    Deliver(Deliver),
    /// (c) One entry has come into all inboxes it is for: it is not open any more.
    ///
    /// `NARU.DONE conversation seq` → integer: everything up to here is fanned out
    Done {
        /// Whose log.
        conversation: Conversation,
        /// Which entry. One that was done before, or has been trimmed, is done already; one beyond the head is refused.
        seq: Seq,
    },
    /// Append, then deliver to all it is for and done, in one step; a repeat finishes what was begun. Naru's broker only:
    /// on others the bus takes the three.
    ///
    /// `NARU.SEND` with the arguments of `NARU.APPEND` → [`Appended`](crate::answer::Appended)
    Send(Append),
    /// (c, each partition on its own) Looks for conversations with open entries, and leases them to a server.
    ///
    /// `NARU.SWEEP server older-than-ms limit lease-ms` → array of [`Open`](crate::answer::Open), the longest waiting first
    Sweep(Sweep),
    /// (u) What a device that comes back has to be told. Registers the device, and notes that it was there.
    ///
    /// `NARU.RESUME user device epoch offset limit`, with an empty epoch for no position →
    /// [`Resumed`](crate::answer::Resumed)
    Resume(Resume),
    /// (u) The conversations that changed after a useq, in the order of their last change: a page can be gone on from at
    /// the useq of its last row. For a device that is far behind, beginning at its cursor.
    ///
    /// `NARU.CHANGED user device after limit` → [`Rows`](crate::answer::Rows)
    Changed {
        /// Whose index.
        user: User,
        /// For whom `from` of the rows is said. It need not be known.
        device: Device,
        /// Only what changed after this.
        after: Useq,
        /// Rows at most; taken as 1 to `page_entries_max`.
        limit: usize,
    },
    /// (u) A user's conversations, the one that changed last first.
    ///
    /// `NARU.CONVERSATIONS user before limit` → [`Rows`](crate::answer::Rows)
    Conversations {
        /// Whose index.
        user: User,
        /// Only what changed before this; none from the newest on, which is 0 in the command.
        before: Option<Useq>,
        /// Rows at most; taken as 1 to `page_entries_max`.
        limit: usize,
    },
    /// (u) A device has what came up to a useq, and will not be told again.
    ///
    /// `NARU.ACK user device offset [WITHIN conversation seq]` → integer: the cursor
    Ack(Ack),
    /// (u) A user has read a conversation up to a message.
    ///
    /// `NARU.READ user conversation seq count` → [`Unread`](crate::answer::Unread)
    Read(Read),
    /// (c) Keeps for the others how far a user has read: receipts. Never back, at most to the head; not kept in
    /// broadcast mode.
    ///
    /// `NARU.MARK conversation user seq` → integer: the mark, 0 if there is none
    Mark {
        /// Which conversation. Refused to those who take no part.
        conversation: Conversation,
        /// Who has read.
        user: User,
        /// Up to here.
        seq: Seq,
    },
    /// (c) A page of a log.
    ///
    /// `NARU.HISTORY conversation user BEFORE|AFTER seq limit [bytes]` → [`Page`](crate::answer::Page)
    History(History),
    /// (c) Changes who takes part in a room.
    ///
    /// `NARU.MAKE room user`, `NARU.JOIN room user role`, `NARU.LEAVE room user`, `NARU.ROLE room user role` →
    /// [`Changed`](crate::answer::Changed)
    Membership(Membership),
    /// (c) Who takes part, in byte order. For a direct conversation its two, or one, with the role `member`.
    ///
    /// `NARU.MEMBERS conversation after limit`, with an empty name to begin with → [`Members`](crate::answer::Members).
    /// If the version is another than the page before had, begin again.
    Members {
        /// Which conversation. A room nobody has joined has none.
        conversation: Conversation,
        /// Only those after this one.
        after: Option<User>,
        /// Members at most; taken as 1 to `page_entries_max`.
        limit: usize,
    },
    /// A server says that it runs, and for how long that may be believed.
    ///
    /// `NARU.SERVER server epoch lease-ms` → `OK`
    Server(ServerIs),
    /// (u) A server holds a connection of each of these users.
    ///
    /// `NARU.ROUTE server epoch user [user …]` → `OK`
    Route {
        /// Which run of which server.
        run: Run,
        /// Whom it holds.
        users: Vec<User>,
    },
    /// (u) A server holds no connection of these users any more. Another run's route stays.
    ///
    /// `NARU.UNROUTE server epoch user [user …]` → `OK`
    Unroute {
        /// Which run of which server.
        run: Run,
        /// Whom it held.
        users: Vec<User>,
    },
    /// (u) Which of these users are connected.
    ///
    /// `NARU.PRESENCE user [user …]` → array of [`Present`](crate::answer::Present), in the order asked; only those who are
    Presence {
        /// Who is asked for.
        users: Vec<User>,
    },
    /// (c) Where an entry stands in its conversation.
    ///
    /// `NARU.TRACE conversation seq` or `NARU.TRACE conversation sender client-id` →
    /// [`Traced`](crate::answer::Traced)
    Trace {
        /// Which conversation.
        conversation: Conversation,
        /// Which entry.
        what: What,
    },
    /// (u) Where a user and each of their devices stand in a conversation.
    ///
    /// `NARU.STANDING user conversation` → [`Standing`](crate::answer::Standing)
    Standing {
        /// Whose inbox.
        user: User,
        /// Which conversation.
        conversation: Conversation,
    },
}
