//! The log's turn at the processor.

/// How much sooner than others the calling thread gets a processor: steps of `nice`.
const STEPS: i32 = 10;

/// Has the calling thread go before others where the system lets it: who writes the log works for a moment and
/// then waits for the disk, with everybody behind it waiting too, so each moment that it waits for a processor is
/// everybody's. Without the right to (`CAP_SYS_NICE`, or `RLIMIT_NICE` of 30 and more) all stays as it is.
pub(crate) fn raise() {
    let _ = rustix::process::setpriority_process(None, -STEPS);
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn it_is_the_thread_alone_that_goes_before_others() {
        let before = getpriority_process(None).unwrap();
        let raised = std::thread::spawn(|| {
            super::raise();
            getpriority_process(None).unwrap()
        });
        let raised = raised.join().unwrap();
        assert!(raised == -super::STEPS || raised == before, "{raised}");
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
