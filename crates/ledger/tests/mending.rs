//! A log of effects with holes: what is left of it is all there, in order, and nothing counts as read that was not.
#![allow(clippy::unwrap_used, reason = "a test, its helpers included")]

use std::collections::{BTreeMap, HashMap};

use naru_ledger::*;
use proptest::prelude::*;

const USERS: [&str; 3] = ["a", "b", "c"];

/// What one operation recorded.
type Record = Vec<Effect>;

fn user(number: usize) -> User {
    User::parse(USERS[number % USERS.len()]).unwrap()
}

fn device() -> Device {
    Device::parse("d").unwrap()
}

/// Sends and acknowledges, each a record; what was said, by its record, and the inbox of each user in those terms.
fn history(steps: &[(usize, usize, bool)]) -> (Vec<Record>, Vec<Vec<usize>>) {
    let mut ledger = Ledger::new(Epoch::parse("old").unwrap());
    let mut records = vec![vec![ledger.birth()]];
    let mut inboxes = vec![Vec::new(); USERS.len()];
    for (from, to, is_message) in steps {
        let (mut effects, now) = (Vec::new(), Millis(records.len() as u64));
        if *is_message {
            let append = Append {
                conversation: Direct::between(&user(*from), &user(*to)),
                sender: user(*from),
                client_id: ClientId::parse(&records.len().to_string()).unwrap(),
                body: records.len().to_string().as_bytes().into(),
            };
            ledger.send(append, now, &mut effects).unwrap();
            let both = [from % USERS.len(), to % USERS.len()];
            both[..if both[0] == both[1] { 1 } else { 2 }]
                .iter()
                .for_each(|user| inboxes[*user].push(records.len()));
        } else {
            let head = ledger.head(&user(*from));
            ledger.ack(&user(*from), &device(), Useq(head.0.saturating_sub(*to as u64)), now, &mut effects);
        }
        records.push(effects);
    }
    (records, inboxes)
}

fn inbox(ledger: &Ledger, user: &User) -> Vec<usize> {
    let portion = Portion { entries_max: 1000, bytes_max: 1 << 20 };
    let entries = ledger.entries(user, Useq::ZERO, portion).entries;
    assert!(entries.iter().enumerate().all(|(index, entry)| entry.useq == Some(Useq(index as u64 + 1))));
    entries.iter().map(|entry| std::str::from_utf8(entry.body.as_bytes()).unwrap().parse().unwrap()).collect()
}

proptest! {
    #[test]
    fn what_is_left_is_all_there_and_nothing_counts_as_read_that_was_not(
        steps in prop::collection::vec((0usize..3, 0usize..3, prop::bool::weighted(0.8)), 1..60),
        lost in prop::collection::btree_set(0usize..60, 0..6),
    ) {
        let (records, inboxes) = history(&steps);
        let (mut ledger, mut mending) = (Ledger::new(Epoch::parse("new").unwrap()), Mending::default());
        let mut are_as_recorded = true;
        // How many of its entries a device has acknowledged, as far as that is not lost.
        let mut acked: HashMap<User, u64> = HashMap::new();
        for (_, record) in records.iter().enumerate().filter(|(index, _)| !lost.contains(index)) {
            for effect in record {
                are_as_recorded &= mending.apply(&mut ledger, effect);
                if let Effect::Acked { user, useq, .. } = effect {
                    acked.insert(user.clone(), useq.0);
                }
            }
        }
        let is_whole = lost.iter().all(|lost| records.get(*lost).is_none_or(Vec::is_empty));
        prop_assert!(are_as_recorded || !is_whole);
        for (index, all) in inboxes.iter().enumerate() {
            let left: Vec<usize> = all.iter().copied().filter(|record| !lost.contains(record)).collect();
            prop_assert_eq!(&inbox(&ledger, &user(index)), &left);
            let read = acked.get(&user(index)).copied().unwrap_or(0) as usize;
            let cursor = ledger.resume(
                &user(index), &device(), None, Portion { entries_max: 1, bytes_max: 1 }, Millis(0), &mut Vec::new(),
            ).cursor;
            prop_assert!(left[..cursor.0 as usize].iter().all(|record| all[..read].contains(record)));
            if is_whole {
                prop_assert_eq!(cursor.0 as usize, read);
            }
        }
        let mut remade = Ledger::new(Epoch::parse("x").unwrap());
        ledger.past(&Epoch::parse("y").unwrap(), &mut |effect| remade.apply(&effect).unwrap());
        let logs: BTreeMap<usize, Vec<usize>> = (0..3).map(|number| (number, inbox(&remade, &user(number)))).collect();
        prop_assert!(logs.iter().all(|(number, entries)| *entries == inbox(&ledger, &user(*number))));
    }
}
