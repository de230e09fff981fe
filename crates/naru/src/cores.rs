use std::thread::available_parallelism;

/// How many threads serve connections unless told otherwise: half the processors. The kernel's part of the work, whoever
/// the connections come from, and the log want the other half: on two processors that a load generator shares, one core
/// has 1.1 to 1.4 times the deliveries of two, at half to three quarters of their CPU time and a third of their p99.
pub(crate) fn default_count() -> usize {
    available_parallelism().map_or(1, |count| count.get().div_ceil(2))
}

/// Whether so many threads leave a processor to others.
pub(crate) fn leave_some(cores: usize) -> bool {
    available_parallelism().is_ok_and(|count| cores < count.get())
}
