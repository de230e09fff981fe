//! What is said to who may not run a command, and noted of it (`ACL LOG`). The texts are Redis's.

use naru_resp::Command;

use super::{Called, Context, Entry, Refusal};
use crate::acl::{Denied, LogEntry, Reason};

/// The answer to a command that the client's user may not run.
#[cold]
pub(super) fn denied(
    context: &Context<'_>,
    called: Called,
    command: &Command<'_>,
    denied: Denied,
) -> Refusal {
    let in_transaction = context.client.transaction().is_some();
    note(context, called, command, denied, in_transaction);
    match denied {
        Denied::Command => {
            format!("NOPERM this user has no permissions to run the '{}' command", called.name).into()
        }
        Denied::Key(_) => {
            "NOPERM this user has no permissions to access one of the keys used as arguments".into()
        }
        Denied::Channel(_) => {
            "NOPERM this user has no permissions to access one of the channels used as arguments".into()
        }
    }
}

/// Why a command of a transaction is no longer allowed when it comes to EXEC.
pub(super) fn denied_since(
    context: &Context<'_>,
    entry: &Entry,
    called: Called,
    command: &Command<'_>,
) -> Option<Refusal> {
    let denied = context.client.access().check(entry, called, command).err()?;
    note(context, called, command, denied, true);
    let reason = match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments",
    };
    let text = format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
         is no longer allowed for the following reason: {reason}"
    );
    Some(text.into())
}

fn note(context: &Context<'_>, called: Called, command: &Command<'_>, denied: Denied, in_transaction: bool) {
    let argument = |at: usize| command.get(at).unwrap_or_default();
    let (reason, object) = match denied {
        Denied::Command => (Reason::Command, called.name.as_bytes()),
        Denied::Key(at) => (Reason::Key, argument(at)),
        Denied::Channel(at) => (Reason::Channel, argument(at)),
    };
    let user = context.client.access().user();
    add(context, LogEntry::new(reason, in_transaction, object, user.name(), client(context)));
}

/// Notes that somebody could not sign in as `user`.
pub(super) fn note_sign_in(context: &Context<'_>, command: &Command<'_>, user: &[u8]) {
    let in_transaction = context.client.transaction().is_some();
    add(context, LogEntry::new(Reason::Auth, in_transaction, command.name(), user, client(context)));
}

fn client(context: &Context<'_>) -> String {
    context.client.profile().line(context.client.weight())
}

fn add(context: &Context<'_>, entry: LogEntry) {
    let shared = context.core.shared();
    shared.acl.log.add(entry, shared.config.acl_log_len_max());
}
