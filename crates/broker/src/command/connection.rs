use std::sync::atomic::Ordering;

use naru_fanout::Peer;
use naru_resp::{Command, Version};

use super::{
    Context, Flow, Outcome, Refusal,
    arguments::{Arguments, database, repeating, syntax_error, wrong_number},
    client::{is_name, set_name},
    permission, pubsub, transaction,
};
use crate::{
    acl::DEFAULT,
    limits::REFUSED_PASSWORDS_MAX,
    monitors::Monitors,
    mute::Mute,
    version::{NARU_VERSION, REDIS_VERSION},
};

pub(super) fn ping(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    if command.len() > 2 {
        return Err(wrong_number("ping"));
    }
    let text = command.get(1);
    if context.client.is_in_subscribed_mode() {
        return context.reply(|writer| {
            writer.array(2);
            writer.bulk("pong");
            writer.bulk(text.unwrap_or_default());
        });
    }
    context.reply(|writer| match text {
        None => writer.simple("PONG"),
        Some(text) => writer.bulk(text),
    })
}

pub(super) fn echo(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.reply(|writer| writer.bulk(command.arg(1)))
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`. The reply's `version` is the Redis version whose behaviour
/// clients may expect, since that is what they derive from it; ours is in `INFO`.
pub(super) fn hello(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let version = hello_version(&mut arguments)?.unwrap_or(context.client.version());
    let mut name = None;
    while let Some(option) = arguments.peek() {
        if arguments.takes("auth") && arguments.left() >= 2 {
            let (user, password) = (arguments.next()?, arguments.next()?);
            if let Err(flow) = sign_in(context, command, user, password)? {
                return Ok(flow);
            }
        } else if arguments.takes("setname") && arguments.left() >= 1 {
            name = Some(arguments.next()?);
        } else {
            return Err(repeating("ERR Syntax error in HELLO option '", option, "'"));
        }
    }
    if !context.client.is_signed_in() {
        return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
                    AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
                    version at the same time"
            .into());
    }
    if let Some(name) = name {
        set_name(context.client, name)?;
    }
    context.client.set_version(version);
    let id = context.client.id().0 as i64;
    context.reply(|writer| {
        writer.map(8);
        for (key, text) in [("server", "naru"), ("version", REDIS_VERSION), ("naru_version", NARU_VERSION)] {
            writer.bulk(key);
            writer.bulk(text);
        }
        writer.bulk("proto");
        writer.integer(if version == Version::Resp3 { 3 } else { 2 });
        writer.bulk("id");
        writer.integer(id);
        for (key, text) in [("mode", "standalone"), ("role", "master")] {
            writer.bulk(key);
            writer.bulk(text);
        }
        writer.bulk("modules");
        writer.array(0);
    })
}

/// The version that HELLO asks for, if it does.
pub(super) fn hello_version(arguments: &mut Arguments<'_, '_>) -> Result<Option<Version>, Refusal> {
    if arguments.peek().is_none() {
        return Ok(None);
    }
    let wanted = arguments
        .next_integer()
        .map_err(|_| Refusal::from("ERR Protocol version is not an integer or out of range"))?;
    match wanted {
        2 => Ok(Some(Version::Resp2)),
        3 => Ok(Some(Version::Resp3)),
        _ => Err("NOPROTO unsupported protocol version".into()),
    }
}

/// The version that holds behind HELLO, which is not executed by this.
pub(super) fn version_after_hello(context: &Context<'_>, command: &Command<'_>) -> Option<Version> {
    let mut arguments = Arguments::of(command);
    let version = hello_version(&mut arguments).ok()??;
    let mut is_signed_in = context.client.is_signed_in();
    while arguments.left() > 0 {
        if arguments.takes("auth") {
            let (user, password) = (arguments.next().ok()?, arguments.next().ok()?);
            is_signed_in = context.core.shared().acl.authenticate(user, password).is_some();
            if !is_signed_in {
                return None;
            }
        } else if !arguments.takes("setname") || !is_name(arguments.next().ok()?) {
            return None;
        }
    }
    is_signed_in.then_some(version)
}

/// Signs the client in, or refuses; who tries too often is sent away.
fn sign_in(
    context: &Context<'_>,
    command: &Command<'_>,
    user: &[u8],
    password: &[u8],
) -> Result<Result<(), Flow>, Refusal> {
    if let Some(user) = context.core.shared().acl.authenticate(user, password) {
        context.client.sign_in(user);
        return Ok(Ok(()));
    }
    permission::note_sign_in(context, command, user);
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    if context.client.password_refused() < REFUSED_PASSWORDS_MAX {
        return Err(wrong.into());
    }
    tracing::warn!(address = %context.client.profile().address, "closed: too many wrong passwords");
    context.client.reply(|writer| writer.error(wrong));
    Ok(Err(Flow::End))
}

/// `AUTH [user] password`
pub(super) fn auth(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (user, password) = match command.len() {
        2 if context.core.shared().acl.default_user().needs_no_password() => {
            return Err(
                "ERR AUTH <password> called without any password configured for the default user. Are you \
                        sure your configuration is correct?"
                    .into(),
            );
        }
        2 => (DEFAULT, command.arg(1)),
        3 => (command.arg(1), command.arg(2)),
        _ => return Err(syntax_error()),
    };
    match sign_in(context, command, user, password)? {
        Ok(()) => context.reply(|writer| writer.simple("OK")),
        Err(flow) => Ok(flow),
    }
}

pub(super) fn select(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    database(command.arg(1))?;
    context.reply(|writer| writer.simple("OK"))
}

pub(super) fn quit(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    context.client.reply(|writer| writer.simple("OK"));
    Ok(Flow::End)
}

/// Back to how a connection starts: no transaction, no subscriptions, no name, RESP2, not signed in.
pub(super) fn reset(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    pubsub::drop_all(context);
    Monitors::forget(context.core, context.client);
    context.client.set_mute(Mute::Never);
    let profile = context.client.profile();
    profile.no_evict.store(false, Ordering::Relaxed);
    profile.no_touch.store(false, Ordering::Relaxed);
    context.client.sign_out(&context.core.shared().acl);
    context.client.set_version(Version::Resp2);
    set_name(context.client, b"")?;
    transaction::end(context, |writer| writer.simple("RESET"))
}
