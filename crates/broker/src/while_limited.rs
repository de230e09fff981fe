use std::time::Duration;

use tokio::time::sleep;

/// Sees to a limit every so often, for as long as there is one. What was lifted meanwhile is not seen to once more.
pub(crate) async fn while_limited<L>(
    every: Duration,
    limit: impl Fn() -> Option<L>,
    mut see_to: impl FnMut(L),
) {
    while limit().is_some() {
        sleep(every).await;
        if let Some(limit) = limit() {
            see_to(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::{join, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_was_changed_or_lifted_holds_as_it_is_now() {
        let (limit, seen) = (Cell::new(Some(5)), RefCell::new(Vec::new()));
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let change = async {
            sleep(second * 3 / 2).await;
            limit.set(Some(7));
            sleep(second).await;
            limit.set(None);
        };
        join!(while_limited(second, || limit.get(), |limit| seen.borrow_mut().push(limit)), change);
        assert_eq!(*seen.borrow(), [5, 7]);
        assert_eq!(began.elapsed(), second * 3);
    }
}
