//! Users of several partitions, brought together by partition.

use std::collections::BTreeMap;

use naru_ledger::User;
use naru_ledger::op::{Deliver, Recipient};

use crate::partition::Partition;

/// Users that one script is run for: a script holds up everybody else on its server until it ends.
const USERS_MAX: usize = 128;

/// One delivery for each partition, or several where it has many of the users.
pub(super) fn deliveries(deliver: &Deliver) -> Vec<(Partition, Deliver)> {
    let parts = spread(&deliver.to, |recipient: &Recipient| &recipient.user);
    let part = |(partition, to)| (partition, Deliver { to, ..without_recipients(deliver) });
    parts.into_iter().map(part).collect()
}

/// These users by partition, in pieces.
pub(super) fn users(users: &[User]) -> Vec<(Partition, Vec<User>)> {
    spread(users, |user| user)
}

fn spread<T: Clone>(all: &[T], user: impl Fn(&T) -> &User) -> Vec<(Partition, Vec<T>)> {
    let mut parts: BTreeMap<Partition, Vec<T>> = BTreeMap::new();
    for one in all {
        parts.entry(Partition::of(user(one).as_str())).or_default().push(one.clone());
    }
    let pieces = |(partition, all): (Partition, Vec<T>)| {
        all.chunks(USERS_MAX).map(|piece| (partition, piece.to_vec())).collect::<Vec<_>>()
    };
    parts.into_iter().flat_map(pieces).collect()
}

fn without_recipients(deliver: &Deliver) -> Deliver {
    let Deliver { conversation, seq, count, sender, kind, mode, to: _ } = deliver;
    let (conversation, sender) = (conversation.clone(), sender.clone());
    Deliver { conversation, seq: *seq, count: *count, sender, kind: *kind, mode: *mode, to: Vec::new() }
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
