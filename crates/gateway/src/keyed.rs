//! How maps hash that every session has.

use std::{hash::BuildHasher, sync::OnceLock};

use ahash::{AHasher, RandomState};

/// As [`RandomState`], keyed at random in every process; but the keys are the process's, not each map's, which has 32 bytes less.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keyed;

impl BuildHasher for Keyed {
    type Hasher = AHasher;

    fn build_hasher(&self) -> AHasher {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        KEYS.get_or_init(RandomState::new).build_hasher()
    }
}
