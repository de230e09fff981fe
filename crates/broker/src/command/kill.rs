//! `CLIENT KILL`

use naru_fanout::Peer;
use naru_resp::Command;

use super::{
    Context, Flow, Outcome, Refusal,
    arguments::{Arguments, integer, repeating, syntax_error},
    client::class,
};
use crate::{acl::Acl, class::Class, profile::Profile, wire::Mail};

/// Which clients to close: those that fit everything given.
#[derive(Default)]
struct Filter<'a> {
    id: Option<i64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    class: Option<Class>,
    user: Option<String>,
    age_seconds_min: Option<i64>,
    spares_caller: bool,
}

impl<'a> Filter<'a> {
    /// `option value [option value …]`
    fn parse(arguments: &mut Arguments<'_, 'a>, acl: &Acl) -> Result<Self, Refusal> {
        let mut filter = Filter { spares_caller: true, ..Filter::default() };
        while arguments.left() > 0 {
            if arguments.left() < 2 {
                return Err(syntax_error());
            }
            if arguments.takes("id") {
                filter.id = Some(positive(arguments.next()?, "client-id should be greater than 0")?);
            } else if arguments.takes("maxage") {
                filter.age_seconds_min =
                    Some(positive(arguments.next()?, "maxage should be greater than 0")?);
            } else if arguments.takes("type") {
                filter.class = Some(class(arguments.next()?)?);
            } else if arguments.takes("addr") {
                filter.address = Some(arguments.next()?);
            } else if arguments.takes("laddr") {
                filter.local_address = Some(arguments.next()?);
            } else if arguments.takes("user") {
                let user = arguments.next()?;
                let known = acl.user(user);
                let known = known.ok_or_else(|| repeating("ERR No such user '", user, "'"))?;
                filter.user = Some(known.shown_name());
            } else if arguments.takes("skipme") {
                filter.spares_caller = arguments.takes("yes");
                if !filter.spares_caller && !arguments.takes("no") {
                    return Err(syntax_error());
                }
            } else {
                return Err(syntax_error());
            }
        }
        Ok(filter)
    }

    fn fits(&self, profile: &Profile) -> bool {
        self.id.is_none_or(|id| profile.id.0 as i64 == id)
            && self.address.is_none_or(|address| profile.address.as_bytes() == address)
            && self.local_address.is_none_or(|address| profile.local_address.as_bytes() == address)
            && self.user.as_ref().is_none_or(|user| profile.user_name() == *user)
            && self.class.is_none_or(|class| profile.class() == class)
            && self.age_seconds_min.is_none_or(|age| profile.connected.elapsed().as_secs() as i64 >= age)
    }
}

fn positive(argument: &[u8], refusal: &str) -> Result<i64, Refusal> {
    integer(argument).ok().filter(|number| *number > 0).ok_or_else(|| format!("ERR {refusal}").into())
}

/// `CLIENT KILL ip:port`, or with options. Who is closed is forgotten at once, and its connection ends once its core
/// reads of it; nothing of what it sent and was not executed before is executed then.
pub(super) fn kill(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let by_address = command.len() == 3;
    let filter = if by_address {
        Filter { address: command.get(2), ..Filter::default() }
    } else {
        let mut arguments = Arguments::of(command);
        arguments.next()?;
        Filter::parse(&mut arguments, &context.core.shared().acl)?
    };
    let shared = context.core.shared();
    let own = context.client.id();
    let mut killed = 0;
    let mut is_own = false;
    for profile in shared.profiles.all() {
        if !filter.fits(&profile) || profile.id == own && filter.spares_caller {
            continue;
        }
        if profile.id == own {
            is_own = true;
        } else if shared.profiles.remove(profile.id) {
            context.core.directory().send(profile.core, Mail::Kill(profile.id));
        } else {
            // Somebody else was faster.
            continue;
        }
        killed += 1;
    }
    match (by_address, killed) {
        (true, 0) => return Err("ERR No such client".into()),
        (true, _) => context.client.reply(|writer| writer.simple("OK")),
        (false, _) => context.client.reply(|writer| writer.integer(killed)),
    }
    Ok(if is_own { Flow::End } else { Flow::Next })
}
