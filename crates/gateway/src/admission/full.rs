/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Rate,
    Address,
    AddressRate,
    Refusals,
}

impl Full {
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Full::All => "there are as many connections as there may be: try again",
            Full::Rate => "too many connections come at once: try again",
            Full::Address => "there are as many connections from this address as there may be",
            Full::AddressRate => "too many connections come from this address at once: try again",
            Full::Refusals => "too many bad tokens came from this address: try again later",
        }
    }

    /// Whether who asks asks too much, rather than all together.
    pub(crate) fn is_theirs(self) -> bool {
        matches!(self, Full::AddressRate | Full::Refusals)
    }
}
