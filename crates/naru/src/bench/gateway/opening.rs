//! Opening many connections.

use std::{
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

/// How many are being opened at the same time. One after the other, what is measured would be how long a connect takes and not how many
/// there can be: with a server that writes something down for each, one sync of a disk after the other.
pub(super) const AT_ONCE: u32 = 16;

/// Opens `count` of what `open` opens by their numbers; `take` gets each, in no order.
pub(super) fn open_all<T: Send>(
    count: u32,
    open: impl Fn(u32) -> anyhow::Result<T> + Sync,
    mut take: impl FnMut(u32, T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let next = AtomicU32::new(0);
    let (opened, all) = sync_channel(AT_ONCE as usize);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            let (opened, next, open) = (opened.clone(), &next, &open);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens any longer after the first that failed.
                    if number >= count || opened.send((number, open(number))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(opened);
        all.into_iter().try_for_each(|(number, one)| take(number, one?))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_is_opened_once_and_the_first_that_fails_ends_it() {
        let mut taken = BTreeSet::new();
        let take = |number, double| {
            assert_eq!(double, number * 2);
            assert!(taken.insert(number));
            Ok(())
        };
        open_all(100, |number| Ok(number * 2), take).unwrap();
        assert_eq!(taken.len(), 100);
        let failing = |number| if number == 7 { anyhow::bail!("seven") } else { Ok(()) };
        let failed = open_all(u32::MAX / 2, failing, |_, ()| Ok(()));
        assert_eq!(failed.unwrap_err().to_string(), "seven");
    }
}
