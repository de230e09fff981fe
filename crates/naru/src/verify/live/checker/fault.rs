//! What can be wrong with a history.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Fault {
    pub(in super::super) verdict: Verdict,
    /// What exactly.
    pub(in super::super) text: String,
    pub(in super::super) about: About,
}

/// What the evidence for it is: events that have to do with this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct About {
    pub(in super::super) conversation: Option<String>,
    pub(in super::super) seqs: Vec<u64>,
    /// Sender and id.
    pub(in super::super) sent: Vec<(String, String)>,
    pub(in super::super) device: Option<usize>,
}

impl About {
    pub(super) fn of(conversation: &str, seqs: impl IntoIterator<Item = u64>) -> About {
        let seqs = seqs.into_iter().collect();
        About { conversation: Some(conversation.to_owned()), seqs, ..About::default() }
    }

    pub(super) fn and_sent(mut self, sender: &str, id: &str) -> About {
        self.sent.push((sender.to_owned(), id.to_owned()));
        self
    }

    pub(super) fn and_device(self, device: usize) -> About {
        About { device: Some(device), ..self }
    }

    pub(super) fn device(device: usize) -> About {
        About { device: Some(device), ..About::default() }
    }
}

/// What kind of thing is wrong. In the order of what explains what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Verdict {
    /// The history itself is not whole.
    Unfinished,
    /// The store is another one.
    Epoch,
    /// Acknowledged, and not in the log.
    Lost,
    /// Acknowledged with one number, and in the log with another.
    Moved,
    /// In the log more than once.
    Doubled,
    /// In the log, and nobody has said it.
    Stranger,
    /// Refused, and in the log all the same.
    Refused,
    /// The log's numbers do not rise, or do not name the one before.
    Numbers,
    /// Not as it was sent.
    Altered,
    /// It does not read as the last edit or deletion has it.
    Reads,
    /// Somebody has seen it, and it is not in the log.
    Vanished,
    /// Two answers for one id do not agree.
    Answers,
    /// Answered, or seen, before something was sent that stands before it.
    Overtaken,
    /// Two commands of a connection were done in the other order.
    Commands,
    /// A page does not have what was there before it was asked for, or has a hole.
    Page,
    /// A device got what its user takes no part in.
    Foreign,
    /// A push came before the connection was said to be there.
    Premature,
    /// A device got an entry after a later one.
    Order,
    /// A device got a later entry, and never this one.
    Hole,
    /// A device got an entry twice where once was due.
    Twice,
    /// A device got again what it had acknowledged.
    Acknowledged,
    /// Offsets go back within a connection.
    Offsets,
    /// A device was said to get all that came after its position, and begins further on.
    Recovered,
    /// A cursor went back.
    CursorBack,
    /// A cursor is ahead of what was acknowledged.
    CursorAhead,
    /// A device did not get all at the end.
    Undelivered,
    /// A call was never answered.
    Unanswered,
    /// A device could not connect at the end.
    Away,
    /// An unread count is not the truth.
    Unread,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Unfinished => "not whole",
            Verdict::Epoch => "another store",
            Verdict::Lost => "lost",
            Verdict::Moved => "moved",
            Verdict::Doubled => "doubled",
            Verdict::Stranger => "from nowhere",
            Verdict::Refused => "refused, but stored",
            Verdict::Numbers => "numbers",
            Verdict::Altered => "altered",
            Verdict::Reads => "reads wrongly",
            Verdict::Vanished => "seen, and gone",
            Verdict::Answers => "answers differ",
            Verdict::Overtaken => "overtaken",
            Verdict::Commands => "commands out of order",
            Verdict::Page => "page",
            Verdict::Foreign => "somebody else's",
            Verdict::Premature => "pushed too early",
            Verdict::Order => "pushed out of order",
            Verdict::Hole => "hole",
            Verdict::Twice => "pushed twice",
            Verdict::Acknowledged => "pushed after it was acknowledged",
            Verdict::Offsets => "offsets go back",
            Verdict::Recovered => "recovered with a hole",
            Verdict::CursorBack => "cursor back",
            Verdict::CursorAhead => "cursor ahead",
            Verdict::Undelivered => "not delivered",
            Verdict::Unanswered => "not answered",
            Verdict::Away => "away",
            Verdict::Unread => "unread",
        })
    }
}
