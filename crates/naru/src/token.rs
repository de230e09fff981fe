//! `naru token`

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use naru_gateway::TokenKey;
use naru_ledger::User;
use serde_json::{Map, Value};

use crate::printed::say;

#[derive(Args)]
pub(crate) struct Options {
    /// The secret that the chat servers were given.
    #[arg(long, env = "NARU_TOKEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    secret: String,
    /// Whom the token signs in; with --channel, whose subscription it opens. '' for nobody in particular.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Makes a subscription token, for this channel.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// What else it says, as JSON, such as '{"info":{"name":"Alice"},"channels":["news"]}'.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// How long it is good for, such as 30m, 1h or 7d.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration, value_name = "TIME")]
    ttl: Duration,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let key = TokenKey::secret(&options.secret).context("--secret")?;
    say!("{}", key.sign_claims(claims(options)?, options.ttl))?;
    Ok(ExitCode::SUCCESS)
}

fn claims(options: &Options) -> anyhow::Result<Map<String, Value>> {
    if !options.user.is_empty() {
        User::parse(&options.user).context("--user")?;
    }
    let mut claims = match &options.claims {
        Some(json) => serde_json::from_str(json).context("--claims is a JSON object")?,
        None => Map::new(),
    };
    let own = [("sub", Some(&options.user), "--user"), ("channel", options.channel.as_ref(), "--channel")];
    for (claim, value, option) in own {
        let Some(value) = value else { continue };
        if claims.insert(claim.to_owned(), value.as_str().into()).is_some() {
            bail!("{claim:?} is said by {option}; leave it out of --claims");
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(user: &str, channel: Option<&str>, claims: Option<&str>) -> Options {
        Options {
            secret: "secret".into(),
            user: user.into(),
            channel: channel.map(Into::into),
            claims: claims.map(Into::into),
            ttl: Duration::from_secs(60),
        }
    }

    fn said(user: &str, channel: Option<&str>, more: Option<&str>) -> anyhow::Result<String> {
        claims(&options(user, channel, more)).map(|claims| Value::from(claims).to_string())
    }

    #[test]
    fn a_token_says_what_the_options_say() {
        assert_eq!(said("alice", None, None).unwrap(), r#"{"sub":"alice"}"#);
        assert_eq!(said("", Some("$a"), None).unwrap(), r#"{"channel":"$a","sub":""}"#);
        let more = r#"{"exp":1,"info":{"a":[1]}}"#;
        assert_eq!(said("alice", None, Some(more)).unwrap(), r#"{"exp":1,"info":{"a":[1]},"sub":"alice"}"#);
        for (user, more) in
            [("a\nb", None), ("a", Some("[]")), ("a", Some("{")), ("a", Some(r#"{"sub":"b"}"#))]
        {
            said(user, None, more).unwrap_err();
        }
    }
}
