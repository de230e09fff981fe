//! `--config FILE`: a configuration in TOML, and what the environment says over it.
//!
//! The file and the variables make a tree (`tree.rs`), of which the sections are read (`file.rs`) by their own types, each of
//! which is what its part can be set to. The reader (`reader.rs`) knows where everything stands, so a fault names the line,
//! the key, and what is wanted there.

use std::{env, fs, io, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{anyhow, ensure};
use serde::Deserialize;

mod fault;
mod file;
mod reader;
mod tree;

#[cfg(test)]
mod tests;

pub(super) use file::{Broker, File};
use reader::Reader;
use tree::Node;

/// An example with everything in it: `--print-config`.
pub(super) const EXAMPLE: &str = include_str!("../../../../../docs/naru.toml");

/// Others may change it.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Others may read it.
const READABLE_BY_OTHERS: u32 = 0o044;

/// Reads a file, if there is one, and the environment, which wins over it.
pub(super) fn load(file: Option<&Path>) -> anyhow::Result<File> {
    let variables = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let Some(file) = file else {
        return read("", "", variables).map_err(|fault| anyhow!(fault));
    };
    let shown = file.display().to_string();
    let text = fs::read_to_string(file)
        .map_err(|error| anyhow!("--config: {shown} cannot be read: {}", unreadable(&error)))?;
    let mode =
        fs::metadata(file).map_err(|error| anyhow!("--config: {shown}: {error}"))?.permissions().mode();
    ensure!(
        mode & WRITABLE_BY_OTHERS == 0,
        "--config: others than its owner may change {shown}, and so let in whom they like: chmod go-w {shown}"
    );
    if mode & READABLE_BY_OTHERS != 0 && Node::parse(&text).is_ok_and(|node| node.any(&is_secret)) {
        eprintln!("naru: {shown} has secrets in it, and others may read it: chmod go-r {shown}");
    }
    read(&text, &shown, variables).map_err(|fault| anyhow!("--config: {fault}"))
}

/// What is wrong with a file, and what to do about it.
fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such file; naru serve --print-config > naru.toml writes one".into()
        }
        io::ErrorKind::IsADirectory => "it is a folder; name the file in it".into(),
        io::ErrorKind::PermissionDenied => {
            "this user may not; make it the user's own (chown), for nobody else to read (chmod 600)".into()
        }
        io::ErrorKind::InvalidData => "it is no text in UTF-8; name a file in TOML".into(),
        _ => error.to_string(),
    }
}

/// Reads the text of a file, and what the environment says.
pub(super) fn read(
    text: &str,
    name: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<File, String> {
    let read = || {
        let mut node = Node::parse(text)?;
        node.overlay(variables)?;
        File::deserialize(Reader(&node))
    };
    read().map_err(|fault| fault.told(name))
}

fn is_secret(table: &str, key: &str, value: &str) -> bool {
    table == "static_headers"
        || ["key", "token", "requirepass"].contains(&key)
        || key.contains("secret")
        || key.contains("password")
        || (key == "url" && value.contains('@'))
}
