//! `naru token`

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use naru_gateway::TokenKey;
use naru_ledger::User;

use crate::printed::say;

#[derive(Args)]
pub(crate) struct Options {
    /// The secret that the chat servers were given.
    #[arg(long, env = "NARU_TOKEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    secret: String,
    /// Whom the token signs in.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// How long it is good for, such as 30m, 1h or 7d.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration, value_name = "TIME")]
    ttl: Duration,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let user = User::parse(&options.user).context("--user")?;
    let key = TokenKey::secret(&options.secret).context("--secret")?;
    say!("{}", key.sign(&user, Some(options.ttl)))?;
    Ok(ExitCode::SUCCESS)
}
