//! How what is said in a conversation reaches those who take part.

use crate::words::words;

words!(
    /// How a conversation is fanned out. It goes from the first to the second once, with a log entry of kind
    /// `broadcast`, and never back.
    Mode, "a mode",
    /// Every entry goes into the inbox of each who takes part.
    FanOut = "fanout",
    /// A room of more than [`members_max`] members: entries go to the room's channel, and into the inboxes only of those
    /// they mention and of those who wrote them. The others compare heads when they come back.
    ///
    /// [`members_max`]: crate::Limits::members_max
    Broadcast = "broadcast",
);

words!(
    /// How a user follows a conversation, as far as their own inbox knows.
    #[derive(Default)]
    Follow, "a way to follow",
    /// By their inbox: unread is `count - read`, or 0 if read is ahead.
    #[default]
    Inbox = "inbox",
    /// By the room's channel: `head` and `count` are those of the last entry that came into the inbox, and
    /// unread is the room's own count `- read`.
    Channel = "channel",
    /// Not any more: they have left. The record stays, so that their devices hear of it.
    Left = "left",
);
