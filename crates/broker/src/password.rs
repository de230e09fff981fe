use std::fmt;

/// The password of the default user (Redis's `requirepass`). Never shown.
#[derive(Clone)]
pub struct Password(Box<[u8]>);

/// A password without a byte in it would let everyone in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a password is not empty; leave the option out to have none")]
pub struct EmptyPassword;

impl Password {
    /// Takes a password, which is any text but the empty one.
    pub fn new(text: &str) -> Result<Password, EmptyPassword> {
        if text.is_empty() { Err(EmptyPassword) } else { Ok(Password(text.as_bytes().into())) }
    }

    /// A password from an administrator of the broker; an empty one is none.
    pub(crate) fn of(bytes: &[u8]) -> Option<Password> {
        (!bytes.is_empty()).then(|| Password(bytes.into()))
    }

    /// Itself, for who may ask (`CONFIG GET`), and to have users know it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}
