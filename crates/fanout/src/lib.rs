//! Cores, mailboxes, the channel directory, outboxes: one message to many sockets, in order.
