use bytes::Bytes;

use crate::streams::{InvalidId, NoId};

/// Why a command on streams is refused; the texts are Redis's.
#[derive(Debug, thiserror::Error)]
pub(in crate::keeper) enum StreamError {
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    #[error(transparent)]
    NoId(#[from] NoId),
    /// An argument that Redis looks at after the key.
    #[error("{0}")]
    Argument(String),
    #[error("ERR no such key")]
    NoKey,
    #[error(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
         to create an empty stream automatically."
    )]
    NoKeyForGroup,
    #[error("NOGROUP No such consumer group '{}' for key name '{}'", text(group), text(key))]
    NoGroup { key: Bytes, group: Bytes },
    #[error("NOGROUP No such key '{}' or consumer group '{}'", text(key), text(group))]
    NoKeyOrGroup { key: Bytes, group: Bytes },
    #[error(
        "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
        text(key),
        text(group)
    )]
    NoGroupToRead { key: Bytes, group: Bytes },
    #[error("BUSYGROUP Consumer Group name already exists")]
    BusyGroup,
    #[error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")]
    BelowDeleted,
    #[error("ERR The ID specified in XSETID is smaller than the target stream top item")]
    BelowNewest,
    #[error("ERR The entries_added specified in XSETID is smaller than the target stream length")]
    FewerThanThere,
}

fn text(name: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}
