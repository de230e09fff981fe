//! The text.

use std::{fmt, sync::Arc};

use naru_bus::Latency;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, text::encode,
    },
    metrics::MetricType,
    registry::Registry,
};

use super::{
    Figure, Meter, Metrics, Value,
    meter::{self, ERRORS, REFUSALS},
    process::{self, Process},
};
use crate::{limits::CALLS_MAX, namespaces::Counted, protocol::flavour::Flavour};

/// What is sent.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Transport and encoding of each flavour.
const FLAVOURS: [(Flavour, &str, &str); Flavour::COUNT] = [
    (Flavour::WebSocketJson, "websocket", "json"),
    (Flavour::WebSocketProtobuf, "websocket", "protobuf"),
    (Flavour::StreamJson, "http_stream", "json"),
    (Flavour::StreamProtobuf, "http_stream", "protobuf"),
    (Flavour::Events, "sse", "json"),
];

type Written = Result<(), fmt::Error>;

/// All metrics as they are now.
pub(super) fn text(metrics: &Arc<Metrics>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(metrics.clone())));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    text
}

struct Scrape(Arc<Metrics>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Written {
        let mut page = Page(encoder);
        sessions(&mut page, &self.0)?;
        commands(&mut page, &self.0)?;
        publications(&mut page, &self.0)?;
        proxied(&mut page, &self.0)?;
        broker(&mut page, &self.0)?;
        embedded(&mut page, &self.0)?;
        build(&mut page)?;
        process_itself(&mut page)
    }
}

impl Metrics {
    fn sum(&self, of: impl Fn(&Meter) -> u64) -> u64 {
        self.meters.iter().map(of).sum()
    }
}

fn sessions(page: &mut Page<'_>, metrics: &Metrics) -> Written {
    let labels = |transport, encoding| [("transport", transport), ("encoding", encoding)];
    page.family("naru_sessions", "Sessions of clients", MetricType::Gauge, |family| {
        FLAVOURS.iter().try_for_each(|&(flavour, transport, encoding)| {
            let count = metrics.sum(|meter| meter.sessions(flavour as usize));
            family.encode_family(&labels(transport, encoding))?.encode_gauge(&count)
        })
    })?;
    let waiting = metrics.sum(Meter::waiting);
    page.gauge("naru_sessions_waiting", "Requests for a session that wait for their turn", waiting)?;
    page.family(
        "naru_sessions_opened",
        "Sessions that clients have opened",
        MetricType::Counter,
        |family| {
            FLAVOURS.iter().try_for_each(|&(flavour, transport, encoding)| {
                let count = metrics.sum(|meter| meter.opened(flavour as usize));
                counter(&mut family.encode_family(&labels(transport, encoding))?, count)
            })
        },
    )?;
    let help = "Sessions that were refused before they began";
    page.family("naru_sessions_refused", help, MetricType::Counter, |family| {
        REFUSALS.iter().enumerate().try_for_each(|(place, (_, reason))| {
            let count = metrics.sum(|meter| meter.refusals(place));
            counter(&mut family.encode_family(&[("reason", *reason)])?, count)
        })
    })?;
    let disconnects = metrics.disconnects.lock().clone();
    page.family("naru_disconnects", "Sessions that have ended", MetricType::Counter, |family| {
        disconnects
            .iter()
            .try_for_each(|(code, count)| counter(&mut family.encode_family(&[("code", *code)])?, *count))
    })?;
    page.gauge("naru_users", "Users who have sessions", metrics.interests.users())?;
    let subscriptions = metrics.sum(Meter::subscriptions);
    page.gauge("naru_subscriptions", "Channels that each session hears, all together", subscriptions)?;
    if let Some(directory) = metrics.directory.get() {
        let connections = directory.connections();
        page.gauge("naru_connections", "Connections to the clients' port", connections)?;
        page.counter("naru_sent_bytes", "Bytes sent to sessions", directory.written_bytes())?;
    }
    let deliveries = metrics.sum(Meter::deliveries);
    page.counter("naru_deliveries", "Publications handed to sessions, to each", deliveries)
}

fn commands(page: &mut Page<'_>, metrics: &Metrics) -> Written {
    page.family("naru_commands", "Commands of clients", MetricType::Counter, |family| {
        meter::commands().enumerate().try_for_each(|(place, name)| {
            let count = metrics.sum(|meter| meter.command(place));
            counter(&mut family.encode_family(&[("command", name)])?, count)
        })
    })?;
    page.family("naru_command_errors", "Commands answered with an error", MetricType::Counter, |family| {
        ERRORS.iter().enumerate().try_for_each(|(place, (_, code))| {
            let count = metrics.sum(|meter| meter.error(place));
            counter(&mut family.encode_family(&[("code", *code)])?, count)
        })?;
        // Any number that the application likes.
        counter(&mut family.encode_family(&[("code", "application")])?, metrics.sum(Meter::errors_told))
    })
}

/// What is published in channels, and to how many, by namespaces: the configuration has named those.
fn publications(page: &mut Page<'_>, metrics: &Metrics) -> Written {
    let namespaces = metrics.namespaces.load();
    let counted: Vec<_> = namespaces.counted().collect();
    let mut each = |name: &str, help: &str, of: fn(&Counted) -> u64| {
        page.family(name, help, MetricType::Counter, |family| {
            counted.iter().try_for_each(|(namespace, counted)| {
                counter(&mut family.encode_family(&[("namespace", *namespace)])?, of(counted))
            })
        })
    };
    each("naru_publications", "Publications by clients and the server API", Counted::publications)?;
    each("naru_published_bytes", "Bytes of what was published", Counted::published_bytes)?;
    each("naru_channel_deliveries", "Publications in channels, to each subscriber", Counted::deliveries)
}

/// What the application was asked.
fn proxied(page: &mut Page<'_>, metrics: &Metrics) -> Written {
    let counted = metrics.backend.counted();
    page.family("naru_proxy_calls", "What the application was asked", MetricType::Counter, |family| {
        counted.calls().try_for_each(|(hook, outcome, count)| {
            counter(&mut family.encode_family(&[("hook", hook), ("outcome", outcome)])?, count)
        })
    })?;
    let help = "Time that asking the application took";
    page.family("naru_proxy_call_seconds", help, MetricType::Histogram, |family| {
        counted
            .times()
            .try_for_each(|(hook, times)| histogram(&mut family.encode_family(&[("hook", hook)])?, times))
    })
}

/// What the broker in this process counts, if there is one.
fn embedded(page: &mut Page<'_>, metrics: &Metrics) -> Written {
    let figures = metrics.embedded.as_ref().map(|read| read()).unwrap_or_default();
    figures.iter().try_for_each(|figure| match *figure {
        Figure { name, help, value: Value::Counter(value) } => page.counter(name, help, value),
        Figure { name, help, value: Value::Seconds(value) } => page.counter(name, help, value),
        Figure { name, help, value: Value::Gauge(value) } => page.gauge(name, help, value),
    })
}

fn build(page: &mut Page<'_>) -> Written {
    page.family("naru_build_info", "What this is; always 1", MetricType::Gauge, |family| {
        family.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?.encode_gauge(&1_u64)
    })
}

fn broker(page: &mut Page<'_>, metrics: &Metrics) -> Written {
    let under_way = CALLS_MAX.saturating_sub(metrics.calls.available_permits());
    page.gauge("naru_commands_under_way", "Commands that wait for the broker", under_way)?;
    page.gauge("naru_bus_up", "Whether the broker can be asked", u64::from(metrics.bus.is_up()))?;
    page.times("naru_bus_call_seconds", "Time that calls to the broker took", metrics.bus.latency())?;
    page.times(
        "naru_replay_wait_seconds",
        "Time that reading an inbox waited for its turn",
        &metrics.replay_waits,
    )
}

fn process_itself(page: &mut Page<'_>) -> Written {
    let Process { cpu_seconds, resident_bytes, open_files, open_files_max } = Process::read();
    page.gauge("process_start_time_seconds", "When it was started, since 1970", process::started())?;
    page.counter("process_cpu_seconds", "Processor time used", cpu_seconds)?;
    page.gauge("process_resident_memory_bytes", "Memory that is resident", resident_bytes)?;
    page.gauge("process_open_fds", "Files and sockets that are open", open_files)?;
    page.gauge("process_max_fds", "Files and sockets that may be open", open_files_max)
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> Written,
    ) -> Written {
        write(&mut self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> Written {
        self.family(name, help, MetricType::Counter, |family| counter(family, value))
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Written {
        self.family(name, help, MetricType::Gauge, |family| family.encode_gauge(&value))
    }

    fn times(&mut self, name: &str, help: &str, times: &Latency) -> Written {
        self.family(name, help, MetricType::Histogram, |family| histogram(family, times))
    }
}

fn histogram(family: &mut MetricEncoder<'_>, times: &Latency) -> Written {
    let (sum, buckets) = times.read();
    let count = buckets.iter().map(|(_, count)| count).sum();
    family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn counter(family: &mut MetricEncoder<'_>, value: impl EncodeCounterValue) -> Written {
    family.encode_counter::<NoLabelSet, _, u64>(&value, None)
}
