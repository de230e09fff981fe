//! What a broker speaks.

/// How a broker takes the ledger's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As commands of its own: Naru's broker.
    Native,
    /// As scripts: Redis and Valkey.
    Scripts,
}

impl Dialect {
    /// That of a server by the name it gives in its answer to HELLO. Valkey calls itself redis unless it is told otherwise.
    pub(crate) fn of(server: &str) -> Option<Dialect> {
        match server {
            "naru" => Some(Dialect::Native),
            "redis" | "valkey" => Some(Dialect::Scripts),
            _ => None,
        }
    }
}
