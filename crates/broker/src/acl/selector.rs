use naru_fanout::matches;
use naru_resp::{Command, split_line};

use super::{
    commands::Commands,
    rule::{BadRule, has_enclosing, has_spaces},
};
use crate::command::{Called, Entry, KeyAccess, key_places};

/// One set of rules: which commands, on which keys, with which channels. A user has one, and perhaps more in
/// parentheses; a command is allowed if one of them allows all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    commands: Commands,
    keys: Patterns<KeyPattern>,
    channels: Patterns<Box<[u8]>>,
}

/// Everything, or what one of them matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Patterns<P> {
    All,
    Some(Vec<P>),
}

impl<P> Patterns<P> {
    fn none() -> Self {
        Patterns::Some(Vec::new())
    }

    fn is_all(&self) -> bool {
        matches!(self, Patterns::All)
    }

    fn as_slice(&self) -> &[P] {
        match self {
            Patterns::All => &[],
            Patterns::Some(patterns) => patterns,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    glob: Box<[u8]>,
    allowed: KeyAccess,
}

/// What a command is refused for: the worst of all selectors counts, so the order matters. With the place of the
/// argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denied {
    Command,
    Key(usize),
    Channel(usize),
}

/// How a command names channels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Channels {
    None,
    /// Its first argument.
    First,
    /// Its third.
    Third,
    /// All its arguments.
    Names,
    /// All its arguments, which are patterns.
    Patterns,
}

impl Channels {
    /// As in Redis, who stops listening is not asked what to.
    fn of(entry: &Entry) -> Self {
        match entry.name {
            "publish" | "spublish" => Channels::First,
            "naru.channel.publish"
            | "naru.channel.history"
            | "naru.channel.remove"
            | "naru.channel.presence"
            | "naru.channel.stats" => Channels::First,
            "naru.channel.enter" | "naru.channel.leave" => Channels::Third,
            "subscribe" | "ssubscribe" => Channels::Names,
            "psubscribe" => Channels::Patterns,
            _ => Channels::None,
        }
    }
}

impl Selector {
    /// Allows nothing, unless it has all channels to begin with (`acl-pubsub-default`).
    pub(super) fn new(all_channels: bool) -> Self {
        let channels = if all_channels { Patterns::All } else { Patterns::none() };
        Selector { commands: Commands::none(), keys: Patterns::none(), channels }
    }

    /// Allows everything.
    pub(super) fn all() -> Self {
        let mut selector = Selector::new(true);
        selector.commands.reset(true);
        selector.keys = Patterns::All;
        selector
    }

    /// Reads the rules between parentheses.
    pub(super) fn parse(rules: &[u8], all_channels: bool) -> Result<Self, BadRule> {
        let mut selector = Selector::new(all_channels);
        for rule in split_line(rules).map_err(|_| BadRule::Syntax)? {
            selector.apply(&rule)?;
            if has_enclosing(&rule) {
                return Err(BadRule::Enclosing);
            }
        }
        Ok(selector)
    }

    /// Takes one rule about commands, keys or channels.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), BadRule> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.keys = Patterns::All,
            b"resetkeys" => self.keys = Patterns::none(),
            b"allchannels" | b"&*" => self.channels = Patterns::All,
            b"resetchannels" => self.channels = Patterns::none(),
            b"allcommands" => self.commands.reset(true),
            b"nocommands" => self.commands.reset(false),
            [b'+', ..] => self.commands.apply(true, &rule[1..])?,
            [b'-', ..] => self.commands.apply(false, &rule[1..])?,
            [b'~', ..] => self.add_keys(&rule[1..], KeyAccess { reads: true, writes: true })?,
            [b'%', ..] => {
                let (allowed, glob) = key_access(&rule[1..])?;
                self.add_keys(glob, allowed)?;
            }
            [b'&', ..] => self.add_channels(&rule[1..])?,
            _ => return Err(BadRule::Syntax),
        }
        Ok(())
    }

    fn add_keys(&mut self, glob: &[u8], allowed: KeyAccess) -> Result<(), BadRule> {
        let Patterns::Some(patterns) = &mut self.keys else { return Err(BadRule::KeyAfterAll) };
        if has_spaces(glob) {
            return Err(BadRule::Syntax);
        }
        match patterns.iter_mut().find(|known| *known.glob == *glob) {
            Some(known) => known.allowed = known.allowed.or(allowed),
            None => patterns.push(KeyPattern { glob: glob.into(), allowed }),
        }
        Ok(())
    }

    fn add_channels(&mut self, glob: &[u8]) -> Result<(), BadRule> {
        let Patterns::Some(globs) = &mut self.channels else { return Err(BadRule::ChannelAfterAll) };
        if has_spaces(glob) {
            return Err(BadRule::Syntax);
        }
        if !globs.iter().any(|known| **known == *glob) {
            globs.push(glob.into());
        }
        Ok(())
    }

    pub(super) fn allows_everything(&self) -> bool {
        self.commands.is_all() && self.keys.is_all() && self.channels.is_all()
    }

    /// Whether it allows a command; the arity is right.
    pub(super) fn check(&self, entry: &Entry, called: Called, command: &Command<'_>) -> Result<(), Denied> {
        if !self.commands.allow(called, command) && !entry.flags.contains(&"no_auth") {
            return Err(Denied::Command);
        }
        if !self.keys.is_all() {
            let denied = key_places(entry, command).into_iter().flatten().enumerate().find(|(number, at)| {
                let wanted = KeyAccess::of(entry, command, *number);
                !self.allows_key(command.get(*at).unwrap_or_default(), wanted)
            });
            if let Some((_, at)) = denied {
                return Err(Denied::Key(at));
            }
        }
        let places = match Channels::of(entry) {
            Channels::None => 0..0,
            Channels::First => 1..2,
            Channels::Third => 3..4,
            Channels::Names | Channels::Patterns => 1..command.len(),
        };
        let is_pattern = Channels::of(entry) == Channels::Patterns;
        let is_denied = |at: &usize| !self.allows_channel(command.get(*at).unwrap_or_default(), is_pattern);
        places.into_iter().find(is_denied).map_or(Ok(()), |at| Err(Denied::Channel(at)))
    }

    fn allows_key(&self, key: &[u8], wanted: KeyAccess) -> bool {
        let allows = |pattern: &KeyPattern| pattern.allowed.covers(wanted) && matches(&pattern.glob, key);
        self.keys.is_all() || self.keys.as_slice().iter().any(allows)
    }

    /// A pattern is allowed if it is itself in the list: as in Redis, nobody proves that one matches less than another.
    pub(super) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let allows = |glob: &[u8]| if is_pattern { glob == name } else { matches(glob, name) };
        self.channels.is_all() || self.channels.as_slice().iter().any(|glob| allows(glob))
    }

    pub(super) fn describe_commands(&self) -> String {
        self.commands.describe()
    }

    /// The key patterns as rules.
    pub(super) fn describe_keys(&self) -> Vec<u8> {
        if self.keys.is_all() {
            return b"~*".to_vec();
        }
        let described = |KeyPattern { glob, allowed }: &KeyPattern| {
            let sign: &[u8] = match (allowed.reads, allowed.writes) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            };
            [sign, glob].concat()
        };
        self.keys.as_slice().iter().map(described).collect::<Vec<_>>().join(&b' ')
    }

    /// The channel patterns as rules.
    pub(super) fn describe_channels(&self) -> Vec<u8> {
        if self.channels.is_all() {
            return b"&*".to_vec();
        }
        let described = |glob: &[u8]| [b"&", glob].concat();
        self.channels.as_slice().iter().map(|glob| described(glob)).collect::<Vec<_>>().join(&b' ')
    }

    /// All of it, as rules that lead here from a new selector, whatever that begins with.
    pub(super) fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.describe_keys()];
        if !self.channels.is_all() {
            parts.push(b"resetchannels".to_vec());
        }
        parts.extend([self.describe_channels(), self.describe_commands().into_bytes()]);
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

/// `R~glob`, `W~glob`, `RW~glob`: what may be done to keys, and to which.
fn key_access(rule: &[u8]) -> Result<(KeyAccess, &[u8]), BadRule> {
    let end = rule.iter().position(|byte| *byte == b'~').unwrap_or(rule.len());
    let mut access = KeyAccess::default();
    for letter in &rule[..end] {
        let flag = match letter.to_ascii_lowercase() {
            b'r' => &mut access.reads,
            b'w' => &mut access.writes,
            _ => return Err(BadRule::Syntax),
        };
        if std::mem::replace(flag, true) {
            return Err(BadRule::Syntax);
        }
    }
    if end == 0 {
        return Err(BadRule::Syntax);
    }
    Ok((access, rule.get(end + 1..).unwrap_or_default()))
}
