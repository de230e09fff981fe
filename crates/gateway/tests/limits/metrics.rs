//! What is counted, and who may see it.

use naru_gateway::metrics;
use serde_json::json;

use crate::{
    get, status,
    support::{Client, Harbour, eventually},
};

/// The names of metrics, with what Prometheus has behind them.
fn names(page: &str) -> Vec<(String, String)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|it| it.split_once(' ').unwrap()).map(|(name, kind)| (name.into(), kind.into())).collect()
}

#[test]
fn metrics_are_shown_where_and_to_whom_they_are_to_be_and_are_those_of_the_document() {
    let harbour = Harbour::open();
    let plain = harbour.gateway("plain");
    assert_eq!(status(&get(plain.address(), "/metrics", "")), "404");
    let one = harbour.gateway_with("one", |options| {
        let settings = json!({"on_clients_port": true, "token": "hush"});
        options.metrics = serde_json::from_value::<metrics::Settings>(settings).unwrap().try_into().unwrap();
    });
    let address = one.address();
    assert_eq!(status(&get(address, "/metrics", "")), "401");
    assert_eq!(status(&get(address, "/metrics", "Authorization: Bearer hus\r\n")), "401");
    let scrape = || get(address, "/metrics", "Authorization: Bearer hush\r\n");

    let mut alice = Client::connect(address, "alice-whom-nobody-is-to-know");
    alice.subscribe("public:secret-channel");
    alice.ask("publish", json!({"channel": "public:secret-channel", "data": {"secret": "body"}}));
    alice.publication();
    assert_eq!(alice.refused("subscribe", json!({"channel": "nowhere:x"})).0, 102);
    let expected = [
        "naru_sessions{transport=\"websocket\",encoding=\"json\"} 1",
        "naru_sessions{transport=\"sse\",encoding=\"json\"} 0",
        "naru_users 1",
        // With her inbox.
        "naru_subscriptions 2",
        "naru_commands_total{command=\"publish\"} 1",
        "naru_command_errors_total{code=\"102\"} 1",
        "naru_deliveries_total 1",
        "naru_publications_total{namespace=\"public\"} 1",
        "naru_published_bytes_total{namespace=\"public\"} 17",
        "naru_channel_deliveries_total{namespace=\"public\"} 1",
        "naru_proxy_calls_total{hook=\"connect\",outcome=\"result\"} 0",
        "naru_bus_up 1",
    ];
    eventually("all is counted, and whoever has looked before is gone", || {
        let page = scrape();
        expected.iter().all(|line| page.lines().any(|it| it == *line))
    });
    let page = scrape();
    for secret in ["alice", "secret", "hush", "body"] {
        assert!(!page.contains(secret), "{secret} is in {page}");
    }
    alice.leave();
    eventually("she is gone", || {
        let page = scrape();
        page.lines().any(|it| it == "naru_users 0") && page.contains("naru_subscriptions 0\n")
    });

    let document = include_str!("../../../../docs/metrics.md");
    let told: Vec<_> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| row.split('`').next().unwrap().split('{').next().unwrap().to_owned())
        // It has no broker inside.
        .filter(|name| !name.starts_with("naru_broker_"))
        .collect();
    let suffixed = |(name, kind): (String, String)| {
        if kind == "counter" { format!("{name}_total") } else { name }
    };
    let exported: Vec<_> = names(&page).into_iter().map(suffixed).collect();
    assert_eq!(told, exported, "docs/metrics.md has them in the order in which they are exported");
}
