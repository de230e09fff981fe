//! `ACL`: users and their rules. What a rule means is told in [`crate::acl`].

use std::time::SystemTime;

use naru_fanout::{CoreId, Peer};
use naru_resp::{Command, ReplyWriter};

use super::{
    Category, Context, Flow, Outcome,
    arguments::{integer, repeating, unknown_or_wrong_number, unknown_subcommand, wrong_number},
    beside::beside,
    table::{all_called, find},
};
use crate::{
    acl::{DEFAULT, Denied, LogEntry, has_spaces},
    wire::{Mail, Shared},
};

pub(super) const SUBCOMMANDS: &[&str] = &[
    "acl|cat",
    "acl|deluser",
    "acl|dryrun",
    "acl|genpass",
    "acl|getuser",
    "acl|help",
    "acl|list",
    "acl|load",
    "acl|log",
    "acl|save",
    "acl|setuser",
    "acl|users",
    "acl|whoami",
];

const HELP: &[&str] = &[
    "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Delete a list of users.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Returns whether the user can execute the given command without executing the command.",
    "GETUSER <username>",
    "    Get the user's details.",
    "GENPASS [<bits>]",
    "    Generate a secure 256-bit user password. The optional `bits` argument can",
    "    be used to specify a different size.",
    "LIST",
    "    Show users details in config file format.",
    "LOAD",
    "    Reload users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show the ACL log entries.",
    "SAVE",
    "    Save the current config to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Create or modify a user with the specified attributes.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
    "HELP",
    "    Prints this help.",
];

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users \
via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
order to store users in the Redis configuration.";

/// Entries that `ACL LOG` shows if it is not told how many.
const SHOWN_DEFAULT: usize = 10;

/// Bits of a password that `ACL GENPASS` makes at most.
const PASSWORD_BITS_MAX: i64 = 4096;

pub(super) fn acl(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let subcommand = command.arg(1).to_ascii_lowercase();
    let users = &context.core.shared().acl;
    match (subcommand.as_slice(), command.len()) {
        (b"setuser", 3..) => set_user(context, command),
        (b"deluser", 3..) => delete_users(context, command),
        (b"getuser", 3) => get_user(context, command.arg(2)),
        (b"list", 2) => {
            let lines: Vec<_> = users.users().iter().map(|user| user.line()).collect();
            bulks(context, &lines)
        }
        (b"users", 2) => {
            let names: Vec<_> = users.users().iter().map(|user| user.name().to_vec()).collect();
            bulks(context, &names)
        }
        (b"whoami", 2) => {
            let user = context.client.access().user();
            context.reply(|writer| writer.bulk(user.name()))
        }
        (b"cat", 2) => bulks(context, &Category::all().map(|(_, name)| name).collect::<Vec<_>>()),
        (b"cat", 3) => {
            let name = command.arg(2);
            let unknown = || repeating("ERR Unknown category '", &name[..name.len().min(128)], "'");
            let category = Category::named(name).ok_or_else(unknown)?;
            let called = all_called().filter(|called| category.holds(*called));
            bulks(context, &called.map(|called| called.name).collect::<Vec<_>>())
        }
        (b"genpass", 2 | 3) => generate_password(context, command.get(2)),
        (b"dryrun", 4..) => dry_run(context, command),
        (b"log", 2 | 3) => show_log(context, command.get(2)),
        (b"load", 2) => load(context),
        (b"save", 2) => save(context),
        (b"help", 2) => context.help(HELP),
        (b"cat" | b"genpass" | b"log", _) => Err(unknown_or_wrong_number("ACL", command.arg(1))),
        (known, _) if SUBCOMMANDS.iter().any(|full| &full.as_bytes()[4..] == known) => {
            Err(wrong_number(&format!("acl|{}", String::from_utf8_lossy(known))))
        }
        _ => Err(unknown_subcommand("ACL", command.arg(1))),
    }
}

fn bulks(context: &Context<'_>, texts: &[impl AsRef<[u8]>]) -> Outcome {
    context.reply(|writer| {
        writer.array(texts.len());
        texts.iter().for_each(|text| writer.bulk(text));
    })
}

/// `ACL SETUSER name [rule …]`
fn set_user(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    if has_spaces(command.arg(2)) {
        return Err("ERR Usernames can't contain spaces or null characters".into());
    }
    let rules: Vec<&[u8]> = command.iter().skip(3).collect();
    let shared = context.core.shared();
    let set = shared.acl.set(command.arg(2), &rules);
    set.map_err(|error| format!("ERR {error}"))?;
    changed(context, |writer| writer.simple("OK"))
}

/// `ACL DELUSER name [name …]`
fn delete_users(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let names = || command.iter().skip(2);
    if names().any(|name| name == DEFAULT) {
        return Err("ERR The 'default' user cannot be removed".into());
    }
    let deleted = context.core.shared().acl.delete(names());
    changed(context, |writer| writer.integer(deleted as i64))
}

fn load(context: &Context<'_>) -> Outcome {
    if context.core.shared().acl.file().is_none() {
        return Err(NO_FILE.into());
    }
    let work = |shared: &Shared| shared.acl.load();
    beside(context, work, |context, loaded| {
        loaded.map_err(|error| format!("ERR {error}"))?;
        // Its own user is followed before its next command.
        tell_of_change(context);
        Ok(())
    })
}

fn save(context: &Context<'_>) -> Outcome {
    let Some(file) = context.core.shared().acl.file().cloned() else { return Err(NO_FILE.into()) };
    let work = |shared: &Shared| shared.acl.save();
    beside(context, work, move |_, saved| {
        saved.map_err(|error| {
            let file = file.display();
            tracing::error!(%file, %error, "ACL SAVE: the file cannot be written, and is as it was");
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
        })?;
        Ok(())
    })
}

/// Has every client but this follow a change of the users.
fn tell_of_change(context: &Context<'_>) {
    for core in (0..context.core.directory().cores()).map(CoreId) {
        context.core.directory().send(core, Mail::UsersChanged { by: context.client.id() });
    }
}

/// Answers a change of the users, and has every client follow it. Who made it gets its answer before its connection
/// ends for it; what is left of a transaction then is done as who has not signed in, as in Redis.
pub(super) fn changed(context: &Context<'_>, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) -> Outcome {
    context.client.reply(write);
    let users = &context.core.shared().acl;
    tell_of_change(context);
    if context.client.follow(users) {
        return Ok(Flow::Next);
    }
    context.client.sign_out(users);
    Ok(Flow::End)
}

/// `ACL GETUSER name`
fn get_user(context: &Context<'_>, name: &[u8]) -> Outcome {
    let Some(user) = context.core.shared().acl.user(name) else {
        return context.reply(|writer| writer.null());
    };
    let (flags, passwords, descriptions) = (user.flags(), user.passwords(), user.descriptions());
    context.reply(|writer| {
        let describe = |writer: &mut ReplyWriter<'_, Vec<u8>>, at: usize| {
            let description = &descriptions[at];
            for (name, rules) in [
                ("commands", description.commands.as_bytes()),
                ("keys", &description.keys),
                ("channels", &description.channels),
            ] {
                writer.bulk(name);
                writer.bulk(rules);
            }
        };
        writer.map(6);
        writer.bulk("flags");
        writer.set(flags.len());
        flags.iter().for_each(|flag| writer.bulk(flag));
        writer.bulk("passwords");
        writer.array(passwords.len());
        passwords.for_each(|hash| writer.bulk(hash));
        describe(writer, 0);
        writer.bulk("selectors");
        writer.array(descriptions.len() - 1);
        for at in 1..descriptions.len() {
            writer.map(3);
            describe(writer, at);
        }
    })
}

/// `ACL GENPASS [bits]`
fn generate_password(context: &Context<'_>, bits: Option<&[u8]>) -> Outcome {
    let bits = bits.map_or(Ok(256), integer)?;
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {PASSWORD_BITS_MAX}"
        )
        .into());
    }
    let mut random = [0; PASSWORD_BITS_MAX as usize / 8];
    getrandom::fill(&mut random)
        .map_err(|error| format!("ERR the system gives no random numbers: {error}"))?;
    let digits = (bits as usize).div_ceil(4);
    let mut password: String =
        random[..digits.div_ceil(2)].iter().map(|byte| format!("{byte:02x}")).collect();
    password.truncate(digits);
    context.reply(|writer| writer.bulk(password))
}

/// `ACL DRYRUN user command [argument …]`
fn dry_run(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let user = context.core.shared().acl.user(command.arg(2));
    let user = user.ok_or_else(|| repeating("ERR User '", command.arg(2), "' not found"))?;
    let tried = command.without_first(3);
    let tried = tried.as_command();
    let found = find(tried.name()).and_then(|entry| Some((entry, entry.called(&tried)?)));
    let (entry, called) = found.ok_or_else(|| repeating("ERR Command '", tried.name(), "' not found"))?;
    if !entry.arity.accepts(tried.len()) {
        return Err(wrong_number(called.name));
    }
    let argument = |at: usize| tried.get(at).unwrap_or_default();
    let text = match user.check(entry, called, &tried) {
        Ok(()) => return context.reply(|writer| writer.simple("OK")),
        Err(Denied::Command) => {
            format!("This user has no permissions to run the '{}' command", called.name).into_bytes()
        }
        Err(Denied::Key(at)) => no_access(argument(at), "key"),
        Err(Denied::Channel(at)) => no_access(argument(at), "channel"),
    };
    context.reply(|writer| writer.bulk(text))
}

fn no_access(name: &[u8], kind: &str) -> Vec<u8> {
    [b"This user has no permissions to access the '", name, b"' ", kind.as_bytes()].concat()
}

/// `ACL LOG [count|RESET]`
fn show_log(context: &Context<'_>, argument: Option<&[u8]>) -> Outcome {
    let log = &context.core.shared().acl.log;
    let count = match argument {
        None => SHOWN_DEFAULT,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            log.clear();
            return context.reply(|writer| writer.simple("OK"));
        }
        Some(count) => usize::try_from(integer(count)?).unwrap_or(0),
    };
    let entries = log.newest(count);
    context.reply(|writer| {
        writer.array(entries.len());
        entries.iter().for_each(|entry| write_entry(writer, entry));
    })
}

fn write_entry(writer: &mut ReplyWriter<'_, Vec<u8>>, entry: &LogEntry) {
    let age = SystemTime::now().duration_since(entry.at).unwrap_or_default();
    writer.map(7);
    writer.bulk("count");
    writer.integer(entry.count as i64);
    for (name, value) in [
        ("reason", entry.reason.word().as_bytes()),
        ("context", if entry.in_transaction { b"multi" } else { b"toplevel" }),
        ("object", &entry.object),
        ("username", &entry.user),
    ] {
        writer.bulk(name);
        writer.bulk(value);
    }
    writer.bulk("age-seconds");
    writer.double(age.as_millis() as f64 / 1000.0);
    writer.bulk("client-info");
    writer.bulk(&entry.client);
}
