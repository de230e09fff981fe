//! What a client reads.

/// One reply or pushed message.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `OK` and the like.
    Simple(Vec<u8>),
    /// An error, its code first.
    Error(Vec<u8>),
    /// A signed number.
    Integer(i64),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// Nothing, in any of its three spellings.
    Null,
    /// Values in order.
    Array(Vec<Value>),
    /// Pairs in the order they came.
    Map(Vec<(Value, Value)>),
    /// Values in the order they came.
    Set(Vec<Value>),
    /// Something not asked for just now: a message of a channel.
    Push(Vec<Value>),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Text for people, without its three-letter format.
    Verbatim(Vec<u8>),
    /// An integer of any size, as its digits.
    BigNumber(Vec<u8>),
}

impl Value {
    /// The bytes of a string of any kind, or of an error.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Error(bytes) | Self::Bulk(bytes) | Self::Verbatim(bytes) => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// The elements of an array, a set or a push.
    pub fn as_elements(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            _ => None,
        }
    }
}
