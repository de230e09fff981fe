//! `--config FILE`: a configuration in Redis's own syntax.

mod redis_only;
mod syntax;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::ValueEnum;
use naru_broker::{Parameters, UserLine};

use super::settings::{DATA, Settings};
use crate::{listen, nearest, tls::AuthClients};
use redis_only::{REDIS_ONLY, is_of_a_module};

/// Files that include each other end here.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Reads other files where it stands.
const INCLUDE: &str = "include";

/// Each such line is a user; unlike other parameters they add up.
const USER: &str = "user";

/// Takes a parameter's words, the name left out.
type Take = fn(&mut Settings, &[String]) -> anyhow::Result<()>;

/// The parameters that exist here, under Redis's names.
const PARAMETERS: &[(&str, Take)] = &[
    ("acl-pubsub-default", |settings, words| {
        settings.acl.all_channels = Some(match one(words)?.to_ascii_lowercase().as_str() {
            "allchannels" => true,
            "resetchannels" => false,
            _ => bail!("it takes allchannels or resetchannels"),
        });
        Ok(())
    }),
    ("aclfile", |settings, words| {
        settings.acl.aclfile = path(words)?;
        Ok(())
    }),
    ("acllog-max-len", |settings, words| {
        settings.acl.log_len_max = Some(one(words)?.parse().context("it takes a number")?);
        Ok(())
    }),
    ("appendonly", |settings, words| {
        settings.memory = !yes_or_no(words)?;
        Ok(())
    }),
    ("bind", |settings, words| {
        ensure!(!words.is_empty(), "it takes one address or several");
        let addresses = words.iter().map(|word| word.parse());
        settings.bind = addresses.collect::<Result<_, String>>().map_err(anyhow::Error::msg)?;
        Ok(())
    }),
    ("dir", |settings, words| {
        settings.data = Some(Path::new(one(words)?).join(DATA));
        Ok(())
    }),
    ("io-threads", |settings, words| {
        let count = one(words)?.parse().ok().filter(|count| (1..=256).contains(count));
        settings.cores = Some(count.context("it takes a number from 1 to 256")?);
        Ok(())
    }),
    ("loglevel", |settings, words| {
        settings.log = Some(match one(words)?.to_ascii_lowercase().as_str() {
            "debug" => "debug",
            "verbose" | "notice" => "info",
            "warning" => "warn",
            "nothing" => "off",
            _ => bail!("it takes debug, verbose, notice, warning or nothing"),
        });
        Ok(())
    }),
    ("port", |settings, words| {
        settings.port = Some(port(words)?);
        Ok(())
    }),
    ("requirepass", |settings, words| {
        settings.requirepass = Some(one(words)?).filter(|password| !password.is_empty()).cloned();
        Ok(())
    }),
    ("tls-auth-clients", |settings, words| {
        let whether = AuthClients::from_str(one(words)?, true);
        settings.tls.tls_auth_clients = Some(whether.map_err(|_| anyhow!("it takes yes, no or optional"))?);
        Ok(())
    }),
    ("tls-ca-cert-file", |settings, words| {
        settings.tls.tls_ca_cert_file = path(words)?;
        Ok(())
    }),
    ("tls-cert-file", |settings, words| {
        settings.tls.tls_cert_file = path(words)?;
        Ok(())
    }),
    ("tls-key-file", |settings, words| {
        settings.tls.tls_key_file = path(words)?;
        Ok(())
    }),
    ("tls-port", |settings, words| {
        settings.tls.tls_port = Some(port(words)?);
        Ok(())
    }),
    ("unixsocket", |settings, words| {
        settings.unixsocket = path(words)?;
        Ok(())
    }),
    ("unixsocketperm", |settings, words| {
        settings.unixsocketperm = Some(listen::parse_mode(one(words)?).map_err(anyhow::Error::msg)?);
        Ok(())
    }),
];

fn one(words: &[String]) -> anyhow::Result<&String> {
    match words {
        [word] => Ok(word),
        _ => bail!("it takes one value, not {}", words.len()),
    }
}

/// An empty path is none, as in Redis.
fn path(words: &[String]) -> anyhow::Result<Option<PathBuf>> {
    Ok(Some(one(words)?).filter(|path| !path.is_empty()).map(PathBuf::from))
}

fn port(words: &[String]) -> anyhow::Result<u16> {
    one(words)?.parse().context("it takes a number from 0 to 65535")
}

fn yes_or_no(words: &[String]) -> anyhow::Result<bool> {
    match one(words)?.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => bail!("it takes yes or no"),
    }
}

/// What a configuration file says.
#[derive(Default)]
pub(super) struct Configuration {
    pub(super) settings: Settings,
    /// Parameters of Redis that do not exist here, or ask for what does not.
    passed_over: BTreeSet<String>,
}

impl Configuration {
    /// Reads a file and what it includes.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let mut configuration = Configuration::default();
        configuration.add_file(file, 0).context("--config")?;
        Ok(configuration)
    }

    /// Says what was passed over.
    pub(super) fn log(&self) {
        if !self.passed_over.is_empty() {
            let names: Vec<_> = self.passed_over.iter().map(String::as_str).collect();
            tracing::warn!(
                parameters = names.join(" "),
                "of the configuration, these do not exist in Naru and are passed over"
            );
        }
    }

    fn add_file(&mut self, file: &Path, depth: usize) -> anyhow::Result<()> {
        let shown = file.display();
        ensure!(depth <= INCLUDE_DEPTH_MAX, "{shown}: too many files include each other");
        let text = fs::read(file).map_err(|error| anyhow!("{shown} cannot be read: {error}"))?;
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let place = format!("{shown}:{}", index + 1);
            let words = syntax::words(line).map_err(|broken| anyhow!("{place}: {broken}"))?;
            // The line itself is not shown: it may hold a password.
            if let Some((name, words)) = words.split_first() {
                self.add(&name.to_ascii_lowercase(), words, &place, depth)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, words: &[String], place: &str, depth: usize) -> anyhow::Result<()> {
        let known = |name: &str| PARAMETERS.iter().find(|(known, _)| *known == name);
        let wrong = |error: anyhow::Error| anyhow!("{place}: {name}: {error}");
        if name == INCLUDE {
            for file in included(one(words).map_err(wrong)?).map_err(wrong)? {
                self.add_file(&file, depth + 1).map_err(|error| anyhow!("{place}: include: {error}"))?;
            }
        } else if name == USER {
            self.settings.acl.users.push(UserLine { place: place.to_owned(), words: words.to_vec() });
        } else if let Some((_, take)) = known(name) {
            take(&mut self.settings, words).map_err(wrong)?;
        } else if Parameters::has(name) {
            let value = words.join(" ");
            Parameters::default().set(name, &value).map_err(|error| wrong(error.into()))?;
            self.settings.set.push((name.to_owned(), value));
        } else if REDIS_ONLY.binary_search(&name).is_ok() || is_of_a_module(name) {
            self.passed_over.insert(name.to_owned());
        } else {
            let names = PARAMETERS.iter().map(|(name, _)| *name).chain(REDIS_ONLY.iter().copied());
            let names = names.chain(Parameters::names()).chain([INCLUDE, USER]);
            let hint = nearest::nearest(name, names);
            let hint = hint.map(|hint| format!(": did you mean {hint}?")).unwrap_or_default();
            // As in Redis: what was meant may be what keeps strangers out.
            bail!("{place}: {name} is no parameter, of Redis or of Naru{hint}");
        }
        Ok(())
    }
}

/// The files an `include` names: as in Redis, the last part may be a pattern, and then there may be none.
fn included(text: &str) -> anyhow::Result<Vec<PathBuf>> {
    let path = Path::new(text);
    let pattern =
        path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?', '[']));
    let Some(pattern) = pattern else { return Ok(vec![path.to_owned()]) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".") && !pattern.starts_with('.');
        if !hidden && naru_fanout::matches(pattern.as_bytes(), name.as_encoded_bytes()) {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
