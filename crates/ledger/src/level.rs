//! What is promised of an entry when its append is answered.

use crate::words::words;

words!(
    /// What an appended entry survives, the least first. The answer says which was reached; if that is less than was asked
    /// for, the append is done all the same, and repeating it is safe.
    Level, "a level",
    /// The end of the process: the system has it.
    Memory = "memory",
    /// The end of the machine: it is on disk.
    Fsync = "fsync",
    /// The end of the machine's disk: another machine has it, too.
    Replica = "replica",
);

impl Default for Level {
    /// What an append that names no level asks for.
    fn default() -> Level {
        Level::Fsync
    }
}
