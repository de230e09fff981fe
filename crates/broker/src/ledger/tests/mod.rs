//! The native ledger and the model: whatever happens, they answer the same.

mod bodies;
mod histories;
mod memory;
mod routes;
mod twins;
