//! What `help` prints.

/// The commands a newcomer wants first, and the prompt's own.
pub(super) const HELP: &str = "\
Commands are typed as in redis-cli: words, with quotes where a word has blanks.

  subscribe CHANNEL …            receive what is published; more can be typed meanwhile
  psubscribe PATTERN …           the same for all channels that match, as in news.*
  unsubscribe [CHANNEL …]        stop receiving
  publish CHANNEL MESSAGE        send to whoever is subscribed now
  pubsub channels | numsub CHANNEL …

  xadd STREAM * FIELD VALUE …    append to a stream, which keeps it
  xrange STREAM - +              read a stream from its beginning
  xread block 0 streams STREAM $ wait for what is appended next

  help    this text
  clear   clear the screen
  quit    leave, as do exit, Ctrl-C and Ctrl-D
";
