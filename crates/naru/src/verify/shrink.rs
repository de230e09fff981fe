//! A shorter history that fails, too.

/// Leaves out whatever can be left out so that `fails` still holds: halves at first, then ever smaller pieces.
pub(super) async fn shrink<S: Copy>(mut steps: Vec<S>, mut fails: impl AsyncFnMut(&[S]) -> bool) -> Vec<S> {
    let mut piece = steps.len() / 2;
    while piece > 0 {
        let mut start = 0;
        while start < steps.len() {
            let mut without = steps.clone();
            without.drain(start..(start + piece).min(steps.len()));
            if fails(&without).await {
                steps = without;
            } else {
                start += piece;
            }
        }
        piece /= 2;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::step::Step;

    #[test]
    fn only_what_is_needed_to_fail_is_left() {
        let steps: Vec<Step> = (0..100).map(|millis| Step::Wait { millis }).collect();
        let waits = |steps: &[Step]| -> Vec<i64> {
            let wait = |step: &Step| if let Step::Wait { millis } = step { *millis } else { 0 };
            steps.iter().map(wait).collect()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let left = runtime.block_on(shrink(steps, async |steps: &[Step]| {
            let waits = waits(steps);
            waits.contains(&17) && waits.contains(&71)
        }));
        assert_eq!(waits(&left), [17, 71]);
    }
}
