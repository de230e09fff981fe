/// Whether a client gets replies (`CLIENT REPLY`). What is pushed to it, confirmations of subscriptions among it, it
/// gets in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mute {
    /// To every command.
    #[default]
    Never,
    /// Not to the command behind this one.
    Next,
    /// Not to this command.
    This,
    /// To none, until it is asked for again.
    Always,
}

impl Mute {
    /// Whether the command at hand is answered.
    pub(crate) fn is_answered(self) -> bool {
        matches!(self, Mute::Never | Mute::Next)
    }

    /// What holds for the next command.
    pub(crate) fn next(self) -> Mute {
        match self {
            Mute::Never | Mute::This => Mute::Never,
            Mute::Next => Mute::This,
            Mute::Always => Mute::Always,
        }
    }
}
