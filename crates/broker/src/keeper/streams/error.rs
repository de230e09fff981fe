use super::BadArgument;
use crate::{
    c_string::c_string,
    streams::{InvalidId, NoId},
};

/// Why a command on streams is refused; the texts are Redis's.
#[derive(Debug, thiserror::Error)]
pub(in crate::keeper) enum StreamError {
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    #[error(transparent)]
    NoId(#[from] NoId),
    /// A text with names in it, which may have any bytes.
    #[error("{}", String::from_utf8_lossy(.0))]
    Naming(Vec<u8>),
    /// An argument that Redis looks at after the key.
    #[error(transparent)]
    Argument(#[from] BadArgument),
    #[error("ERR no such key")]
    NoKey,
    #[error(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
         to create an empty stream automatically."
    )]
    NoKeyForGroup,
    #[error("BUSYGROUP Consumer Group name already exists")]
    BusyGroup,
    #[error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")]
    BelowDeleted,
    #[error("ERR The ID specified in XSETID is smaller than the target stream top item")]
    BelowNewest,
    #[error("ERR The entries_added specified in XSETID is smaller than the target stream length")]
    FewerThanThere,
    #[error("ERR Insufficient memory, failed allocating transient memory, COUNT too high.")]
    TooManyToClaim,
}

impl StreamError {
    /// There is a stream, but no such group.
    pub(super) fn no_group(key: &[u8], group: &[u8]) -> Self {
        let [key, group] = [key, group].map(c_string);
        let parts = [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"];
        StreamError::Naming(parts.concat())
    }

    /// There is no such stream, or no such group.
    pub(super) fn no_key_or_group(key: &[u8], group: &[u8]) -> Self {
        let [key, group] = [key, group].map(c_string);
        let parts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"];
        StreamError::Naming(parts.concat())
    }

    /// The same, to XREADGROUP.
    pub(super) fn no_group_to_read(key: &[u8], group: &[u8]) -> Self {
        let [key, group] = [key, group].map(c_string);
        let end = b"' in XREADGROUP with GROUP option";
        let parts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, end];
        StreamError::Naming(parts.concat())
    }

    /// What the client is told.
    pub(in crate::keeper) fn answer(&self) -> Vec<u8> {
        match self {
            StreamError::Naming(text) | StreamError::Argument(BadArgument(text)) => text.clone(),
            other => other.to_string().into_bytes(),
        }
    }
}
