//! What is promised of an entry when its append is answered.

use crate::words::words;

words!(
    /// What an appended entry survives, the least first. The answer says which was reached; if that is less than was asked
    /// for, the append is done all the same, and repeating it is safe.
    #[derive(Default)]
    Level, "a level",
    /// The end of the process: the system has it.
    Memory = "memory",
    /// The end of the machine: it is on disk. What an append asks for that names no level.
    #[default]
    Fsync = "fsync",
    /// The end of the machine's disk: another machine has it, too.
    Replica = "replica",
);
