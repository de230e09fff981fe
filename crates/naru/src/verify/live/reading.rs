//! What servers answer and push, read into what a history has.

use serde_json::Value;

use super::body::body;
use super::history::{Answer, Entry, Reads, Unread};

/// Where a message went.
pub(super) fn sent(data: &Value) -> Answer {
    Answer::Sent {
        conversation: data["conversation"].as_str().unwrap_or_default().to_owned(),
        seq: data["seq"].as_u64().unwrap_or(0),
        at: data["at"].as_u64().unwrap_or(0),
        duplicate: data["duplicate"].as_bool().unwrap_or(false),
    }
}

/// What is unread, of each conversation.
pub(super) fn unread(data: &Value) -> Vec<Unread> {
    let rows = data["conversations"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |row: &Value| Unread {
        conversation: row["conversation"].as_str().unwrap_or_default().to_owned(),
        unread: row["unread"].as_u64().unwrap_or(0),
        mentions: row["mentions"].as_u64(),
    };
    rows.iter().map(row).collect()
}

/// The entries of a page of history.
pub(super) fn entries(data: &Value) -> Vec<Entry> {
    data["entries"].as_array().map_or(&[][..], Vec::as_slice).iter().map(entry).collect()
}

/// An entry as it is pushed, and as it stands in a page of history.
pub(super) fn entry(data: &Value) -> Entry {
    let text = |name: &str| data[name].as_str().map(str::to_owned);
    let kind = text("kind").or_else(|| text("type")).unwrap_or_else(|| "message".to_owned());
    let id = text("id").unwrap_or_default();
    let (changed, target) = (data["changed"].as_u64(), data["target"].as_u64());
    let (reads, altered) = match kind.as_str() {
        "message" | "reaction" if changed.is_none() => (None, data["body"] != body(&id)),
        "message" | "reaction" | "edit" => reads(&data["body"]),
        _ => (None, !data["body"].is_null()),
    };
    let mentions = data["mentions"].as_array().map_or(&[][..], Vec::as_slice);
    let mentions = mentions.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Entry {
        conversation: text("conversation").unwrap_or_default(),
        seq: data["seq"].as_u64().unwrap_or(0),
        kind,
        from: text("from").unwrap_or_default(),
        id,
        prev: data["prev"].as_u64(),
        count: data["count"].as_u64(),
        target,
        mentions,
        changed,
        reads,
        altered,
    }
}

/// How something reads that was changed, and whether that is what nobody has written.
fn reads(said: &Value) -> (Option<Reads>, bool) {
    if said.is_null() {
        return (Some(Reads::Gone), false);
    }
    let id = said["id"].as_str().unwrap_or_default();
    (Some(Reads::As(id.to_owned())), *said != body(id))
}
