//! The native ledger and the model: whatever happens, they answer the same.

mod bodies;
mod histories;
mod memory;
mod news;
mod retention;
mod routes;
mod taken_in;
mod twins;
mod unreadable;
mod world;
