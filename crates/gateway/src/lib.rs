//! WebSocket sessions speaking the Centrifuge client protocol, and HTTP.
