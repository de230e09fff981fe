//! How many files this process may have open: a connection is one.

use rustix::process::{Resource, getrlimit};

/// So many, if there is a limit: the soft one, `ulimit -n`.
pub(super) fn usable() -> Option<usize> {
    getrlimit(Resource::Nofile).current.map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}
