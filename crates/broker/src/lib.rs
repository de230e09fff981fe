//! The Redis-speaking server: commands, pub/sub, streams, ledger operations.
