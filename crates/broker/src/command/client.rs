use naru_fanout::Peer;
use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    arguments::{integer, syntax_error, unknown_subcommand, wrong_number},
};
use crate::client::Client;

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "LIST [ID <client-id> ...] [TYPE (NORMAL|PUBSUB)]",
    "    Return information about client connections.",
    "SETINFO <LIB-NAME|LIB-VER> <value>",
    "    Set the client's library name or version.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn client(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let subcommand = command.arg(1).to_ascii_lowercase();
    let exactly = |count: usize| {
        if command.len() == count {
            return Ok(());
        }
        Err(wrong_number(&format!("client|{}", String::from_utf8_lossy(&subcommand))))
    };
    match subcommand.as_slice() {
        b"id" => {
            exactly(2)?;
            let id = context.client.id().0 as i64;
            context.reply(|writer| writer.integer(id))
        }
        b"getname" => {
            exactly(2)?;
            let name = context.client.profile().labels.lock().name.clone();
            context.reply(|writer| if name.is_empty() { writer.null() } else { writer.bulk(&name) })
        }
        b"setname" => {
            exactly(3)?;
            set_name(context.client, command.arg(2))?;
            context.reply(|writer| writer.simple("OK"))
        }
        b"setinfo" => {
            exactly(4)?;
            set_info(context.client, command.arg(2), command.arg(3))?;
            context.reply(|writer| writer.simple("OK"))
        }
        b"info" => {
            exactly(2)?;
            let line = context.client.profile().line() + "\n";
            context.reply(|writer| writer.verbatim(&line))
        }
        b"list" => list(context, command),
        b"help" => context.help(HELP),
        _ => Err(unknown_subcommand("CLIENT", command.arg(1))),
    }
}

/// Names and versions go into `CLIENT LIST`, where spaces and lines separate: only printable ASCII without spaces.
fn printable(value: &[u8], refusal: &str) -> Result<String, Refusal> {
    if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Err(refusal.into());
    }
    Ok(String::from_utf8_lossy(value).into_owned())
}

pub(super) fn set_name(client: &Client, name: &[u8]) -> Result<(), Refusal> {
    let name = printable(name, "ERR Client names cannot contain spaces, newlines or special characters.")?;
    client.profile().labels.lock().name = name;
    Ok(())
}

fn set_info(client: &Client, attribute: &[u8], value: &[u8]) -> Result<(), Refusal> {
    let shown = String::from_utf8_lossy(attribute).to_ascii_lowercase();
    let value =
        printable(value, &format!("ERR {shown} cannot contain spaces, newlines or special characters."));
    let mut labels = client.profile().labels.lock();
    match shown.as_str() {
        "lib-name" => labels.lib_name = value?,
        "lib-ver" => labels.lib_version = value?,
        _ => return Err(format!("ERR Unrecognized option '{}'", String::from_utf8_lossy(attribute)).into()),
    }
    Ok(())
}

fn list(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut profiles = context.core.shared().profiles.all();
    let option = command.get(2).map(<[u8]>::to_ascii_lowercase);
    match option.as_deref() {
        None => {}
        Some(b"type") if command.len() == 4 => {
            let kind = command.arg(3).to_ascii_lowercase();
            let wanted = match kind.as_slice() {
                b"pubsub" => |subscriptions| subscriptions > 0,
                b"normal" => |subscriptions| subscriptions == 0,
                b"master" | b"replica" | b"slave" => |_| false,
                _ => {
                    return Err(
                        format!("ERR Unknown client type '{}'", String::from_utf8_lossy(&kind)).into()
                    );
                }
            };
            profiles.retain(|profile| wanted(profile.subscriptions()));
        }
        Some(b"id") if command.len() > 3 => {
            let ids = command.iter().skip(3).map(integer).collect::<Result<Vec<_>, _>>();
            let ids = ids.map_err(|_| Refusal::from("ERR Invalid client ID"))?;
            profiles.retain(|profile| ids.contains(&(profile.id.0 as i64)));
        }
        Some(_) => return Err(syntax_error()),
    }
    let lines: String = profiles.iter().map(|profile| profile.line() + "\n").collect();
    context.reply(|writer| writer.verbatim(&lines))
}
