//! What the broker inside counts, as metrics of the chat server.

use std::sync::Arc;

use naru_broker::{Broker, Figures};
use naru_gateway::metrics::{Embedded, Figure, Value};

/// Reads a broker's figures for as long as it runs; then there are none.
pub(super) fn of(broker: &Broker) -> Embedded {
    let read = broker.figures();
    Arc::new(move || read().map(exported).unwrap_or_default())
}

fn exported(figures: Figures) -> Vec<Figure> {
    let Figures {
        clients,
        connections,
        commands,
        input_bytes,
        output_bytes,
        published,
        keys,
        conversations,
        entries,
        open_entries,
        people,
        channels,
        publications,
        log_bytes,
        syncs,
        sync_time,
    } = figures;
    let counter = |name, help, value| Figure { name, help, value: Value::Counter(value) };
    let gauge = |name, help, value| Figure { name, help, value: Value::Gauge(value) };
    vec![
        gauge("naru_broker_clients", "Clients of the broker inside", clients),
        counter("naru_broker_connections", "Connections to the broker inside", connections),
        counter("naru_broker_commands", "Commands that the broker inside has executed", commands),
        counter("naru_broker_received_bytes", "Bytes that the broker inside has read", input_bytes),
        counter("naru_broker_sent_bytes", "Bytes that the broker inside has written", output_bytes),
        counter("naru_broker_messages_published", "Messages published at the broker inside", published),
        gauge("naru_broker_keys", "Keys of the broker inside", keys),
        gauge("naru_broker_conversations", "Conversations", conversations),
        gauge("naru_broker_entries", "Entries of all conversations", entries),
        gauge("naru_broker_open_entries", "Entries not yet in all inboxes they are for", open_entries),
        gauge("naru_broker_people", "People who have an inbox", people),
        gauge("naru_broker_channels", "Channels that keep something", channels),
        gauge("naru_broker_kept_publications", "Publications that channels keep", publications),
        gauge("naru_broker_log_bytes", "Bytes of the log's files", log_bytes),
        counter("naru_broker_log_syncs", "How often the log was synced", syncs),
        Figure {
            name: "naru_broker_log_sync_seconds",
            help: "Time that syncing the log took",
            value: Value::Seconds(sync_time.as_secs_f64()),
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        thread,
        time::{Duration, Instant},
    };

    use naru_broker::{Options, Storage};

    use super::*;

    #[test]
    fn what_is_exported_is_documented_and_of_the_broker() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().to_owned());
        let broker = Broker::start(Options::new(Vec::new(), storage, 1)).unwrap();
        let read = of(&broker);
        let reference = include_str!("../../../../docs/metrics.md");
        let told: Vec<_> = reference
            .lines()
            .filter_map(|line| line.strip_prefix("| `naru_broker_")?.split('`').next())
            .collect();
        let exported = read().into_iter().map(|figure| match figure.value {
            Value::Gauge(_) => figure.name.to_owned(),
            Value::Counter(_) | Value::Seconds(_) => format!("{}_total", figure.name),
        });
        assert_eq!(told, exported.map(|name| name["naru_broker_".len()..].to_owned()).collect::<Vec<_>>());
        let value = |name: &str| read().iter().find(|figure| figure.name == name).unwrap().value;
        assert_eq!(value("naru_broker_clients"), Value::Gauge(0));
        let mut client = broker.connect().unwrap();
        client.set_nonblocking(false).unwrap();
        client.write_all(b"CONFIG SET fsync always\r\nSET a b\r\n").unwrap();
        let mut reply = [0; 10];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n+OK\r\n");
        // The keeper notes it at the end of its turn.
        let begun = Instant::now();
        while value("naru_broker_keys") != Value::Gauge(1)
            || value("naru_broker_log_syncs") == Value::Counter(0)
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", read());
            thread::sleep(Duration::from_millis(5));
        }
        assert!(value("naru_broker_log_sync_seconds") > Value::Seconds(0.0), "{:?}", read());
        assert!(value("naru_broker_log_bytes") > Value::Gauge(0), "{:?}", read());
        assert_eq!(value("naru_broker_clients"), Value::Gauge(1));
        broker.stop();
        assert_eq!(read(), []);
    }
}
