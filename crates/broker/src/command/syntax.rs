//! How arguments are written down: the notation of the reference page, and what `COMMAND DOCS` makes of it for the
//! hints of prompts.
//!
//! | written | means |
//! |---|---|
//! | `name` | an argument |
//! | `WORD`, `=`, `~`, `*` | itself |
//! | `WORD name`, `WORD <…>` | an argument with a word before it |
//! | `[…]` | may be left out |
//! | `<… \| …>`, `[… \| …]` | one of these |
//! | `… [… ...]` | what was just said once more, and so on |

/// An argument of a command, or several that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) kind: Kind,
    /// A word that comes before it.
    pub(super) token: Option<&'static str>,
    pub(super) is_optional: bool,
    pub(super) is_repeated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something to fill in.
    Value(&'static str),
    /// A word as it is.
    Word(&'static str),
    OneOf(Vec<Argument>),
    Block(Vec<Argument>),
}

/// Values that are keys.
const KEYS: &[&str] = &["destination", "key", "newkey", "source"];

/// Values that are whole numbers.
const INTEGERS: &[&str] = &[
    "after",
    "before",
    "bits",
    "bytes",
    "client-id",
    "count",
    "cursor",
    "decrement",
    "destination-db",
    "entries-added",
    "entries-read",
    "increment",
    "index",
    "lease-ms",
    "len",
    "limit",
    "maxage",
    "milliseconds",
    "ms",
    "num-matches",
    "numkeys",
    "numreplicas",
    "offset",
    "older-than-ms",
    "protover",
    "rank",
    "seconds",
    "seq",
    "slot",
    "target",
    "timeout",
];

impl Argument {
    fn new(kind: Kind) -> Self {
        Argument { kind, token: None, is_optional: false, is_repeated: false }
    }

    /// What it is called; several have the name of the first.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Value(name) => (*name).to_owned(),
            Kind::Word("=") => "equal".to_owned(),
            Kind::Word("~") => "approximately".to_owned(),
            Kind::Word("*") => "auto-id".to_owned(),
            Kind::Word("$") => "new-id".to_owned(),
            Kind::Word(word) => word.to_lowercase(),
            Kind::OneOf(parts) | Kind::Block(parts) => parts.first().map_or_else(String::new, Argument::name),
        }
    }

    /// In the words of `COMMAND DOCS`.
    pub(super) fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Value(name) if KEYS.contains(name) => "key",
            Kind::Value("unix-time-seconds" | "unix-time-milliseconds") => "unix-time",
            Kind::Value("pattern") => "pattern",
            Kind::Value(name) if INTEGERS.contains(name) => "integer",
            Kind::Value(_) => "string",
            Kind::Word(_) => "pure-token",
            Kind::OneOf(_) => "oneof",
            Kind::Block(_) => "block",
        }
    }

    /// How many words it takes at least, and whether always so many.
    fn words(&self) -> (usize, bool) {
        let (least, exactly) = match &self.kind {
            Kind::Value(_) | Kind::Word(_) => (1, true),
            Kind::Block(parts) => words(parts),
            Kind::OneOf(parts) => {
                let each = || parts.iter().map(Argument::words);
                let least = each().map(|(least, _)| least).min().unwrap_or(0);
                (least, each().all(|it| it == (least, true)))
            }
        };
        let least = least + usize::from(self.token.is_some());
        if self.is_optional { (0, false) } else { (least, exactly && !self.is_repeated) }
    }
}

/// How many words these arguments take at least, and whether always so many.
pub(super) fn words(arguments: &[Argument]) -> (usize, bool) {
    let each = arguments.iter().map(Argument::words);
    each.fold((0, true), |sum, argument| (sum.0 + argument.0, sum.1 && argument.1))
}

/// Reads what is written down in this notation; what is not of it is a fault of ours, which a test finds.
pub(super) fn parse(syntax: &'static str) -> Vec<Argument> {
    let mut parser = Parser { rest: syntax };
    let mut alternatives = parser.alternatives();
    debug_assert!(parser.rest.is_empty() && alternatives.len() == 1, "{syntax}");
    alternatives.pop().unwrap_or_default()
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    /// The next word or sign, which is not taken yet.
    fn peek(&mut self) -> Option<&'static str> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        let end = if "[]<>|".contains(first) {
            first.len_utf8()
        } else {
            self.rest
                .find(|sign: char| sign.is_whitespace() || "[]<>|".contains(sign))
                .unwrap_or(self.rest.len())
        };
        Some(&self.rest[..end])
    }

    fn take(&mut self) -> Option<&'static str> {
        let word = self.peek()?;
        self.rest = &self.rest[word.len()..];
        Some(word)
    }

    /// Up to a closing bracket or the end.
    fn alternatives(&mut self) -> Vec<Vec<Argument>> {
        let mut all = vec![Vec::new()];
        while let Some(word) = self.peek() {
            match word {
                "]" | ">" => break,
                "|" => {
                    self.take();
                    all.push(Vec::new());
                }
                _ => {
                    if let Some(sequence) = all.last_mut() {
                        self.argument(sequence);
                    }
                }
            }
        }
        all
    }

    /// One more argument of a sequence, or a change of the last.
    fn argument(&mut self, sequence: &mut Vec<Argument>) {
        match self.take() {
            Some("[") => {
                let mut alternatives = self.alternatives();
                self.take();
                if let [repeated] = alternatives.as_mut_slice()
                    && repeated.last().is_some_and(|last| last.kind == Kind::Value("..."))
                {
                    repeated.pop();
                    repeat(sequence, repeated.len());
                } else {
                    sequence.push(Argument { is_optional: true, ..together(alternatives) });
                }
            }
            Some("<") => {
                let alternatives = self.alternatives();
                self.take();
                sequence.push(together(alternatives));
            }
            Some(word) if word.chars().any(char::is_lowercase) || word == "..." => {
                sequence.push(Argument::new(Kind::Value(word)));
            }
            Some(word) => match self.peek() {
                Some(next) if next == "<" || next.chars().any(char::is_lowercase) => {
                    let before = sequence.len();
                    self.argument(sequence);
                    sequence[before..].iter_mut().for_each(|argument| argument.token = Some(word));
                }
                _ => sequence.push(Argument::new(Kind::Word(word))),
            },
            None => {}
        }
    }
}

/// The last `count` arguments may come again.
fn repeat(sequence: &mut Vec<Argument>, count: usize) {
    let mut repeated = sequence.split_off(sequence.len().saturating_sub(count));
    let one = if repeated.len() == 1 { repeated.pop() } else { None };
    let one = one.unwrap_or_else(|| Argument::new(Kind::Block(repeated)));
    sequence.push(Argument { is_repeated: true, ..one });
}

/// One of several, or a few that belong together, or the only one as it is.
fn together(mut alternatives: Vec<Vec<Argument>>) -> Argument {
    if alternatives.len() > 1 {
        let parts = alternatives.into_iter().map(|sequence| together(vec![sequence])).collect();
        return Argument::new(Kind::OneOf(parts));
    }
    let mut sequence = alternatives.pop().unwrap_or_default();
    match sequence.pop() {
        Some(only) if sequence.is_empty() => only,
        Some(last) => {
            sequence.push(last);
            Argument::new(Kind::Block(sequence))
        }
        None => Argument::new(Kind::Block(sequence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes arguments as redis-cli shows them.
    fn shown(arguments: &[Argument]) -> String {
        arguments.iter().map(shown_one).collect::<Vec<_>>().join(" ")
    }

    fn shown_one(argument: &Argument) -> String {
        let mut text = match &argument.kind {
            Kind::Value(name) | Kind::Word(name) => (*name).to_owned(),
            Kind::Block(parts) => shown(parts),
            Kind::OneOf(parts) => {
                let text = parts.iter().map(shown_one).collect::<Vec<_>>().join(" | ");
                if argument.is_optional && argument.token.is_none() { text } else { format!("<{text}>") }
            }
        };
        if argument.is_repeated {
            text = format!("{text} [{text} ...]");
        }
        if let Some(token) = argument.token {
            text = format!("{token} {text}");
        }
        if argument.is_optional { format!("[{text}]") } else { text }
    }

    #[test]
    fn what_is_written_down_is_understood_and_can_be_written_again() {
        for syntax in [
            "",
            "key [key ...]",
            "[channel [channel ...]]",
            "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
            "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
            "[protover [AUTH username password] [SETNAME clientname]]",
            "[TYPE <NORMAL | PUBSUB>] [ID client-id [client-id ...]]",
            "<ip:port | [ID client-id] [SKIPME yes/no]>",
        ] {
            assert_eq!(shown(&parse(syntax)), syntax);
        }
    }

    #[test]
    fn words_are_counted_as_arities_are() {
        for (syntax, counted) in [
            ("", (0, true)),
            ("key", (1, true)),
            ("key [key ...]", (1, false)),
            ("<ON | OFF>", (1, true)),
            ("key <* | id> field value [field value ...]", (4, false)),
            ("[COUNT count] STREAMS key [key ...] id [id ...]", (3, false)),
        ] {
            assert_eq!(words(&parse(syntax)), counted, "{syntax}");
        }
    }
}
