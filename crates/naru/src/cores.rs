use std::thread::available_parallelism;

/// How many threads serve connections unless told otherwise: one a processor.
pub(crate) fn default_count() -> usize {
    available_parallelism().map_or(1, |count| count.get())
}
