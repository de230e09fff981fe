//! The command line of `naru cli`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::ServerName;

use super::connection::{Endpoint, Tls};
use super::format::Style;
use crate::host;
use crate::tls_client::{self, Trust};

/// A prompt in the manner of redis-cli: type commands, see replies.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Place,

    /// Speak RESP3: maps and sets are shown as such.
    #[arg(short = '3', long)]
    resp3: bool,

    /// Print replies as they are, without quotes, types and numbers. So it is when the output is no terminal.
    #[arg(long, conflicts_with = "no_raw")]
    raw: bool,

    /// Print replies with quotes, types and numbers even if the output is no terminal.
    #[arg(long)]
    no_raw: bool,

    /// Print help.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    /// A command to run instead of showing a prompt.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Where a broker is, and how to get in. `-h` is the host, so who takes these has a help option of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Where the broker is.
    #[arg(short = 'h', long, value_name = "HOST", default_value = "127.0.0.1", value_parser = host::alone)]
    host: String,

    /// The broker's port.
    #[arg(short = 'p', long, value_name = "PORT", default_value_t = 6379, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Password to sign in with. Others on this machine can see it here: REDISCLI_AUTH in the environment
    /// is safer.
    #[arg(short = 'a', long = "pass", value_name = "PASSWORD")]
    password: Option<Password>,

    /// User to sign in as, with the password of -a [default: default].
    #[arg(long, value_name = "NAME")]
    user: Option<OsString>,

    /// Encrypt the connection: for the broker's --tls-port.
    #[arg(long)]
    tls: bool,

    /// Whose certificate the broker must show, if not the host's.
    #[arg(long, value_name = "NAME", requires = "tls")]
    sni: Option<String>,

    /// Authorities whose certificates are believed, in PEM form [default: those that this machine knows].
    #[arg(long, value_name = "FILE", requires = "tls")]
    cacert: Option<PathBuf>,

    /// Believe any certificate. Who listens in the middle is not noticed.
    #[arg(long, requires = "tls", conflicts_with = "cacert")]
    insecure: bool,

    /// The certificate to show, if the broker wants one, in PEM form.
    #[arg(long, value_name = "FILE", requires = "tls", requires = "key")]
    cert: Option<PathBuf>,

    /// The certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Place {
    pub(super) fn endpoint(&self, resp3: bool) -> anyhow::Result<Endpoint> {
        let from_environment = || std::env::var_os("REDISCLI_AUTH").map(Password);
        let password = self.password.clone().or_else(from_environment);
        Ok(Endpoint {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone().map(OsString::into_vec),
            password: password.map(|Password(password)| password.into_vec()),
            resp3,
            tls: if self.tls { Some(self.tls()?) } else { None },
        })
    }

    fn tls(&self) -> anyhow::Result<Tls> {
        let trust = match &self.cacert {
            _ if self.insecure => Trust::Everybody,
            Some(file) => Trust::Authorities(file),
            None => Trust::System,
        };
        let terms = tls_client::terms(&trust, self.cert.as_deref().zip(self.key.as_deref()))?;
        let name = self.sni.as_ref().unwrap_or(&self.host).clone();
        let name = ServerName::try_from(name).context("--sni")?;
        Ok(Tls { terms: Arc::new(terms), name })
    }
}

impl Options {
    pub(super) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        self.place.endpoint(self.resp3)
    }

    pub(super) fn style(&self, output_is_terminal: bool) -> Style {
        if self.raw || !self.no_raw && !output_is_terminal { Style::Raw } else { Style::Formatted }
    }

    /// The command as bytes, for it need not be UTF-8.
    pub(super) fn command(&self) -> Vec<Vec<u8>> {
        self.command.iter().cloned().map(OsString::into_vec).collect()
    }
}

/// A password, kept out of debug output.
#[derive(Clone)]
struct Password(OsString);

impl From<OsString> for Password {
    fn from(text: OsString) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &str) -> Result<Options, clap::Error> {
        CommandLine::try_parse_from(["cli"].into_iter().chain(line.split_whitespace()))
            .map(|line| line.options)
    }

    #[test]
    fn h_is_the_host_and_everything_after_the_command_belongs_to_it() {
        let options = parse("-h example.org -p 7000 -3 XADD s MAXLEN -p -h --raw *").unwrap();
        assert_eq!(options.endpoint().unwrap().to_string(), "example.org:7000");
        assert!(options.resp3 && !options.raw);
        assert_eq!(options.command().len(), 7);
        assert_eq!(parse("-h [::1] PING").unwrap().endpoint().unwrap().to_string(), "[::1]:6379");
        for wrong in ["-h redis://example.org PING", "-h example.org:7000 PING", "-p 0 PING", "-p 70000 PING"]
        {
            assert_eq!(parse(wrong).unwrap_err().kind(), clap::error::ErrorKind::ValueValidation, "{wrong}");
        }
        assert_eq!(parse("--help").unwrap_err().kind(), clap::error::ErrorKind::DisplayHelp);
    }

    #[test]
    fn output_is_formatted_for_a_terminal_unless_told_otherwise() {
        for (line, terminal, style) in [
            ("", true, Style::Formatted),
            ("", false, Style::Raw),
            ("--raw", true, Style::Raw),
            ("--no-raw", false, Style::Formatted),
        ] {
            assert_eq!(parse(line).unwrap().style(terminal), style, "{line} {terminal}");
        }
        assert!(parse("--raw --no-raw").is_err());
    }

    #[test]
    fn the_password_is_not_shown() {
        let options = parse("-a hunter2").unwrap();
        assert_eq!(options.endpoint().unwrap().password.as_deref(), Some(&b"hunter2"[..]));
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
