//! The fan-out's promises, over real sockets and on two cores.

mod line;

use std::{collections::HashMap, thread};

use line::{Client, OUTBOX_BYTES_MAX, start};

#[test]
fn every_subscriber_sees_one_order_and_each_publishers_own() {
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 2_000;
    let cores = start(2);
    let subscribers: Vec<Client> = (0..6)
        .map(|index| {
            let mut client = Client::connect(cores.directory());
            // Two of them by a pattern: the order is the channel's, not the topic's.
            let topic = if index < 2 { "ne*s" } else { "news" };
            assert_eq!(client.ask(&format!("S {topic}")), format!("+S {topic}"));
            client
        })
        .collect();
    let publishers = (0..PUBLISHERS).map(|publisher| {
        let mut client = Client::connect(cores.directory());
        thread::spawn(move || {
            for message in 0..MESSAGES {
                client.say(&format!("P news {publisher}:{message}"));
            }
            for _ in 0..MESSAGES {
                assert_eq!(client.hear(), "=6");
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let readers = subscribers.into_iter().map(|mut client| {
        thread::spawn(move || (0..PUBLISHERS * MESSAGES).map(|_| client.hear()).collect::<Vec<_>>())
    });
    let heard: Vec<Vec<String>> =
        readers.collect::<Vec<_>>().into_iter().map(|reader| reader.join().unwrap()).collect();
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "subscribers saw different orders");
    let mut next: HashMap<&str, usize> = HashMap::new();
    for line in &heard[0] {
        let (publisher, message) = line.strip_prefix("news ").unwrap().split_once(':').unwrap();
        let expected = next.entry(publisher).or_default();
        assert_eq!(message.parse::<usize>().unwrap(), *expected);
        *expected += 1;
    }
    cores.stop();
}

#[test]
fn one_connections_messages_keep_their_order_across_channels() {
    let cores = start(2);
    let mut subscriber = Client::connect(cores.directory());
    for channel in ["a", "b", "c"] {
        subscriber.ask(&format!("S {channel}"));
    }
    let mut publisher = Client::connect(cores.directory());
    let messages: Vec<String> =
        (0..3_000).map(|number| format!("{} {number}", ["a", "b", "c"][number % 3])).collect();
    for message in &messages {
        publisher.say(&format!("P {message}"));
    }
    for message in &messages {
        assert_eq!(subscriber.hear(), *message);
    }
    cores.stop();
}

#[test]
fn receivers_are_counted_exactly_while_subscriptions_come_and_go() {
    const ROUNDS: usize = 300;
    let cores = start(2);
    // On both cores there is somebody, so that every message goes through both mailboxes.
    let mut always: Vec<Client> = (0..2).map(|_| Client::connect(cores.directory())).collect();
    always.iter_mut().for_each(|client| assert_eq!(client.ask("S news"), "+S news"));
    let mut publisher = Client::connect(cores.directory());
    let mut churner = Client::connect(cores.directory());
    let churning = thread::spawn(move || {
        let mut heard = 0;
        for round in 0..ROUNDS {
            let topic = if round % 2 == 0 { "news" } else { "n*" };
            assert_eq!(
                churner.ask(&format!("S {topic}")),
                format!("+S {topic}"),
                "a message before its subscription"
            );
            churner.say(&format!("U {topic}"));
            while churner.hear() != format!("+U {topic}") {
                heard += 1;
            }
        }
        churner.say("P done now");
        assert_eq!(churner.hear(), "=0", "a message after its subscription");
        heard
    });
    let mut counted = 0;
    while !churning.is_finished() {
        let receivers = publisher.ask("P news x");
        always.iter_mut().for_each(|client| assert_eq!(client.hear(), "news x"));
        counted += receivers[1..].parse::<usize>().unwrap() - always.len();
    }
    assert_eq!(churning.join().unwrap(), counted);
    drop(always);
    cores.stop();
}

#[test]
fn who_does_not_read_is_cut_off_and_nobody_else_is() {
    let cores = start(1);
    let mut stalled = Client::connect(cores.directory());
    assert_eq!(stalled.ask("S news"), "+S news");
    let mut reading = Client::connect(cores.directory());
    assert_eq!(reading.ask("S news"), "+S news");
    let mut publisher = Client::connect(cores.directory());
    let text = "x".repeat(10_000);
    let mut published = 0;
    // The kernel's buffers take some before the outbox fills.
    while publisher.ask(&format!("P news {text}")) == "=2" {
        published += text.len();
        assert_eq!(reading.hear().len(), "news ".len() + text.len());
        assert!(published < 20 * OUTBOX_BYTES_MAX, "the stalled subscriber was never cut off");
    }
    assert!(published > OUTBOX_BYTES_MAX);
    reading.hear();
    assert_eq!(publisher.ask("P news still"), "=1");
    assert_eq!(reading.hear(), "news still");
    cores.stop();
}

#[test]
fn a_stopping_set_gives_its_peers_what_they_are_owed() {
    let cores = start(2);
    let mut subscriber = Client::connect(cores.directory());
    assert_eq!(subscriber.ask("S news"), "+S news");
    let mut publisher = Client::connect(cores.directory());
    for number in 0..1_000 {
        publisher.say(&format!("P news {number}"));
    }
    assert_eq!(publisher.hear(), "=1");
    let reading = thread::spawn(move || {
        let mut heard = Vec::new();
        loop {
            match subscriber.hear() {
                line if line.is_empty() => return heard,
                line => heard.push(line),
            }
        }
    });
    cores.stop();
    let heard = reading.join().unwrap();
    assert!(!heard.is_empty());
    let expected: Vec<String> = (0..heard.len()).map(|number| format!("news {number}")).collect();
    assert_eq!(heard, expected);
}
