use super::StreamId;

/// Bytes of an id.
const BYTES: u32 = 16;

/// How many nodes a radix tree like Redis's has that holds these ids, which rise, as strings of 16 bytes: one for each
/// id, one for each place where several part, and one for each run of bytes in between.
pub(super) fn radix_nodes(ids: impl Iterator<Item = StreamId>) -> usize {
    let ids: Vec<u128> = ids.map(|id| u128::from(id.millis) << u64::BITS | u128::from(id.sequence)).collect();
    // An empty tree has its root.
    nodes_below(&ids, 0).max(1)
}

/// The nodes that hold the rest of these ids behind the first bytes, which are the same.
fn nodes_below(ids: &[u128], depth: u32) -> usize {
    let [first, .., last] = ids else { return ids.len() * (1 + usize::from(depth < BYTES)) };
    let parting = (first ^ last).leading_zeros() / 8;
    let byte = |id: &u128| (id >> (8 * (BYTES - 1 - parting))) as u8;
    let branches = ids.chunk_by(|one, other| byte(one) == byte(other));
    let below: usize = branches.map(|ids| nodes_below(ids, parting + 1)).sum();
    1 + usize::from(parting > depth) + below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_as_redis_counts_them() {
        let count = |ids: &[(u64, u64)]| {
            radix_nodes(ids.iter().map(|&(millis, sequence)| StreamId { millis, sequence }))
        };
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&[(1, 0)]), 2);
        assert_eq!(count(&[(1, 0), (1, 1)]), 4);
        assert_eq!(count(&[(1, 0), (2, 0)]), 6);
        assert_eq!(count(&[(0, 0), (1 << 56, 0)]), 5);
    }
}
