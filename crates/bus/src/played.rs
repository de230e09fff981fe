//! A broker played by a test, one command and one answer at a time.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::join;

use crate::connection::Connection;
use crate::event::Events;
use crate::link::set_up;
use crate::target::{Place, Target};

/// A connection, driven in the background, and the broker's end of it.
pub(crate) async fn connection(events: &Arc<Events>) -> (Connection, DuplexStream) {
    let (ours, mut broker) = duplex(64 * 1024);
    let nowhere = Target::Embedded(Arc::new(|| UnixStream::pair().map(|(end, _)| end)));
    let place = Place::parse(nowhere).unwrap();
    let welcome = async {
        assert_eq!(hears(&mut broker).await, "HELLO 3");
        says(&mut broker, "%1\r\n$6\r\nserver\r\n$4\r\nnaru\r\n").await;
        assert!(hears(&mut broker).await.starts_with("CLIENT SETINFO LIB-NAME naru-bus "));
        says(&mut broker, "+OK\r\n+OK\r\n").await;
    };
    let (opened, ()) = join!(set_up(&place, events, ours), welcome);
    let (connection, driver) = opened.unwrap();
    tokio::spawn(driver);
    (connection, broker)
}

/// The words of what the broker was sent since it last listened.
pub(crate) async fn hears(broker: &mut DuplexStream) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let len = broker.read(&mut bytes).await.unwrap();
    words(std::str::from_utf8(&bytes[..len]).unwrap())
}

/// Sends a reply or a push.
pub(crate) async fn says(broker: &mut DuplexStream, reply: &str) {
    broker.write_all(reply.as_bytes()).await.unwrap();
}

fn words(request: &str) -> String {
    let arguments = request.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
    arguments.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}
