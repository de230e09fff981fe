//! The course of a live run: everybody connects, sends for a while, and waits for what is still to come; then the logs are read.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::random::Random;
use super::chaos;
use super::client::{Client, Place, Refusal};
use super::device::Device;
use super::history::{Entry, What, due};
use super::reading::entries;
use super::scene::{Phase, Scene, Standing};
use super::stage::Stage;

/// How often it is looked whether what is waited for is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long everybody may take to connect, before anything happens.
const GATHER_TIMEOUT: Duration = Duration::from_secs(30);

/// When all has come, what should not come has this long to come.
const LINGER: Duration = Duration::from_millis(500);

const PAGE_ENTRIES: u32 = 100;

pub(super) struct Times {
    pub(super) load: Duration,
    pub(super) patience: Duration,
    /// None if nothing is killed.
    pub(super) kill_every: Option<Duration>,
}

/// A conversation's log, as far as retention has left it.
struct Log {
    conversation: String,
    entries: Vec<Entry>,
    /// The last one that is gone.
    trimmed: u64,
}

/// Runs it. What happens is in the scene's events.
pub(super) async fn run(scene: &Rc<Scene>, stage: &mut Option<Stage>, times: &Times) -> Result<()> {
    let mut devices = JoinSet::new();
    look_for_counts(scene).await?;
    for number in 0..scene.cast.devices.len() {
        devices.spawn_local(Device::new(scene.clone(), number).run());
    }
    gather(scene).await?;
    scene.phase.send_replace(Phase::Load);
    load(scene, stage, times).await?;
    scene.happens(What::Calm);
    scene.phase.send_replace(Phase::Calm);

    // Whether it comes to that or not, the history says. Each has its own patience: a machine that is slow in one is not taken for a
    // server that did not do the next, of which nothing had been asked yet.
    let end = || Instant::now() + times.patience;
    wait(scene, end(), |_, standing| standing.is_connected && standing.unanswered == 0).await;
    let logs = read_logs(scene, end()).await;
    for Log { conversation, entries, trimmed } in &logs {
        let (conversation, entries, trimmed) = (conversation.clone(), entries.clone(), *trimmed);
        scene.happens(What::Log { conversation, entries, trimmed });
    }
    wait(scene, end(), |device, standing| has_all(scene, device, standing, &logs)).await;
    if scene.counts_unread.get() {
        scene.phase.send_replace(Phase::Count);
        wait(scene, end(), |_, standing| standing.has_counted || !scene.counts_unread.get()).await;
    }
    sleep(LINGER).await;
    scene.happens(What::End);
    scene.phase.send_replace(Phase::Over);
    while let Some(ended) = devices.join_next().await {
        ended.context("a device's task")?;
    }
    Ok(())
}

/// Waits until everybody has connected once, so that each device is known before anything is sent.
async fn gather(scene: &Scene) -> Result<()> {
    let end = Instant::now() + GATHER_TIMEOUT;
    if wait(scene, end, |_, standing| standing.is_connected).await {
        return Ok(());
    }
    let (device, standing) = scene.laggard(|_, standing| standing.is_connected).unwrap_or_default();
    let user = &scene.cast.devices[device].user;
    bail!("{user} cannot connect, and has tried for {GATHER_TIMEOUT:?}: {}", standing.why)
}

async fn load(scene: &Scene, stage: &mut Option<Stage>, times: &Times) -> Result<()> {
    let over = sleep(times.load);
    match (stage, times.kill_every) {
        (Some(stage), Some(every)) => {
            let mut random = Random::new(scene.seed ^ 0xc4a0_5c4a);
            let last = Random::new(random.next());
            select! {
                () = over => {}
                ended = chaos::run(scene, stage, random, every) => return ended,
            }
            chaos::kill_last(scene, stage, last).await
        }
        _ => {
            over.await;
            Ok(())
        }
    }
}

/// Waits until every device is so far. Returns whether it came to that in time.
async fn wait(scene: &Scene, end: Instant, far: impl Fn(usize, &Standing) -> bool) -> bool {
    while scene.laggard(&far).is_some() {
        if Instant::now() > end {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}

fn has_all(scene: &Scene, device: usize, standing: &Standing, logs: &[Log]) -> bool {
    logs.iter().enumerate().all(|(conversation, Log { conversation: name, entries, .. })| {
        let from = scene.cast.conversations[conversation].from;
        let had = standing.had.get(name);
        let new = || entries.iter().filter(|entry| entry.seq > from);
        !scene.cast.takes_part(device, conversation)
            || due(new(), &scene.cast.devices[device].user)
                .into_iter()
                .zip(new())
                .all(|(is_due, entry)| !is_due || had.is_some_and(|had| had.contains(&entry.seq)))
    })
}

/// Finds out whether servers say what is unread.
async fn look_for_counts(scene: &Scene) -> Result<()> {
    let (_, place) = &scene.servers[0];
    let asked = async || {
        let mut reader = reader(scene, 0, place).await?;
        let id = reader.rpc("conversations", json!({})).await?;
        reader.answer(id).await
    };
    let end = Instant::now() + GATHER_TIMEOUT;
    let answer = loop {
        match asked().await {
            Ok(answer) => break answer,
            Err(error) if Instant::now() > end => return Err(error),
            // It may not have reached its broker yet.
            Err(_) => sleep(LOOK_EVERY).await,
        }
    };
    scene.counts_unread.set(answer.is_ok());
    Ok(())
}

/// Where conversations are before the run.
pub(super) async fn heads(scene: &mut Scene) -> Result<()> {
    for number in 0..scene.cast.conversations.len() {
        let Log { entries, trimmed, .. } = read_log(scene, number, number).await?;
        scene.cast.conversations[number].from = entries.last().map_or(trimmed, |entry| entry.seq);
    }
    Ok(())
}

/// The logs of all conversations, in their order, up to the first that could not be read in time.
async fn read_logs(scene: &Scene, end: Instant) -> Vec<Log> {
    let mut logs = Vec::new();
    for (number, members) in scene.cast.conversations.iter().enumerate() {
        let mut server = number;
        let log = loop {
            match read_log(scene, number, server).await {
                Ok(log) => break log,
                Err(error) if Instant::now() > end => {
                    tracing::warn!("{} could not be read: {error:#}", members.conversation);
                    return logs;
                }
                Err(_) => {
                    server += 1;
                    sleep(LOOK_EVERY).await;
                }
            }
        };
        logs.push(log);
    }
    logs
}

/// A conversation's log, page by page, from any server.
async fn read_log(scene: &Scene, conversation: usize, server: usize) -> Result<Log> {
    let members = &scene.cast.conversations[conversation];
    let all = &scene.cast.devices;
    // The first one is there to the end.
    let first = members.users.first().context("it has members")?;
    let device = all.iter().position(|device| device.user == *first).context("it has members")?;
    let (_, place) = &scene.servers[server % scene.servers.len()];
    let mut reader = reader(scene, device, place).await?;
    let mut pages: Vec<Vec<Entry>> = Vec::new();
    let mut trimmed = 0;
    loop {
        let mut request = json!({"conversation": members.conversation, "limit": PAGE_ENTRIES});
        if let Some(oldest) = pages.last().and_then(|page| page.first()) {
            request["before"] = oldest.seq.into();
        }
        let id = reader.rpc("history", request).await?;
        let data = reader.answer(id).await?.map_err(refused)?["rpc"]["data"].take();
        let page = entries(&data);
        trimmed = data["trimmed"].as_u64().unwrap_or(0).max(trimmed);
        let is_last = data["more"] != true || page.is_empty();
        pages.push(page);
        if is_last {
            let entries = pages.into_iter().rev().flatten().collect();
            return Ok(Log { conversation: members.conversation.clone(), entries, trimmed });
        }
    }
}

async fn reader(scene: &Scene, device: usize, place: &Place) -> Result<Client> {
    let opened = async {
        let mut client = Client::open(place).await?;
        // As one of theirs: a device more would hold back what their inbox may forget, for as long as it is known.
        let named = &scene.cast.devices[device].device;
        let request = json!({"token": scene.cast.tokens[device], "data": {"device": named}});
        let id = client.command("connect", request).await?;
        let _: Value = client.answer(id).await?.map_err(refused)?;
        anyhow::Ok(client)
    };
    timeout(GATHER_TIMEOUT, opened).await.context("nothing was answered")?.with_context(|| place.to_string())
}

fn refused(refusal: Refusal) -> anyhow::Error {
    anyhow::anyhow!("it was refused: {refusal}")
}
