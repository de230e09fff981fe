//! What is said in NATS's client protocol: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.
//!
//! A publish has no answer of its own there (the verbose mode, which has, is for debugging). So a PING follows each
//! write of publishes, and its PONG answers them all, since the server works through a connection in order.

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use super::dialog::Dialog;

pub(super) const PING: &[u8] = b"PING\r\n";
pub(super) const PONG: &[u8] = b"PONG\r\n";

/// What a connection calls its subscription, and so what messages of it begin with; with several, the first.
pub(super) const FIRST_SUBSCRIPTION: u32 = 1;

/// No echo: publishers and subscribers are different connections anyway. Protocol 0: no word of other servers.
const CONNECT: &str = r#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"echo":false,"protocol":0,"name":"naru bench","lang":"rust","version":"1"}"#;

/// What the server says of itself first.
#[derive(Deserialize)]
struct Info {
    max_payload: u64,
}

/// Signs in, if the server takes messages of `payload_bytes`.
pub(super) fn greet(dialog: &mut Dialog, payload_bytes: usize) -> anyhow::Result<()> {
    let line = dialog.line()?;
    let Some(info) = line.strip_prefix("INFO ") else { bail!("is it a NATS server? It greets with: {line}") };
    let info: Info = serde_json::from_str(info).context("it greets with an unknown INFO")?;
    ensure!(
        payload_bytes as u64 <= info.max_payload,
        "the server takes messages of {} bytes at most: raise its max_payload",
        info.max_payload
    );
    dialog.say(format!("{CONNECT}\r\nPING\r\n").as_bytes())?;
    pong(dialog)
}

/// Signs in and subscribes to `subjects`, each a name or, with `*` for one word of it, a pattern.
pub(super) fn subscribe(dialog: &mut Dialog, subjects: &[String]) -> anyhow::Result<()> {
    greet(dialog, 0)?;
    let mut request = Vec::new();
    for (subject, number) in subjects.iter().zip(FIRST_SUBSCRIPTION..) {
        request.extend_from_slice(format!("SUB {subject} {number}\r\n").as_bytes());
    }
    request.extend_from_slice(PING);
    dialog.say(&request)?;
    pong(dialog)
}

fn pong(dialog: &mut Dialog) -> anyhow::Result<()> {
    loop {
        match dialog.line()?.as_str() {
            "PONG" => return Ok(()),
            "PING" => dialog.say(PONG)?,
            other => bail!("the server answers: {other}"),
        }
    }
}
