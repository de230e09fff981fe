//! Users of several partitions, brought together by partition.

use naru_ledger::User;

use crate::partition::Partition;

/// Users that one script is run for: a script holds up everybody else on its server until it ends.
const USERS_MAX: usize = 128;

/// What one script may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Keys of one slot, and so one partition.
    Slot,
    /// All keys. Users of a room are in as many partitions as there are, and a call's own work is more than that for a user.
    All,
}

/// Some of those in a list, for whom one script is run.
pub(super) struct Piece {
    /// The partitions they are in, and how many are in each.
    pub(super) parts: Vec<(Partition, usize)>,
    /// Where they are in the list, those of a partition together and in the list's order.
    pub(super) places: Vec<usize>,
}

/// All in a list, in pieces as large as may be.
pub(super) fn pieces<T>(all: &[T], reach: Reach, user: impl Fn(&T) -> &User) -> Vec<Piece> {
    let mut spread: Vec<(Partition, usize)> =
        all.iter().enumerate().map(|(place, one)| (Partition::of(user(one).as_str()), place)).collect();
    spread.sort_unstable();
    let whole = |(one, _): &(Partition, usize), (other, _): &(Partition, usize)| match reach {
        Reach::Slot => one == other,
        Reach::All => true,
    };
    let pieces = spread.chunk_by(whole).flat_map(|piece| piece.chunks(USERS_MAX));
    let piece = |piece: &[(Partition, usize)]| Piece {
        parts: piece
            .chunk_by(|(one, _), (other, _)| one == other)
            .map(|part| (part[0].0, part.len()))
            .collect(),
        places: piece.iter().map(|(_, place)| *place).collect(),
    };
    pieces.map(piece).collect()
}

/// These users by partition, in pieces.
pub(super) fn users(users: &[User]) -> Vec<(Partition, Vec<User>)> {
    let named = |Piece { parts, places }: Piece| {
        (parts[0].0, places.into_iter().map(|place| users[place].clone()).collect())
    };
    pieces(users, Reach::Slot, |user| user).into_iter().map(named).collect()
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

    #[test]
    fn where_a_script_may_touch_all_keys_no_more_are_run_than_there_have_to_be() {
        let all: Vec<User> = (0..10_000).map(|i| User::parse(&format!("u{i}")).unwrap()).collect();
        let pieces = pieces(&all, Reach::All, |user| user);
        assert_eq!(pieces.len(), 10_000_usize.div_ceil(USERS_MAX));
        let mut seen = vec![false; all.len()];
        for Piece { parts, places } in pieces {
            let mut places = places.into_iter();
            for (partition, count) in parts {
                for place in places.by_ref().take(count) {
                    assert_eq!(Partition::of(all[place].as_str()), partition);
                    assert!(!std::mem::replace(&mut seen[place], true));
                }
            }
            assert_eq!(places.next(), None);
        }
        assert!(seen.into_iter().all(|seen| seen));
    }
}
