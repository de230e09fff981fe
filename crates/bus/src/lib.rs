//! A gateway's link to a broker.
