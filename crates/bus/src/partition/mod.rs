//! Which slot of a cluster something is in.

use xxhash_rust::xxh64::xxh64;

/// A share of all conversations and users, of whom Redis and Valkey keep in one slot what belongs together. There are
/// always [`COUNT`](Partition::COUNT), so that a share can be swept, or moved, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

/// One for each partition, of [`TAG_BYTES`], with one byte between them. The tag of partition `i` is in the slot `16 i + 8`: so
/// every master, whose slots usually lie beside each other, has its share of partitions, to within one. Never changed:
/// what is stored lies under these names.
const TAGS: &str = include_str!("tags.txt");

const TAG_BYTES: usize = 3;

impl Partition {
    /// How many there are.
    pub const COUNT: u16 = 1024;

    /// That of a conversation by its id, or of a user or server by name.
    pub fn of(name: &str) -> Partition {
        let partition = xxh64(name.as_bytes(), 0) % u64::from(Partition::COUNT);
        Partition(u16::try_from(partition).expect("the rest is smaller than the count"))
    }

    /// Every one, in order.
    pub fn all() -> impl Iterator<Item = Partition> + Clone {
        (0..Partition::COUNT).map(Partition)
    }

    /// What a key of this partition has in braces.
    pub fn tag(self) -> &'static str {
        let start = usize::from(self.0) * (TAG_BYTES + 1);
        &TAGS[start..start + TAG_BYTES]
    }
}

#[cfg(test)]
mod tests;
