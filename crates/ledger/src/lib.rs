//! Conversations, inboxes and cursors as a pure model.
