use std::sync::atomic::{AtomicBool, Ordering};

use naru_fanout::{Peer, PeerId};
use naru_resp::{Command, ReplyWriter};

use super::{
    Context, Flow, Outcome, Refusal,
    arguments::{
        integer, repeating, syntax_error, timeout, unknown_or_wrong_number, unknown_subcommand, wrong_number,
    },
    kill::kill,
};
use crate::{
    class::Class,
    client::Client,
    keeper::{Op, Unblocked},
    mute::Mute,
    pause::Paused,
    profile::Profile,
    weight::{Weighing, Weight},
};

pub(super) const SUBCOMMANDS: &[&str] = &[
    "client|getname",
    "client|getredir",
    "client|help",
    "client|id",
    "client|info",
    "client|kill",
    "client|list",
    "client|no-evict",
    "client|no-touch",
    "client|pause",
    "client|reply",
    "client|setinfo",
    "client|setname",
    "client|unblock",
    "client|unpause",
];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * ID <client-id>",
    "      Kill connections by client id.",
    "    * MAXAGE <maxage>",
    "      Kill connections older than the specified age.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
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
            let line = context.client.profile().line(context.client.weight()) + "\n";
            context.reply(|writer| writer.verbatim(&line))
        }
        b"list" => list(context, command),
        b"kill" if command.len() > 2 => kill(context, command),
        b"kill" => Err(wrong_number("client|kill")),
        b"reply" => {
            exactly(3)?;
            reply_mode(context, command.arg(2))
        }
        b"pause" => pause(context, command),
        b"unpause" => {
            exactly(2)?;
            context.core.shared().pause.end();
            context.reply(|writer| writer.simple("OK"))
        }
        b"unblock" => unblock(context, command),
        b"no-evict" => {
            exactly(3)?;
            switch(context, &context.client.profile().no_evict, command.arg(2))
        }
        b"no-touch" => {
            exactly(3)?;
            switch(context, &context.client.profile().no_touch, command.arg(2))
        }
        b"getredir" => {
            exactly(2)?;
            // Nobody is tracked, so nobody is told elsewhere.
            context.reply(|writer| writer.integer(-1))
        }
        b"help" => context.help(HELP),
        _ => Err(unknown_subcommand("CLIENT", command.arg(1))),
    }
}

/// Names and versions go into `CLIENT LIST`, where spaces and lines separate: only printable ASCII without spaces.
pub(super) fn is_name(value: &[u8]) -> bool {
    value.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn printable(value: &[u8], refusal: &str) -> Result<String, Refusal> {
    if !is_name(value) {
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
        _ => return Err(repeating("ERR Unrecognized option '", attribute, "'")),
    }
    Ok(())
}

/// The class of clients called so.
pub(super) fn class(name: &[u8]) -> Result<Class, Refusal> {
    Class::named(name).ok_or_else(|| repeating("ERR Unknown client type '", name, "'"))
}

/// `CLIENT REPLY ON|OFF|SKIP`; only `ON` is answered.
fn reply_mode(context: &Context<'_>, mode: &[u8]) -> Outcome {
    match mode.to_ascii_lowercase().as_slice() {
        // The reply to EXEC has as many elements as it says; in Redis it then has fewer.
        b"off" | b"skip" if context.client.capturing().is_some() => {
            Err("ERR Command not allowed inside a transaction".into())
        }
        b"on" => {
            context.client.set_mute(Mute::Never);
            context.reply(|writer| writer.simple("OK"))
        }
        b"off" => {
            context.client.set_mute(Mute::Always);
            Ok(Flow::Next)
        }
        b"skip" => {
            context.client.skip_next_reply();
            Ok(Flow::Next)
        }
        _ => Err(syntax_error()),
    }
}

/// `CLIENT PAUSE milliseconds [WRITE|ALL]`
fn pause(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let what = match command.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        _ if command.len() < 3 => return Err(wrong_number("client|pause")),
        _ if command.len() > 4 => return Err(unknown_or_wrong_number("CLIENT", command.arg(1))),
        None | Some(b"all") => Paused::Everything,
        Some(b"write") => Paused::Writes,
        Some(_) => return Err("ERR CLIENT PAUSE mode must be WRITE or ALL".into()),
    };
    context.core.shared().pause.begin(what, timeout(command.arg(2))?);
    context.reply(|writer| writer.simple("OK"))
}

/// `CLIENT UNBLOCK client-id [TIMEOUT|ERROR]`
fn unblock(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let with = match command.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        _ if command.len() > 4 => return Err(unknown_or_wrong_number("CLIENT", command.arg(1))),
        None | Some(b"timeout") => Unblocked::Nothing,
        Some(b"error") => Unblocked::Error,
        Some(_) => return Err("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR".into()),
    };
    // No client has a number below 0.
    let client = u64::try_from(integer(command.arg(2))?).map(PeerId);
    match client {
        Ok(client) => context.keep(Op::Unblock { client, with }),
        Err(_) => context.reply(|writer| writer.integer(0)),
    }
}

/// Sets what a client asks for with `ON` or `OFF`, and nobody acts upon.
fn switch(context: &Context<'_>, flag: &AtomicBool, value: &[u8]) -> Outcome {
    let is_on = match value.to_ascii_lowercase().as_slice() {
        b"on" => true,
        b"off" => false,
        _ => return Err(syntax_error()),
    };
    flag.store(is_on, Ordering::Relaxed);
    context.reply(|writer| writer.simple("OK"))
}

fn list(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut profiles = context.core.shared().profiles.all();
    let option = command.get(2).map(<[u8]>::to_ascii_lowercase);
    match option.as_deref() {
        None => {}
        Some(b"type") if command.len() == 4 => {
            let wanted = class(command.arg(3))?;
            profiles.retain(|profile| profile.class() == wanted);
        }
        Some(b"id") if command.len() > 3 => {
            let ids = command.iter().skip(3).map(integer).collect::<Result<Vec<_>, _>>();
            let ids = ids.map_err(|_| Refusal::from("ERR Invalid client ID"))?;
            profiles.retain(|profile| ids.contains(&(profile.id.0 as i64)));
        }
        Some(_) => return Err(syntax_error()),
    }
    let lines = move |weight: &dyn Fn(&Profile) -> Weight| -> String {
        profiles.iter().map(|profile| profile.line(weight(profile)) + "\n").collect()
    };
    if context.client.capturing().is_some() {
        // A transaction does not wait: only what clients of this core take is known.
        let weight = |profile: &Profile| context.core.peer(profile.id).map(|client| client.weight());
        let lines = lines(&|profile| weight(profile).unwrap_or_default());
        return context.reply(|writer| writer.verbatim(&lines));
    }
    let ticket = context.client.reserve();
    let (core, client) = (context.core.clone(), context.client.clone());
    tokio::task::spawn_local(async move {
        let weights = Weighing::of_all(&core).await;
        let lines = lines(&|profile| weights.get(&profile.id).copied().unwrap_or_default());
        let mut reply = Vec::new();
        ReplyWriter::new(&mut reply, client.version()).verbatim(&lines);
        client.answer(ticket, reply);
    });
    Ok(Flow::Settle)
}
