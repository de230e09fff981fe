//! What survives: a durable log with group commit and recovery.
