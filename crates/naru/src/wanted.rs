//! What is wanted where an address or a number stands that is none. Whoever reads them says what they found wrong, and not that.

use std::{error::Error as _, net::AddrParseError, num::ParseIntError};

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// For a fault that is no more than that.
pub(crate) fn instead_of(fault: &str) -> Option<&'static str> {
    match fault {
        "invalid IP address syntax" => Some("it takes an IP address, such as \"127.0.0.1\" or \"::1\""),
        "invalid socket address syntax" => Some(
            "it takes an IP address and a port up to 65535, such as \"127.0.0.1:9100\" or \"[::1]:9100\"",
        ),
        _ => None,
    }
}

/// A fault in the command line, with what is wanted.
pub(crate) fn on_the_line(error: Error) -> Error {
    let wanted = error.source().and_then(|fault| {
        if fault.is::<ParseIntError>() {
            return Some("it takes a whole number");
        }
        fault.is::<AddrParseError>().then(|| instead_of(&fault.to_string()))?
    });
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(said)) => said.as_str(),
        _ => "",
    };
    match wanted {
        Some(wanted) if error.kind() == ErrorKind::ValueValidation => Error::raw(
            ErrorKind::ValueValidation,
            format_args!(
                "invalid value '{}' for '{}': {wanted}\n\nFor more information, try '--help'.\n",
                said(ContextKind::InvalidValue),
                said(ContextKind::InvalidArg)
            ),
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long)]
        port: Option<u16>,
        #[arg(long)]
        bind: Option<IpAddr>,
        #[arg(long)]
        at: Option<SocketAddr>,
    }

    #[test]
    fn a_fault_in_the_line_says_what_is_wanted() {
        for (name, value, wanted) in [
            ("--port", "many", "it takes a whole number"),
            ("--port", "99999", "99999 is not in 0..=65535"),
            ("--bind", "here", "such as \"127.0.0.1\" or \"::1\""),
            ("--bind", "[::1]", "such as \"127.0.0.1\" or \"::1\""),
            ("--at", "127.0.0.1", "such as \"127.0.0.1:9100\" or \"[::1]:9100\""),
            ("--at", "::1", "such as \"127.0.0.1:9100\" or \"[::1]:9100\""),
            ("--at", "127.0.0.1:70000", "a port up to 65535"),
        ] {
            let told = on_the_line(Line::try_parse_from(["x", name, value]).unwrap_err()).to_string();
            let begin = format!("error: invalid value '{value}' for '{name} <");
            assert!(told.starts_with(&begin) && told.contains(wanted), "{told}");
        }
    }
}
