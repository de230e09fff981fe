use std::collections::{BTreeMap, HashMap};

use ahash::RandomState;
use bytes::Bytes;
use indexmap::IndexMap;

use crate::{matches, pattern::literal_prefix};

/// Patterns that begin alike, with what is kept of each.
type Alike<T> = IndexMap<Bytes, T, RandomState>;

/// Something for each of many patterns, found by the channels they match. A channel is compared only with patterns
/// whose bytes before the first special character it begins with.
pub(crate) struct Patterns<T> {
    by_prefix: HashMap<Bytes, Alike<T>, RandomState>,
    /// How many prefixes there are of each length.
    lengths: BTreeMap<usize, usize>,
    count: usize,
}

impl<T> Patterns<T> {
    pub(crate) fn new() -> Self {
        Patterns { by_prefix: HashMap::default(), lengths: BTreeMap::new(), count: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// What is kept for `glob`; what `make` makes, if nothing was.
    pub(crate) fn entry(&mut self, glob: &Bytes, make: impl FnOnce() -> T) -> &mut T {
        let prefix = glob.slice(..literal_prefix(glob));
        let lengths = &mut self.lengths;
        let alike = self.by_prefix.entry(prefix).or_insert_with_key(|prefix| {
            *lengths.entry(prefix.len()).or_default() += 1;
            Alike::default()
        });
        let count = &mut self.count;
        alike.entry(glob.clone()).or_insert_with(|| {
            *count += 1;
            make()
        })
    }

    /// Changes what is kept for `glob`, if anything is, and forgets it if `change` says so; whether it did.
    pub(crate) fn remove_if(&mut self, glob: &[u8], change: impl FnOnce(&mut T) -> bool) -> bool {
        let prefix = &glob[..literal_prefix(glob)];
        let Some(alike) = self.by_prefix.get_mut(prefix) else { return false };
        if !alike.get_mut(glob).is_some_and(change) {
            return false;
        }
        alike.swap_remove(glob);
        self.count -= 1;
        if alike.is_empty() {
            self.by_prefix.remove(prefix);
            if let Some(prefixes) = self.lengths.get_mut(&prefix.len()) {
                *prefixes -= 1;
                if *prefixes == 0 {
                    self.lengths.remove(&prefix.len());
                }
            }
        }
        true
    }

    /// The patterns that match `channel`, with what is kept of each.
    pub(crate) fn matching(&self, channel: &[u8]) -> impl Iterator<Item = (&Bytes, &T)> {
        self.lengths
            .range(..=channel.len())
            .filter_map(|(&length, _)| self.by_prefix.get(&channel[..length]))
            .flatten()
            .filter(|(glob, _)| matches(glob, channel))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_forgotten_leaves_nothing_behind() {
        let mut patterns = Patterns::new();
        for glob in ["a*", "ab*", "ab?", "*", "plain", "[x]*", "\\**"] {
            let glob = Bytes::from_static(glob.as_bytes());
            *patterns.entry(&glob, || 0) += 1;
            *patterns.entry(&glob, || 0) += 1;
        }
        assert_eq!(patterns.len(), 7);
        for glob in ["a*", "ab*", "ab?", "*", "plain", "[x]*", "\\**"] {
            let less = |count: &mut i32| {
                *count -= 1;
                *count == 0
            };
            assert!(!patterns.remove_if(glob.as_bytes(), less));
            assert!(patterns.remove_if(glob.as_bytes(), less));
            assert!(!patterns.remove_if(glob.as_bytes(), less));
        }
        assert_eq!(patterns.len(), 0);
        assert!(patterns.by_prefix.is_empty() && patterns.lengths.is_empty());
    }

    proptest! {
        #[test]
        fn those_are_found_that_match(
            globs in prop::collection::vec("[ab*?\\\\\\[\\]^-]{0,6}", 0..12),
            channel in "[ab*]{0,6}",
        ) {
            let mut patterns = Patterns::new();
            for glob in &globs {
                patterns.entry(&Bytes::copy_from_slice(glob.as_bytes()), || ());
            }
            let mut found: Vec<&[u8]> = patterns.matching(channel.as_bytes()).map(|(glob, ())| &**glob).collect();
            let mut expected: Vec<&[u8]> = globs
                .iter()
                .map(String::as_bytes)
                .filter(|glob| matches(glob, channel.as_bytes()))
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(found, expected);
        }
    }
}
