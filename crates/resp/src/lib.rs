//! Redis wire format: bytes to frames and back. Pure.
