//! A configuration as a tree of keys and values that know where they were written.

use toml::de::{DeTable, DeValue};

use super::fault::Fault;

/// Environment variables that begin so are settings: `NARU__SECTION__KEY`.
pub(super) const VARIABLE: &str = "NARU__";

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a line of the file, counted from 1.
    Line(usize),
    /// In an environment variable.
    Variable(String),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Truth(bool),
    Number(i64),
    Fraction(f64),
    Text(String),
    Date,
    /// Of an environment variable: read as whatever is wanted.
    Said(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Node {
    /// Reads a file's text.
    pub(super) fn parse(text: &str) -> Result<Node, Fault> {
        let line = |offset: usize| {
            let before = text.as_bytes().iter().take(offset);
            Place::Line(1 + before.filter(|&&byte| byte == b'\n').count())
        };
        let table = DeTable::parse(text).map_err(|error| {
            let place = line(error.span().map_or(0, |span| span.start));
            Fault::new(error.message()).at(&place)
        })?;
        Ok(Node { place: Place::Line(1), value: Value::Table(entries(table.into_inner(), &line)) })
    }

    /// Takes what the environment says, over what is there.
    pub(super) fn overlay(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), Fault> {
        for (name, said) in variables {
            let Some(path) = name.strip_prefix(VARIABLE) else { continue };
            let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            let place = Place::Variable(name.clone());
            self.put(&keys, &said, &place)?;
        }
        Ok(())
    }

    fn put(&mut self, keys: &[String], said: &str, place: &Place) -> Result<(), Fault> {
        let Some((key, rest)) = keys.split_first() else {
            *self = Node { place: place.clone(), value: Value::Said(said.to_owned()) };
            return Ok(());
        };
        let Value::Table(entries) = &mut self.value else {
            return Err(Fault::new("it leads into what is no table").at(place));
        };
        let known = match entries.iter().position(|entry| entry.key == *key) {
            Some(known) => known,
            None => {
                let node = Node { place: place.clone(), value: Value::Table(Vec::new()) };
                entries.push(Entry { key: key.clone(), place: place.clone(), node });
                entries.len() - 1
            }
        };
        let entry = &mut entries[known];
        if rest.is_empty() {
            entry.place = place.clone();
        }
        entry.node.put(rest, said, place)
    }

    /// Whether this holds for some text: of the key of its table, its own key, and what it says.
    pub(super) fn any(&self, holds: &impl Fn(&str, &str, &str) -> bool) -> bool {
        self.any_of("", "", holds)
    }

    fn any_of(&self, table: &str, key: &str, holds: &impl Fn(&str, &str, &str) -> bool) -> bool {
        match &self.value {
            Value::Text(text) => holds(table, key, text),
            Value::Table(entries) => entries.iter().any(|entry| entry.node.any_of(key, &entry.key, holds)),
            Value::List(nodes) => nodes.iter().any(|node| node.any_of(table, key, holds)),
            _ => false,
        }
    }
}

fn entries(table: DeTable<'_>, line: &impl Fn(usize) -> Place) -> Vec<Entry> {
    let entry = |(key, value): (toml::Spanned<_>, toml::Spanned<_>)| {
        let place = line(key.span().start);
        let node = Node { place: place.clone(), value: self::value(value.into_inner(), line) };
        Entry { key: std::borrow::Cow::into_owned(key.into_inner()), place, node }
    };
    table.into_iter().map(entry).collect()
}

fn value(value: DeValue<'_>, line: &impl Fn(usize) -> Place) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        // Too large for 64 bits is too large for every setting.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Fraction(f64::INFINITY), Value::Number),
        DeValue::Float(number) => Value::Fraction(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Truth(truth),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => Value::List(
            list.into_iter()
                .map(|node| Node {
                    place: line(node.span().start),
                    value: self::value(node.into_inner(), line),
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries(table, line)),
    }
}
