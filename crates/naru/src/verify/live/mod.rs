//! `naru verify --live`: people at chat servers, while processes are killed; then what each of them got is checked.
//!
//! What happens is written down by the clients as it happens (`history`), and judged afterwards (`checker`), which needs
//! neither servers nor a clock.

mod body;
mod cast;
mod chaos;
mod checker;
mod client;
mod device;
mod history;
pub(crate) mod leash;
mod load;
mod options;
mod reading;
mod report;
mod rooms;
mod scene;
mod stage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use naru_gateway::TokenKey;
use tokio::task::LocalSet;

use super::random::Random;
use crate::printed::say;
use crate::{secret, signals::Ends};
use cast::Cast;
use client::Place;
use history::{History, Run};
use load::Times;
pub(super) use options::Options;
use scene::Scene;
use stage::{Kind, Stage};

const MARK_CHARS: usize = 8;

/// How long tokens are good beyond the time that people send and are waited for: starting and checking take a while as well.
const TOKEN_TIME_TO_SPARE: Duration = Duration::from_secs(60 * 60);

/// Checks a history that was written before.
pub(super) fn check(file: &Path) -> Result<ExitCode> {
    told(&History::read(file)?)
}

fn told(history: &History) -> Result<ExitCode> {
    let is_well = report::print(history, &checker::check(history))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs live load, and checks it. `start` and `broker` are those of `naru verify`.
pub(super) fn run(
    options: &Options,
    start: Option<&PathBuf>,
    broker: Option<&String>,
    seed: u64,
) -> Result<ExitCode> {
    let kind = match (start, broker) {
        (Some(program), _) => Some(Kind::of(program)),
        (None, Some(url)) => Some(Kind::At(url.clone())),
        (None, None) => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let mut ends = Ends::new()?;
        tokio::select! {
            outcome = live(options, kind.as_ref(), seed) => outcome,
            () = ends.come() => bail!("it was asked to end before there was a verdict"),
        }
    })
}

async fn live(options: &Options, kind: Option<&Kind>, seed: u64) -> Result<ExitCode> {
    let mut random = Random::new(seed);
    let (mut stage, secret) = match kind {
        Some(kind) => {
            let secret = secret::random()?;
            (Some(Stage::start(kind, &secret).await?), Some(secret))
        }
        None => (None, options.token_secret.clone()),
    };
    let servers = match &stage {
        Some(stage) => stage.servers.clone(),
        None => named(&options.servers)?,
    };
    let mark = mark(kind)?;
    let mut cast = cast(options, &mark, secret.as_deref(), &mut random)?;
    if let Some(stage) = &stage {
        cast.add_rooms(&mark, &mut random);
        rooms::make(&stage.broker, stage.members_max, &mut cast.conversations).await?;
    }
    let mut scene = Scene::new(cast, servers, mark, options.rate, seed);
    if options.tokens.is_some() {
        load::heads(&mut scene).await.context("--servers")?;
    }
    let scene = Rc::new(scene);
    let kill_every = Some(options.kill_every).filter(|every| !every.is_zero());
    let times = Times { load: options.time, patience: options.patience, kill_every };
    let outcome = load::run(&scene, &mut stage, &times).await;

    let devices = scene.cast.devices.clone();
    let run = Run {
        seed,
        again: again(options, kind, seed),
        devices,
        conversations: scene.cast.conversations.clone(),
    };
    let history = History { run, events: scene.take_events() };
    if let Some(file) = &options.history {
        history.write(file)?;
    }
    outcome?;
    let verdict = told(&history)?;
    if verdict != ExitCode::SUCCESS
        && let Some(stage) = stage
    {
        say!("what was stored, and what the programs have logged, is in {}", stage.keep().display())?;
    }
    Ok(verdict)
}

fn named(urls: &[String]) -> Result<Vec<(String, Place)>> {
    let place = |url: &String| Ok((url.clone(), Place::parse(url).context("--servers")?));
    urls.iter().map(place).collect()
}

/// What tells names of this run from those of another on the same store.
fn mark(kind: Option<&Kind>) -> Result<String> {
    match kind {
        Some(Kind::Embedded | Kind::Naru | Kind::Redis(_)) => Ok(String::new()),
        Some(Kind::At(_)) | None => Ok(format!("-{}", &secret::random()?[..MARK_CHARS])),
    }
}

fn cast(options: &Options, mark: &str, secret: Option<&str>, random: &mut Random) -> Result<Cast> {
    if let Some(file) = &options.tokens {
        let read = std::fs::read_to_string(file).map_err(anyhow::Error::from);
        return read
            .and_then(|text| Cast::read(&text, random))
            .with_context(|| format!("--tokens {}", file.display()));
    }
    let secret =
        secret.context("--servers needs the --token-secret that they were given, or --tokens of people")?;
    let key = TokenKey::secret(secret).context("--token-secret")?;
    let ttl = options.time.saturating_add(options.patience).saturating_add(TOKEN_TIME_TO_SPARE);
    Cast::make(options.users, mark, |user| key.sign(user, ttl), random)
}

/// The command line that does the same again.
fn again(options: &Options, kind: Option<&Kind>, seed: u64) -> String {
    let on = match kind {
        Some(Kind::Embedded) => "--start embedded".to_owned(),
        Some(Kind::Naru) => "--start naru".to_owned(),
        Some(Kind::Redis(program)) => format!("--start {}", program.display()),
        Some(Kind::At(url)) => format!("--broker {url}"),
        None => format!("--servers {}", options.servers.join(",")),
    };
    let Options { users, rate, time, kill_every, .. } = options;
    let (time, kill_every) = (humantime::format_duration(*time), humantime::format_duration(*kill_every));
    let words = |time: String| time.replace(' ', "");
    format!(
        "naru verify --live {on} --seed {seed} --users {users} --rate {rate} --time {} --kill-every {}",
        words(time.to_string()),
        words(kill_every.to_string())
    )
}
