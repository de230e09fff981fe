//! The tables of the reference page, docs/commands.md, made from the command table.

use std::fmt::Write;

use super::{
    manual::{MANUAL, Usage},
    table::{Entry, find},
};

const BEGIN: &str = "<!-- commands: ";
const END: &str = "<!-- end -->";

/// The page with its tables as the command table has them, each between `<!-- commands: group -->` and `<!-- end -->`;
/// what is around them stays.
fn with_tables(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(begin) = rest.find(BEGIN) {
        let head = begin + rest[begin..].find("-->").expect("a marker ends") + "-->".len();
        let end = head + rest[head..].find(END).expect("every table has an end");
        let group = rest[begin + BEGIN.len()..head].trim_end_matches("-->").trim();
        out.push_str(&rest[..head]);
        out.push_str(&table(group));
        rest = &rest[end..];
    }
    out + rest
}

fn table(group: &str) -> String {
    let mut out = "\n\n| command | does |\n|---|---|\n".to_owned();
    for usage in MANUAL {
        let (container, subcommand) = usage.name.split_once('|').unwrap_or((usage.name, ""));
        let entry = find(container.as_bytes()).expect("the manual holds nothing else, as a test of it shows");
        let is_container = subcommand.is_empty() && !entry.subcommands.is_empty() && container != "command";
        if entry.group == group && !is_container && subcommand != "help" {
            row(&mut out, entry, usage);
        }
    }
    out + "\n"
}

fn row(out: &mut String, entry: &Entry, usage: &Usage) {
    let star = if entry.in_subscribed_mode { " *" } else { "" };
    let summary = if usage.name.contains('|') { "" } else { entry.summary };
    let name = usage.name.replace('|', " ").to_uppercase();
    let syntax = usage.syntax.replace('|', "\\|");
    let call = format!("{name} {syntax}");
    let text = format!("{summary} {}", usage.text);
    writeln!(out, "| `{}`{star} | {} |", call.trim(), text.trim()).expect("a String takes everything");
}

#[test]
fn the_reference_page_says_what_the_command_table_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
    let page = std::fs::read_to_string(file).unwrap();
    let fresh = with_tables(&page);
    if std::env::var_os("NARU_WRITE_REFERENCE").is_some() {
        std::fs::write(file, &fresh).unwrap();
        return;
    }
    assert!(
        page == fresh,
        "docs/commands.md is out of date: NARU_WRITE_REFERENCE=1 cargo test -p naru-broker reference_page writes it anew"
    );
    let mut groups: Vec<&str> = super::table::TABLE.iter().map(|entry| entry.group).collect();
    groups.dedup();
    for group in groups {
        assert!(page.contains(&format!("{BEGIN}{group} -->")), "the page has no table of the group {group}");
    }
}
