//! What a live run can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Live load")]
pub(in super::super) struct Options {
    /// Drive live load through chat servers instead: people send, lose connections and come back elsewhere, while programs are
    /// killed; then check that nobody has lost anything.
    #[arg(long)]
    pub(in super::super) live: bool,
    /// Chat servers that are running, as ws://host:port, separated by commas. They are left alone but for the load.
    #[arg(long, value_name = "URL,…", value_delimiter = ',', group = "on", requires = "live")]
    pub(super) servers: Vec<String>,
    /// What those servers were given as --token-secret.
    #[arg(long, env = "NARU_TOKEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub(super) token_secret: Option<String>,
    /// Ready tokens instead: each line a user's name, a space, and a token that signs this user in. They get the devices phone
    /// and laptop, which have acknowledged everything at the end.
    #[arg(long, value_name = "FILE", requires = "servers")]
    pub(super) tokens: Option<PathBuf>,
    /// How many people take part, with one or two devices each.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    #[arg(requires = "live")]
    pub(super) users: u32,
    /// How many messages they send a second, all together.
    #[arg(long, value_name = "N", default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(requires = "live")]
    pub(super) rate: u32,
    /// How long they do, such as 15s or 10m. It ends when all has arrived, soon after.
    #[arg(long, default_value = "15s", value_parser = humantime::parse_duration, value_name = "TIME")]
    #[arg(requires = "live")]
    pub(super) time: Duration,
    /// How long to wait for what is still to arrive, before it counts as missing.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration, value_name = "TIME")]
    #[arg(requires = "live")]
    pub(super) patience: Duration,
    /// The time between two kills, on average, of what was started here; 0s for none.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration, value_name = "TIME")]
    #[arg(requires = "live")]
    pub(super) kill_every: Duration,
    /// Write all that happens to a file, one JSON object a line.
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(super) history: Option<PathBuf>,
    /// Check such a file, without a server.
    #[arg(long, value_name = "FILE", group = "on", conflicts_with = "live")]
    pub(in super::super) check: Option<PathBuf>,
}
