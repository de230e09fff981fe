//! Bounds of the gateway, with their reasons. Those of the client protocol have its documents as their source.

mod bucket;
mod buckets;
mod files;
mod memory;
mod network;
mod settings;

use std::time::Duration;

use naru_fanout::{OutboxLimit, StepsASecond};

pub(crate) use bucket::{Bucket, BurstOfNothing, Rate, Spent};
pub(crate) use buckets::{Buckets, Doing, Whose};
pub(crate) use network::{Network, place};
pub use settings::{BadSettings, Limits, Settings};

/// Bytes of one incoming WebSocket message, unless set otherwise; a larger one closes the connection with 1009, for good. Twice
/// the body of a message, so that a body somewhat too large is answered with an error that says so.
pub const MESSAGE_BYTES_MAX: usize = 128 << 10;

/// Connections from one address, unless set otherwise: more than one household or office has, fewer than fill a server.
pub const ADDRESS_CONNECTIONS_MAX: u32 = 100;

/// Which part of the files that the process may have open is left to others than sessions, and how many at least and at most: to the
/// event loops (some 60 files on two cores), the log (64 segments that are read, and what it writes), Redis clients, the ports of their
/// own ([`API_CONNECTIONS_MAX`]), requests to other servers, and to those who ask for a session and hear that there is none.
/// Connections of any kind to the clients' port leave half of it.
pub const OTHER_FILES_SHARE: usize = 4;
/// See [`OTHER_FILES_SHARE`]. Never more than half of all.
pub const OTHER_FILES_MIN: usize = 512;
/// See [`OTHER_FILES_SHARE`].
pub const OTHER_FILES_MAX: usize = 2 * API_CONNECTIONS_MAX;

/// New connections from one address in a second, unless set otherwise.
pub const ADDRESS_CONNECTIONS: u32 = 200;

/// Bad tokens from one address in a minute, unless set otherwise. Clients that were refused for one do not come back by themselves.
pub const ADDRESS_REFUSALS: u32 = 5;

/// Which part of all connections may be of those who have not signed in, unless set otherwise, and how many at least.
pub const STRANGERS_SHARE: usize = 10;
/// See [`STRANGERS_SHARE`].
pub const STRANGERS_MIN: usize = 16;

/// Time that who has not signed in has before somebody else takes the place; where all of them are taken by such, who comes waits. Most
/// sign in within a round trip, but where thousands come at once the clients' machines may take a second.
pub const STRANGER_PATIENCE: Duration = Duration::from_secs(2);

/// Time that what is missing of a message may be waited for. From [`MESSAGE_BYTES_FREE`] on each KiB that has come is worth a second
/// more.
pub const MESSAGE_PATIENCE: Duration = Duration::from_secs(10);
/// See [`MESSAGE_PATIENCE`].
pub const MESSAGE_BYTES_FREE: usize = 64 << 10;
/// See [`MESSAGE_PATIENCE`].
pub const MESSAGE_BYTES_A_SECOND: usize = 1 << 10;

/// Bytes of a request that brings commands of one who is served over plain HTTP: of a message as large as one may be, as text
/// inside JSON.
pub const EMULATION_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Bytes of commands that have come apart from their connection and are not taken yet, and their frames. Who posts more than is
/// taken is closed, and comes back.
pub const MAILBOX_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
/// See [`MAILBOX_BYTES_MAX`].
pub const MAILBOX_FRAMES_MAX: usize = 256;

/// Bytes of what may be a connection's secret.
pub const SECRET_BYTES_MAX: usize = 64;

/// Time for the body of a client's request.
pub const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// How deep JSON from a client may be nested.
pub const JSON_DEPTH_MAX: usize = 32;

/// Bytes taken from a socket in one turn, and so of messages decoded ahead of their handling.
pub const TURN_BYTES_MAX: usize = 16 << 10;

/// What the WebSocket decoder reads at once; it is there only while messages come.
pub const DECODER_BYTES: usize = 256;

/// Bytes of live publications that may wait for one client; over it the client is cut off as slow.
pub const LIVE_BYTES_MAX: usize = 1 << 20;

/// The least that may be set for what waits for all clients together.
pub const WAITING_BYTES_MIN: usize = 4 * LIVE_BYTES_MAX;

/// Which part of the memory that may wait for, unless set otherwise. The rest is what the clients themselves take, and a broker in
/// the same process.
pub const WAITING_SHARE: u64 = 4;

/// Bytes that may wait for a client before its commands are no longer read, and its inbox no longer pushed. What a
/// stalled reader costs beside its three numbers.
pub const PAUSE_BYTES: usize = 64 << 10;

/// Commands of one client whose answers are under way; the next is read when the first of them is answered.
pub const IN_HAND_MAX: usize = 64;

/// All that may wait for one client. Live publications stop at [`LIVE_BYTES_MAX`], replies at [`PAUSE_BYTES`] and one
/// page of history, so this is only the net below them.
pub const OUTBOX_LIMIT: OutboxLimit =
    OutboxLimit { hard_bytes: 8 << 20, soft_bytes: 8 << 20, soft_time: Duration::ZERO };

/// Bytes in a channel name.
pub const CHANNEL_BYTES_MAX: usize = 255;

/// How long offset and epoch of a channel with history outlive its last use, where its namespace says nothing: longer than
/// most clients stay away.
pub const HISTORY_META_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Publications of a user in a namespace in a second, unless set otherwise, and how many at once: more than people write.
pub const PUBLICATIONS: u32 = 20;
/// See [`PUBLICATIONS`].
pub const PUBLICATIONS_AT_ONCE: u32 = 50;

/// Subscriptions of a user in a namespace in a second, unless set otherwise. At once as many as a connection may have channels: an
/// SDK that comes back asks for all of them.
pub const SUBSCRIPTIONS: u32 = 50;

/// Channels of one client, unless set otherwise.
pub const CHANNELS_MAX: usize = 128;

/// The highest number JavaScript counts to exactly, and so the highest offset or sequence number.
pub const OFFSET_MAX: u64 = (1 << 53) - 1;

/// Publications in one answer, and that a subscription recovers at most: over it, it is told that it has not.
pub const HISTORY_PUBLICATIONS_MAX: u64 = 300;

/// Bytes of the publications in one answer, of which the first may have more. What is recovered beyond is pushed as the client
/// takes it. Well below [`LIVE_BYTES_MAX`].
pub const HISTORY_BYTES_MAX: usize = 256 << 10;

/// Publications of a channel read at once for one session, and their bytes, of which the first may have more. When everybody comes
/// back, [`REPLAYS_MAX`] such pages are under way, and what a client does not take in time is read again.
pub const STREAM_PAGE: u32 = 64;
/// See [`STREAM_PAGE`].
pub const STREAM_BYTES: usize = 128 << 10;

/// Live publications of one channel that are held back while its position is read, and their bytes. More are read again.
pub const HELD_MAX: usize = 256;
/// See [`HELD_MAX`].
pub const HELD_BYTES_MAX: usize = 256 << 10;

/// The most time without a publication after which a subscription's position is compared with the channel's.
pub const POSITION_CHECK: Duration = Duration::from_secs(40);

/// How old the channel's position may be that it is compared with: so many subscribers of a channel ask the broker once.
pub const POSITION_AGE_MAX: Duration = Duration::from_secs(5);

/// Time to leave the broker alone after it did not answer about a channel.
pub const CHANNEL_RETRY: Duration = Duration::from_secs(1);

/// Time for the broker to be told that a client that has gone is not present any more.
pub const DEPARTURE_PATIENCE: Duration = Duration::from_secs(2);

/// Changes of an inbox read at once for one session.
pub const REPLAY_POINTERS_MAX: usize = 128;

/// Conversations of an inbox read at once for one session that is far behind.
pub const REPLAY_ROWS_MAX: usize = 16;

/// Entries of a log read at once for one session, and their bytes, of which the first entry may have more. Once read they are
/// pushed, beside what waits for the client already.
pub const REPLAY_ENTRIES_MAX: usize = 64;
/// See [`REPLAY_ENTRIES_MAX`].
pub const REPLAY_BYTES_MAX: usize = 32 << 10;

/// Conversations of which a session remembers how far it has pushed them: some 100 KB. As many as a user has.
pub const REACHED_MAX: usize = 2_000;

/// Those who have left a room of many and are remembered while a server follows it. They are needed for as long as it takes until their
/// inboxes say that they have left.
pub const DEPARTED_MAX: usize = 256;

/// The least time between two looks into whether the broker has lost what it had.
pub const COMPARE_PAUSE: Duration = Duration::from_secs(1);

/// The most time between two looks, though nothing was heard; half of it at least. What was told and got lost is found so.
pub const COMPARE_EVERY: Duration = Duration::from_secs(60);

/// Rooms of one client that the broker is told of at once.
pub const FOLLOWS_AT_ONCE: usize = 32;

/// Commands of all sessions that wait for the broker. The next one waits for its turn before it is started: started
/// ones reach the broker in order as long as the bus's queue takes them at once, and that holds [`BUS_QUEUE`].
pub const CALLS_MAX: usize = 1024;

/// Clients that are let in at once, over all cores: each asks the broker a few things. When all come back, the others wait, so that
/// who is there is served meanwhile. Nobody new is let in while so many are, as far as the broker is there: who is asked to come
/// again has cost as much as who is let in.
pub const ARRIVALS_MAX: usize = 32;

/// Clients that have been let in and have not asked yet, over all cores, with whom nobody new is let in either: a broker that serves
/// 256 in a second has served them in [`ADMIT_PATIENCE`]. Far more than [`ARRIVALS_MAX`], for each takes the network's time there
/// and back: with as few, 100 ms away, 320 would come in a second.
pub const EXPECTED_MAX: usize = 1024;

/// For how long such a client is expected to ask. Who never does makes others wait meanwhile: so many of them let in others at 4,096
/// in a second, which is more than [`ARRIVAL_STEPS`] does on a core.
pub const EXPECTED_FOR: Duration = Duration::from_millis(250);

/// Steps that those who come take in a second on a core while somebody there hears something: two each, a handshake and a connect.
/// 10,000 are then back in 3.4 s, which leaves two thirds of a core to those who are there; at 45 us a step, half the speed would
/// take as long as clients are patient.
pub const ARRIVAL_STEPS: StepsASecond = StepsASecond(6_000);

/// Requests for a session that wait on a core for their turn; the next one is answered with 503, as by nginx's `limit_req` behind
/// its `burst` and by Centrifugo over its rate. Some 5 s at [`ARRIVAL_STEPS`]: who came behind them would wait in vain. Some 10 KB
/// each.
pub const NEWCOMERS_MAX: usize = 16 << 10;

/// Time that such a request waits at most; then it is answered with 503. The longest that an SDK waits for a WebSocket to open, in
/// Python; at half the speed of [`ARRIVAL_STEPS`] it has come to [`NEWCOMERS_MAX`].
pub const NEWCOMER_PATIENCE: Duration = Duration::from_secs(10);

/// Requests with commands for sessions on other servers that wait for the broker. Whoever can reach this server can make them: so
/// they have a number of their own, and take nothing from those who have signed in.
pub const EMULATIONS_MAX: usize = 128;

/// Reads of inboxes at once, over all sessions: when a broker comes back, everybody looks.
pub const REPLAYS_MAX: usize = 32;

/// Logs of rooms looked at at once: when a broker comes back, each room is, once.
pub const HEADS_AT_ONCE: usize = 32;

/// Calls that the bus takes without waiting, less those it makes itself.
pub const BUS_QUEUE: usize = 4000;

/// Questions of other servers that wait for their answers; more are dropped, and who asks waits for its patience.
pub const QUESTIONS_MAX: usize = 64;

/// How long the other servers have to answer a question.
pub const SURVEY_PATIENCE: Duration = Duration::from_secs(2);

/// Channels in one message of an answer: some 300 KB of names at most, far from what a broker takes at once.
pub const ANSWER_CHANNELS_MAX: usize = 1_000;

/// What an application's servers want done with one connection and is not done yet; over it the connection is closed, and
/// its client comes back.
pub const STEERS_MAX: usize = 256;

/// Calls of the broker that one request of the server API has under way at the same time.
pub const API_CALLS_AT_ONCE: usize = 64;

/// Commands in one request of the server API: many enough that the way there and back does not count, few enough that one request
/// holds nobody up for long.
pub const API_COMMANDS_MAX: usize = 128;

/// Those of a batch that may be under way at the same time: each may be answered with all that a channel keeps, 16 MiB.
pub const API_COMMANDS_AT_ONCE: usize = 16;

/// Bytes of the publications that one answer about a history has, of which the first may have more: what a channel of Naru's broker
/// keeps unless set otherwise.
pub const API_HISTORY_BYTES_MAX: u64 = 16 << 20;

/// Bytes of the answers in one request, after which no other command of it is begun: twice what one channel keeps.
pub const API_ANSWERS_BYTES_MAX: usize = 32 << 20;

/// For how long a publication is known again by its idempotency key.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Time for the body of a request of the server API.
pub const API_BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Connections to the server API's own port; more wait to be accepted.
pub const API_CONNECTIONS_MAX: usize = 1024;

/// Entries in a page of history, when the client names no number, and at most.
pub const HISTORY_ENTRIES: usize = 50;
/// See [`HISTORY_ENTRIES`].
pub const HISTORY_ENTRIES_MAX: usize = 100;

/// Conversations in a page, when the client names no number, and at most.
pub const CONVERSATIONS: usize = 50;
/// See [`CONVERSATIONS`].
pub const CONVERSATIONS_MAX: usize = 200;

/// Pages of a log that are looked through for what somebody who comes back to a room was there.
pub const SILENCE_PAGES_MAX: usize = 20;

/// Members in a page, when the client names no number, and at most.
pub const MEMBERS: usize = 100;
/// See [`MEMBERS`].
pub const MEMBERS_MAX: usize = 1_000;

/// How long a client whose subscription the server has ended for now is expected to subscribe again. SDKs wait up to 20 s between
/// two attempts.
pub const RETURNING_PATIENCE: Duration = Duration::from_secs(30);

/// Interests withdrawn at the broker at once.
pub const WITHDRAWALS_MAX: usize = 32;

/// Time between two pings. The first comes after half of this or more, so that a mass reconnect is not in step.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// Time a client has for its pong.
pub const PONG_PATIENCE: Duration = Duration::from_secs(10);

/// Time in which a client takes something of what waits for it, unless set otherwise: as long as it has for a pong, so that a
/// connection that is away for a moment is not cut by either. What its system acknowledges counts, however little: the kernel takes
/// more of us only once it has got rid of a third of what it holds, which on a slow connection lasts longer than this.
pub const WRITE_TIMEOUT: Duration = PONG_PATIENCE;

/// Time a client has for its connect command, unless set otherwise.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Time a connect command has, from its coming to its answer. SDKs wait for 5 s: who has to come again is told so before, and
/// gives the place up.
pub const ADMIT_PATIENCE: Duration = Duration::from_secs(4);

/// Time a client has to go by itself whose connect command was refused.
pub const REFUSED_PATIENCE: Duration = Duration::from_secs(10);

/// Time an expired connection has for its refresh.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(25);

/// The longest time to live that is announced; a client refreshes at least this often.
pub const TTL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Clocks of ours and of whoever signs tokens may differ by this, unless the configuration says otherwise.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(30);

/// The least that tokens may be bounded to live: less would be over before it is shown.
pub const LIFETIME_MIN: Duration = Duration::from_secs(1);

/// And the most: a longer one bounds nothing for who has stolen one.
pub const LIFETIME_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most that clocks may be configured to differ by: for as long as that, an expired token still opens connections.
pub const CLOCK_LEEWAY_MAX: Duration = Duration::from_secs(300);

/// Tokens that are called back and remembered: half of what a channel keeps, so that those said last among what it keeps are not all
/// of them. Some 1 MiB in each server.
pub const REVOCATIONS_MAX: usize = naru_ledger::channel::SIZE_MAX as usize / 2;

/// Behind how many that were said since it is said again what still counts, whatever the channel still keeps. The rest of what it
/// keeps is for what is said meanwhile.
pub const REVOCATIONS_BEHIND_MAX: u64 = naru_ledger::channel::SIZE_MAX as u64 / 4 * 3;

/// Those read at once.
pub const REVOCATIONS_PAGE: u32 = 512;

/// For how long a token stays called back that does not say when it ends, and at most.
pub const REVOCATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Bytes of a token's `jti` that can be called back.
pub const TOKEN_ID_BYTES_MAX: usize = 1 << 10;

/// A longer `jti` is said to the other servers, and kept, as its hash, which has as many: as many as may be called back then fit into
/// what Naru's broker keeps of a channel.
pub const TOKEN_ID_SAID_MAX: usize = 64;

/// Who is present in a channel is told up to so many clients and bytes of what is said of them; how many there are, always.
pub const PRESENT_CLIENTS_MAX: u64 = 10_000;
/// See [`PRESENT_CLIENTS_MAX`]. Below [`OUTBOX_LIMIT`], with what else waits there.
pub const PRESENT_BYTES_MAX: usize = 4 << 20;

/// Bytes of a token.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;

/// Entries of a token's `caps`, the channels they name together, and those of them that are regular expressions: a session
/// keeps them.
pub const CAPABILITIES_MAX: usize = 64;
/// See [`CAPABILITIES_MAX`].
pub const CAPABILITY_CHANNELS_MAX: usize = 512;
/// See [`CAPABILITIES_MAX`].
pub const CAPABILITY_PATTERNS_MAX: usize = 16;

/// Bytes of one pattern in a token: longer than any channel name helps nobody.
pub const PATTERN_BYTES_MAX: usize = CHANNEL_BYTES_MAX;

/// Bytes that a regular expression may take when it is compiled.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 << 10;

/// Time for the answer of a JWKS endpoint, and so the most that a token with an unknown key id waits: less than
/// [`ADMIT_PATIENCE`].
pub const JWKS_PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a JWKS document.
pub const JWKS_BYTES_MAX: usize = 256 << 10;

/// Keys of a JWKS document.
pub const JWKS_KEYS_MAX: usize = 64;

/// Time between two looks at a JWKS endpoint, unless the configuration says otherwise: so long a withdrawn key still counts.
pub const JWKS_EVERY: Duration = Duration::from_secs(10 * 60);

/// The least time between two looks at a JWKS endpoint, whatever strangers' tokens name for keys.
pub const JWKS_PAUSE: Duration = Duration::from_secs(10);

/// How long a subscribe has to last before it is looked whether its client wants to end it: with most there is no time for that, and
/// of many in one frame each would read all the others.
pub const UNSUBSCRIBE_LOOK_AFTER: Duration = Duration::from_millis(100);

/// Time that a subscription may still take once it is seen that its client wants to end it: as long as SDKs wait for the answer to that.
pub const UNSUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);

/// Time for the application's answer to a hook, unless the configuration says otherwise.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(1);

/// The most that may be configured: for as long a client waits, and what it asks after that.
pub const PROXY_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Bytes of an answer of the application's.
pub const PROXY_ANSWER_BYTES_MAX: usize = 256 << 10;

/// Requests to one hook that are under way; others wait for their turn within their time.
pub const PROXY_CALLS_MAX: usize = 128;

/// Time to leave a connection or subscription as it is whose end has come while the application does not answer; then it is
/// asked again.
pub const RENEWAL_RETRY: Duration = Duration::from_secs(60);

/// Requests to other servers that wait for a connection or an answer; the next one fails at once.
pub const OUTBOUND_CALLS_MAX: usize = 1024;

/// Idle connections kept for one other server.
pub const OUTBOUND_IDLE_MAX: usize = 64;

/// Time that an idle connection to another server is kept.
pub const OUTBOUND_IDLE: Duration = Duration::from_secs(30);

/// Time to reach another server, TLS not counted.
pub const OUTBOUND_CONNECT: Duration = Duration::from_secs(2);

/// Time for a close frame to get through and to be answered. Well below the time a whole gateway has to stop.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// The same for who reads too slowly, and for what is missing of the message that it has in part: that much of what waited is held
/// for as long.
pub const SLOW_PATIENCE: Duration = Duration::from_secs(3);

/// The same for who has to make room for others. As long as that there are a few more connections than there may be.
pub const TURNED_OUT_PATIENCE: Duration = Duration::from_millis(100);

/// Time for a client's HTTP headers, and for its next request on a connection it keeps.
pub const HEADERS_PATIENCE: Duration = Duration::from_secs(5);

/// HTTP headers of one request.
pub const HEADERS_MAX: usize = 64;

/// Bytes of HTTP headers of one request.
pub const HEADERS_BYTES_MAX: usize = 8 << 10;

/// What hyper may buffer of one HTTP connection.
pub const HTTP_BUFFER_BYTES_MAX: usize = 16 << 10;

const _: () = assert!(PAUSE_BYTES < LIVE_BYTES_MAX && LIVE_BYTES_MAX < OUTBOX_LIMIT.hard_bytes);
const _: () = assert!(CALLS_MAX + EMULATIONS_MAX + REPLAYS_MAX + HEADS_AT_ONCE <= BUS_QUEUE);
const _: () =
    assert!(PROXY_CALLS_MAX < OUTBOUND_CALLS_MAX && PROXY_TIMEOUT.as_nanos() <= PROXY_TIMEOUT_MAX.as_nanos());
const _: () = assert!(JWKS_PATIENCE.as_secs() < ADMIT_PATIENCE.as_secs());
const _: () = assert!(HEADERS_BYTES_MAX <= HTTP_BUFFER_BYTES_MAX);
// What is done now and then is never due before the clock looks.
const _: () = assert!(PING_INTERVAL.as_secs() <= COMPARE_EVERY.as_secs() / 2);
const _: () = assert!(PONG_PATIENCE.as_secs() < PING_INTERVAL.as_secs());
