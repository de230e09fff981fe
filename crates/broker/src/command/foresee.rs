//! Which commands change what their client may do from then on, and how: the keeper does its part of a transaction
//! before the core does its own, so what they will change is to be known before they are executed.

use naru_resp::Command;

use super::{Entry, arguments::Arguments, connection::hello_version};
use crate::acl::{DEFAULT, Foreseen};

/// Whether a command may change what its client may do.
pub(super) fn changes_rights(entry: &Entry) -> bool {
    matches!(entry.name, "auth" | "hello" | "acl")
}

/// Takes into account what a command will change.
pub(super) fn foresee(foreseen: &mut Foreseen, entry: &Entry, command: &Command<'_>) {
    match entry.name {
        "auth" if command.len() == 2 => foreseen.sign_in_as_default(command.arg(1)),
        "auth" if command.len() == 3 => foreseen.sign_in(command.arg(1), command.arg(2)),
        "hello" => {
            let mut arguments = Arguments::of(command);
            if hello_version(&mut arguments).is_ok() {
                sign_in_by_options(foreseen, &mut arguments);
            }
        }
        "acl" if command.arg(1).eq_ignore_ascii_case(b"setuser") => {
            foreseen.set(command.arg(2), &command.iter().skip(3).collect::<Vec<_>>());
        }
        "acl" if command.arg(1).eq_ignore_ascii_case(b"deluser") => {
            let names = || command.iter().skip(2);
            if !names().any(|name| name == DEFAULT) {
                foreseen.delete(names());
            }
        }
        _ => {}
    }
}

/// As HELLO does: up to an option that is none.
fn sign_in_by_options(foreseen: &mut Foreseen, arguments: &mut Arguments<'_, '_>) {
    loop {
        if arguments.takes("auth") {
            let (Ok(user), Ok(password)) = (arguments.next(), arguments.next()) else { return };
            foreseen.sign_in(user, password);
        } else if !arguments.takes("setname") || arguments.next().is_err() {
            return;
        }
    }
}
