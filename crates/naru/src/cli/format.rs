//! Replies as people see them: byte for byte what redis-cli 7.0 prints.

use std::io::Write as _;

use naru_resp::Value;

/// How replies are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// With quotes, types and numbers, for people.
    Formatted,
    /// The bytes alone, for programs.
    Raw,
    /// The bytes alone and no line break after them, for replies that are a text of many lines.
    Text,
}

impl Style {
    /// How the reply to `command` is printed: the same, unless it is a text for people, whatever its type.
    pub(super) fn of_reply(self, command: &[Vec<u8>]) -> Self {
        let word =
            |index: usize| command.get(index).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        match (word(0).as_slice(), word(1).as_slice()) {
            (b"info", _)
            | (b"client", b"list" | b"info")
            | (b"cluster", b"info" | b"nodes")
            | (b"latency", b"doctor" | b"graph")
            | (b"memory", b"doctor" | b"malloc-stats") => Self::Text,
            _ => self,
        }
    }

    /// One reply, with the line break after it.
    pub(super) fn format(self, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Formatted => formatted(value, 0, &mut out),
            Self::Raw | Self::Text => raw(value, &mut out),
        }
        if self != Self::Text {
            out.push(b'\n');
        }
        out
    }
}

/// Writes `value`, whose first line starts in column `indent`, without the last line break.
fn formatted(value: &Value, indent: usize, out: &mut Vec<u8>) {
    match value {
        Value::Simple(text) | Value::Verbatim(text) | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Error(text) => {
            out.extend_from_slice(b"(error) ");
            out.extend_from_slice(text);
        }
        Value::Integer(number) => append(out, format_args!("(integer) {number}")),
        Value::Double(number) => append(out, format_args!("(double) {}", double(*number))),
        Value::Boolean(truth) => append(out, format_args!("({truth})")),
        Value::Null => out.extend_from_slice(b"(nil)"),
        Value::Bulk(bytes) => quoted(bytes, out),
        Value::Array(elements) => numbered(elements, ')', "(empty array)", indent, out),
        Value::Set(elements) => numbered(elements, '~', "(empty set)", indent, out),
        Value::Push(elements) => numbered(elements, ')', "(empty push)", indent, out),
        Value::Map(pairs) => numbered_pairs(pairs, indent, out),
    }
}

fn numbered(elements: &[Value], mark: char, empty: &str, indent: usize, out: &mut Vec<u8>) {
    if elements.is_empty() {
        out.extend_from_slice(empty.as_bytes());
    }
    let width = digits(elements.len());
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            new_line(indent, out);
        }
        append(out, format_args!("{:width$}{mark} ", index + 1));
        formatted(element, indent + width + 2, out);
    }
}

fn numbered_pairs(pairs: &[(Value, Value)], indent: usize, out: &mut Vec<u8>) {
    if pairs.is_empty() {
        out.extend_from_slice(b"(empty hash)");
    }
    let width = digits(pairs.len());
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            new_line(indent, out);
        }
        append(out, format_args!("{:width$}# ", index + 1));
        formatted(key, indent + width + 2, out);
        out.extend_from_slice(b" => ");
        if spans_lines(value) {
            new_line(indent + width + 2, out);
        }
        formatted(value, indent + width + 2, out);
    }
}

/// Whether redis-cli starts a value of a map on a line of its own: it looks
/// for a second element in it, at any depth, but not in keys.
fn spans_lines(value: &Value) -> bool {
    match value {
        Value::Map(pairs) => pairs.len() > 1 || pairs.iter().any(|(_, value)| spans_lines(value)),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            elements.len() > 1 || elements.iter().any(spans_lines)
        }
        _ => false,
    }
}

fn new_line(indent: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + indent, b' ');
}

fn digits(count: usize) -> usize {
    count.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            other => append(out, format_args!("\\x{other:02x}")),
        }
    }
    out.push(b'"');
}

fn raw(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Simple(text) | Value::Verbatim(text) | Value::BigNumber(text) | Value::Bulk(text) => {
            out.extend_from_slice(text);
        }
        Value::Error(text) => {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        Value::Integer(number) => append(out, format_args!("{number}")),
        Value::Double(number) => append(out, format_args!("{}", double(*number))),
        Value::Boolean(truth) => append(out, format_args!("({truth})")),
        Value::Null => {}
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                raw(element, out);
            }
        }
        Value::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                raw(key, out);
                out.push(b' ');
                raw(value, out);
            }
        }
    }
}

/// The shortest text that reads back the same; redis-cli shows what the server wrote.
fn double(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { number.to_string() }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec<u8> takes every write");
}

#[cfg(test)]
mod tests;
