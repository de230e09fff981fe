use std::mem::size_of_val;
use std::sync::mpsc::{Receiver, sync_channel};

use naru_ledger::Server;
use tokio::io::DuplexStream;
use tokio::task::yield_now;

use super::*;
use crate::event::{Event, Hears};
use crate::limits::BEHIND_PAUSE;
use crate::played::{self, hears, says};

fn silent() -> Arc<Events> {
    Arc::new(Events::new(&Server::parse("s1").unwrap(), Box::new(|_| ())))
}

/// Polls a call once, so that it is asked, and awaits it apart.
async fn asked<T: Send + 'static>(
    call: impl Future<Output = Result<T, BusError>> + Send + 'static,
) -> tokio::task::JoinHandle<Result<T, BusError>> {
    let call = tokio::spawn(call);
    yield_now().await;
    call
}

fn get(connection: &Connection, key: &'static str) -> impl Future<Output = Result<Value, BusError>> + use<> {
    let connection = connection.clone();
    async move { connection.call(redis::cmd("GET").arg(key)).await }
}

async fn heard(broker: &mut DuplexStream, words: &str) {
    assert_eq!(hears(broker).await, words);
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_calls_also_in_pieces_and_with_pushes_between_them() {
    let (connection, mut broker) = played::connection(&silent()).await;
    let first = asked(get(&connection, "a")).await;
    let second = asked(get(&connection, "b")).await;
    heard(&mut broker, "GET a GET b").await;
    for piece in
        ["$1\r", "\n1\r\n>3\r\n$7\r\nmess", "age\r\n$1\r\nc\r\n$1\r\nx\r\n*2\r\n:", "7\r\n-ERR no\r\n"]
    {
        says(&mut broker, piece).await;
        yield_now().await;
    }
    assert_eq!(first.await.unwrap(), Ok(Value::BulkString(b"1".to_vec())));
    let Ok(Value::Array(values)) = second.await.unwrap() else { panic!() };
    assert_eq!(values[0], Value::Int(7));
    let refused: BusError = values[1].clone().extract_error().unwrap_err().into();
    assert_eq!(refused, BusError::Refused { code: "ERR".to_owned(), message: "no".to_owned() });
}

#[tokio::test]
async fn a_pipeline_has_all_its_answers_and_an_error_among_them_is_one() {
    let (connection, mut broker) = played::connection(&silent()).await;
    let mut pipeline = redis::pipe();
    pipeline.cmd("PING").cmd("GET").arg("a");
    let all = asked({
        let connection = connection.clone();
        async move { connection.pipeline(&pipeline).await }
    });
    let all = all.await;
    let next = asked(get(&connection, "b")).await;
    heard(&mut broker, "PING GET a GET b").await;
    says(&mut broker, "+PONG\r\n-WRONGTYPE x\r\n_\r\n").await;
    let values = all.await.unwrap().unwrap();
    assert_eq!(values[0], Value::SimpleString("PONG".to_owned()));
    assert!(matches!(&values[1], Value::ServerError(error) if error.code() == "WRONGTYPE"));
    assert_eq!(next.await.unwrap(), Ok(Value::Nil));
}

#[tokio::test]
async fn a_subscription_is_made_when_all_of_it_is_confirmed_and_a_refusal_ends_it() {
    let (connection, mut broker) = played::connection(&silent()).await;
    let subscribe = |channels: &'static [&'static str]| {
        let connection = connection.clone();
        async move { connection.subscribe(channels).await }
    };
    let both = asked(subscribe(&["a", "b"])).await;
    let refused = asked(subscribe(&["c"])).await;
    let next = asked(get(&connection, "d")).await;
    heard(&mut broker, "SUBSCRIBE a b SUBSCRIBE c GET d").await;
    // What is a confirmation of something else is none of this.
    says(&mut broker, ">3\r\n+unsubscribe\r\n$1\r\na\r\n:0\r\n>3\r\n+subscribe\r\n$1\r\na\r\n:1\r\n").await;
    yield_now().await;
    assert!(!both.is_finished());
    says(&mut broker, ">3\r\n+subscribe\r\n$1\r\nb\r\n:2\r\n-NOPERM no\r\n:1\r\n").await;
    assert_eq!(both.await.unwrap(), Ok(()));
    let noperm = BusError::Refused { code: "NOPERM".to_owned(), message: "no".to_owned() };
    assert_eq!(refused.await.unwrap(), Err(noperm));
    assert_eq!(next.await.unwrap(), Ok(Value::Int(1)));
}

#[tokio::test]
async fn whoever_gives_up_leaves_the_answers_of_the_others_in_their_places() {
    let (connection, mut broker) = played::connection(&silent()).await;
    let given_up = asked(get(&connection, "a")).await;
    let next = asked(get(&connection, "b")).await;
    given_up.abort();
    heard(&mut broker, "GET a GET b").await;
    says(&mut broker, ":1\r\n:2\r\n").await;
    assert_eq!(next.await.unwrap(), Ok(Value::Int(2)));
}

#[tokio::test]
async fn only_so_many_wait_for_the_broker_also_of_those_who_have_given_up() {
    let (connection, mut broker) = played::connection(&silent()).await;
    for _ in 0..CALLS_MAX {
        asked(get(&connection, "a")).await.abort();
    }
    let next = asked(get(&connection, "b")).await;
    let mut asked = String::new();
    while asked.len() < CALLS_MAX * "GET a ".len() - 1 {
        asked += &hears(&mut broker).await;
        asked += " ";
    }
    assert!(!asked.contains('b'));
    says(&mut broker, ":1\r\n").await;
    heard(&mut broker, "GET b").await;
    says(&mut broker, &":1\r\n".repeat(CALLS_MAX)).await;
    assert_eq!(next.await.unwrap(), Ok(Value::Int(1)));
}

#[tokio::test]
async fn a_lost_connection_answers_everybody_and_takes_no_more_calls() {
    for last in ["", "$5\r\nab", "what is this\r\n", ":1\r\n:2\r\n"] {
        let (connection, mut broker) = played::connection(&silent()).await;
        let call = asked(get(&connection, "a")).await;
        heard(&mut broker, "GET a").await;
        says(&mut broker, last).await;
        if last.ends_with(":2\r\n") {
            // An answer that nobody waits for.
            assert_eq!(call.await.unwrap(), Ok(Value::Int(1)));
        } else {
            drop(broker);
            assert_eq!(call.await.unwrap(), Err(BusError::Unreachable), "{last:?}");
        }
        assert_eq!(get(&connection, "a").await, Err(BusError::Unreachable), "{last:?}");
    }
}

#[tokio::test]
async fn the_last_handle_ends_the_connection_once_all_is_written() {
    let (connection, mut broker) = played::connection(&silent()).await;
    let call = asked(get(&connection, "a")).await;
    call.abort();
    drop(connection);
    heard(&mut broker, "GET a").await;
    assert_eq!(hears(&mut broker).await, "");
}

#[tokio::test]
async fn why_nobody_is_let_in_is_said_also_if_the_door_is_closed_behind_it() {
    let refused =
        |code: &str, message: &str| BusError::Refused { code: code.to_owned(), message: message.to_owned() };
    for (unasked, answer, error) in [
        ("", "-WRONGPASS no\r\n", refused("WRONGPASS", "no")),
        ("-DENIED protected mode\r\n", "", refused("DENIED", "protected mode")),
        ("", "", BusError::Unreachable),
    ] {
        let (ours, mut broker) = tokio::io::duplex(1024);
        says(&mut broker, unasked).await;
        let login = RedisConnectionInfo::default();
        let answered = async move {
            if unasked.is_empty() {
                hears(&mut broker).await;
            }
            says(&mut broker, answer).await;
        };
        let (opened, ()) = tokio::join!(Connection::open(ours, &login, silent()), answered);
        assert_eq!(opened.err(), Some(error));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_hears_at_once_that_the_connection_is_lost() {
    let (connection, broker) = played::connection(&silent()).await;
    let mut all = Vec::new();
    for _ in 0..=CALLS_MAX {
        all.push(asked(get(&connection, "a")).await);
    }
    drop(broker);
    let begun = tokio::time::Instant::now();
    for call in all {
        assert_eq!(call.await.unwrap(), Err(BusError::Unreachable));
    }
    for _ in 0..=CALLS_MAX {
        assert_eq!(get(&connection, "a").await, Err(BusError::Unreachable));
    }
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO);
}

#[tokio::test]
async fn what_is_asked_goes_out_although_there_is_always_more_to_read() {
    struct Chatty(DuplexStream);
    impl AsyncRead for Chatty {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            buffer.put_slice(b">1\r\n+pong\r\n");
            std::task::Poll::Ready(Ok(()))
        }
    }
    impl AsyncWrite for Chatty {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }
    let (ours, mut broker) = tokio::io::duplex(1024);
    let login = RedisConnectionInfo::default();
    tokio::select! {
        _ = Connection::open(Chatty(ours), &login, silent()) => panic!("nobody has answered"),
        words = hears(&mut broker) => assert_eq!(words, "HELLO 3"),
    }
}

/// Hears, and is behind as long as it is told to be.
struct Slow(std::sync::mpsc::SyncSender<Event>, Arc<std::sync::atomic::AtomicBool>);

impl Hears for Slow {
    fn hear(&self, event: Event) {
        self.0.send(event).unwrap();
    }

    fn is_behind(&self) -> bool {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_whoever_hears_it_is_behind_but_calls_go_out() {
    let behind = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (sender, events): (_, Receiver<Event>) = sync_channel(8);
    let server = Server::parse("s1").unwrap();
    let ears = Arc::new(Events::new(&server, Box::new(Slow(sender, behind.clone()))));
    let (connection, mut broker) = played::connection(&ears).await;
    behind.store(true, std::sync::atomic::Ordering::Relaxed);
    let call = asked(get(&connection, "a")).await;
    heard(&mut broker, "GET a").await;
    says(&mut broker, ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n:1\r\n").await;
    tokio::time::sleep(BEHIND_PAUSE * 10).await;
    // What came before it was behind may have been waited for by a read that was under way.
    let read = events.try_iter().count();
    says(&mut broker, ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\ny\r\n").await;
    tokio::time::sleep(BEHIND_PAUSE * 10).await;
    assert!(events.try_recv().is_err());
    behind.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(call.await.unwrap(), Ok(Value::Int(1)));
    tokio::time::sleep(BEHIND_PAUSE * 10).await;
    assert_eq!(read + events.try_iter().count(), 2);
}

#[tokio::test]
async fn a_call_is_small() {
    let (connection, _broker) = played::connection(&silent()).await;
    let command = redis::cmd("PING");
    let size = size_of_val(&crate::ask::ask(&connection, &command));
    assert!(size <= 640, "{size} bytes");
}
