//! Users of several partitions, brought together by partition.

use naru_ledger::User;

use crate::partition::Partition;

/// Users that one script is run for: a script holds up everybody else on its server until it ends.
const USERS_MAX: usize = 128;

/// Some of those in a list who are in one partition.
pub(super) struct Piece {
    pub(super) partition: Partition,
    /// Where they are in the list, in its order.
    pub(super) places: Vec<usize>,
}

/// All in a list by partition, in pieces.
pub(super) fn pieces<T>(all: &[T], user: impl Fn(&T) -> &User) -> Vec<Piece> {
    let mut spread: Vec<(Partition, usize)> =
        all.iter().enumerate().map(|(place, one)| (Partition::of(user(one).as_str()), place)).collect();
    spread.sort_unstable();
    let parts = spread.chunk_by(|(one, _), (other, _)| one == other).flat_map(|part| part.chunks(USERS_MAX));
    let piece = |part: &[(Partition, usize)]| Piece {
        partition: part[0].0,
        places: part.iter().map(|(_, place)| *place).collect(),
    };
    parts.map(piece).collect()
}

/// These users by partition, in pieces.
pub(super) fn users(users: &[User]) -> Vec<(Partition, Vec<User>)> {
    let named = |piece: Piece| {
        (piece.partition, piece.places.into_iter().map(|place| users[place].clone()).collect())
    };
    pieces(users, |user| user).into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_is_in_a_piece_of_their_own_partition() {
        let all: Vec<User> = (0..200_000).map(|i| User::parse(&format!("u{i}")).unwrap()).collect();
        let pieces = users(&all);
        assert!(pieces.len() > usize::from(Partition::COUNT), "some have more than one");
        let mut seen = 0;
        for (partition, users) in pieces {
            assert!(!users.is_empty() && users.len() <= USERS_MAX);
            assert!(users.iter().all(|user| Partition::of(user.as_str()) == partition));
            seen += users.len();
        }
        assert_eq!(seen, all.len());
    }
}
