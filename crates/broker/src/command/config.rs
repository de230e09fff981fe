use std::path::Path;

use naru_fanout::{CoreId, matches};
use naru_resp::Command;

use super::{
    Context, Outcome, acl,
    arguments::{syntax_error, unknown_subcommand, wrong_number},
    beside::beside,
};
use crate::{
    config::{PARAMETERS, Parameter},
    wire::{Mail, Shared},
};

pub(super) const SUBCOMMANDS: &[&str] =
    &["config|get", "config|help", "config|resetstat", "config|rewrite", "config|set"];

const HELP: &[&str] = &[
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn config(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let subcommand = command.arg(1).to_ascii_lowercase();
    let name = || format!("config|{}", String::from_utf8_lossy(&subcommand));
    match subcommand.as_slice() {
        b"get" if command.len() >= 3 => get(context, command),
        b"set" if command.len() >= 4 => set(context, command),
        b"resetstat" if command.len() == 2 => {
            context.core.shared().counters.reset(context.core.directory().written_bytes());
            context.reply(|writer| writer.simple("OK"))
        }
        b"rewrite" if command.len() == 2 => rewrite(context),
        b"help" if command.len() == 2 => context.help(HELP),
        b"get" | b"set" | b"resetstat" | b"rewrite" | b"help" => Err(wrong_number(&name())),
        _ => Err(unknown_subcommand("CONFIG", command.arg(1))),
    }
}

/// `CONFIG GET pattern [pattern …]`. As in Redis, who names a parameter gets the name back as written.
fn get(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let config = &context.core.shared().config;
    let as_named = |parameter: &'static Parameter| {
        let fits = |glob: &&[u8]| matches(&glob.to_ascii_lowercase(), parameter.name.as_bytes());
        let glob = command.iter().skip(2).find(fits)?;
        let is_name = glob.eq_ignore_ascii_case(parameter.name.as_bytes());
        Some((if is_name { glob } else { parameter.name.as_bytes() }, config.value(parameter)))
    };
    let found: Vec<_> = PARAMETERS.iter().filter_map(as_named).collect();
    context.reply(|writer| {
        writer.map(found.len());
        for (name, value) in found {
            writer.bulk(name);
            writer.bulk(value);
        }
    })
}

fn rewrite(context: &Context<'_>) -> Outcome {
    let Some(file) = context.core.shared().config.file().map(Path::to_owned) else {
        return Err("ERR The server is running without a config file".into());
    };
    let shown = file.display().to_string();
    let work = move |shared: &Shared| shared.config.rewrite(&file);
    beside(context, work, move |_, written| {
        written.map_err(|error| {
            tracing::error!(file = shown, %error, "CONFIG REWRITE: the file cannot be written, and is as it was");
            format!("ERR Rewriting config file: {error}")
        })?;
        Ok(())
    })
}

/// `CONFIG SET name value [name value …]`
fn set(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    if !command.len().is_multiple_of(2) {
        return Err(syntax_error());
    }
    let wanted: Vec<_> =
        (2..command.len()).step_by(2).map(|at| (command.arg(at), command.arg(at + 1))).collect();
    let shared = context.core.shared();
    shared.config.set(&wanted).map_err(|error| error.to_string())?;
    for core in 0..context.core.directory().cores() {
        context.core.directory().send(CoreId(core), Mail::Configured);
    }
    shared.keeping.look();
    if wanted.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"requirepass")) {
        return acl::changed(context, |writer| writer.simple("OK"));
    }
    context.reply(|writer| writer.simple("OK"))
}
