//! Why an operation was not done.

/// Nothing was changed. As an error it is the [code](Refused::code), a space and the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user takes no part in the conversation. The answer is the same whether or not it is there.
    #[error("only those who take part may read or write in a conversation")]
    NotAMember,
    /// The user takes part, but may not do this.
    #[error("the user's role does not allow this")]
    NotAllowed,
    /// The client's fault.
    #[error("a body has at most {bytes_max} bytes; this one has {bytes}")]
    BodyTooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The client's fault.
    #[error("a message mentions at most {mentions_max} users; this one mentions {mentions}")]
    TooManyMentions {
        /// How many there are.
        mentions: usize,
        /// How many there may be.
        mentions_max: usize,
    },
    /// There is none of that number, not of the kind that is needed, or not any more.
    #[error("the conversation has no such message")]
    NoSuchMessage,
    /// The one spoken of is no member of the room.
    #[error("the room has no such member")]
    NoSuchMember,
    /// Somebody has made the room before.
    #[error("the room is there already")]
    RoomExists,
    /// There would be no owner any more.
    #[error("a room keeps an owner while it has members: make another one its owner first")]
    LastOwner,
}

impl Refused {
    /// The error's first word, which clients may go by.
    pub fn code(self) -> &'static str {
        match self {
            Refused::NotAMember | Refused::NotAllowed => "FORBIDDEN",
            Refused::BodyTooLarge { .. } | Refused::TooManyMentions { .. } => "TOOBIG",
            Refused::NoSuchMessage | Refused::NoSuchMember => "NOTFOUND",
            Refused::RoomExists => "EXISTS",
            Refused::LastOwner => "LASTOWNER",
        }
    }
}
