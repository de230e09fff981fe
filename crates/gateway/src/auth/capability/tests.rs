use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn capabilities(caps: Value) -> Result<Capabilities, Fault> {
    Capabilities::read(serde_json::from_value(caps).map_err(|_| Fault::Claims)?)
}

#[test]
fn a_capability_gives_its_rights_in_its_channels() {
    let caps = capabilities(json!([
        {"channels": ["news", "chat:1"], "allow": ["sub", "hst"]},
        {"channels": ["user:?:*"], "match": "wildcard", "allow": ["pub"]},
        {"channels": ["team-[0-9]+", "a|b"], "match": "regex", "allow": ["prs", "pub"]},
    ]))
    .unwrap();
    for (channel, right) in [
        ("news", Right::Subscribe),
        ("chat:1", Right::History),
        ("user:1:a:b", Right::Publish),
        ("team-17", Right::Presence),
        ("team-17", Right::Publish),
        ("b", Right::Publish),
    ] {
        assert!(caps.allow(channel, right), "{channel} {right:?}");
    }
    for (channel, right) in [
        ("", Right::Subscribe),
        ("news", Right::Publish),
        ("news2", Right::Subscribe),
        ("xnews", Right::Subscribe),
        ("NEWS", Right::Subscribe),
        ("user:12:a", Right::Publish),
        ("user:1", Right::Publish),
        ("user:1:a", Right::Subscribe),
        ("xteam-1", Right::Publish),
        ("team-1x", Right::Publish),
        ("team-1\nx", Right::Publish),
        ("ab", Right::Publish),
        ("user:?:*", Right::Subscribe),
        ("*", Right::Subscribe),
    ] {
        assert!(!caps.allow(channel, right), "{channel} {right:?}");
    }
    assert!(!Capabilities::default().allow("news", Right::Subscribe));
}

#[test]
fn capabilities_that_are_not_understood_make_the_token_invalid() {
    let long = "x".repeat(PATTERN_BYTES_MAX + 1);
    let many: Vec<String> = (0..=CAPABILITY_CHANNELS_MAX).map(|number| number.to_string()).collect();
    for (caps, fault) in [
        (json!({}), Fault::Claims),
        (json!(["news"]), Fault::Claims),
        (json!([{"channels": ["a"]}]), Fault::Claims),
        (json!([{"allow": ["sub"]}]), Fault::Claims),
        (json!([{"channels": "a", "allow": ["sub"]}]), Fault::Claims),
        (json!([{"channels": ["a"], "allow": "sub"}]), Fault::Claims),
        (json!([{"channels": ["a"], "allow": ["all"]}]), Fault::Claims),
        (json!([{"channels": ["a"], "allow": ["SUB"]}]), Fault::Claims),
        (json!([{"channels": ["a"], "match": "glob", "allow": ["sub"]}]), Fault::Claims),
        (json!([{"channels": ["a"], "match": null, "allow": ["sub"]}]), Fault::Claims),
        (json!([{"channels": ["("], "match": "regex", "allow": ["sub"]}]), Fault::BadPattern),
        (json!([{"channels": ["a)|(.*"], "match": "regex", "allow": ["sub"]}]), Fault::BadPattern),
        (json!([{"channels": ["(a{1000}){1000}"], "match": "regex", "allow": ["sub"]}]), Fault::BadPattern),
        (json!([{"channels": [long], "match": "regex", "allow": ["sub"]}]), Fault::BadPattern),
        (json!([{"channels": [long], "match": "wildcard", "allow": ["sub"]}]), Fault::BadPattern),
        (json!([{"channels": many, "allow": ["sub"]}]), Fault::TooManyCapabilities),
        (
            json!([{"channels": vec!["a"; CAPABILITY_PATTERNS_MAX + 1], "match": "regex", "allow": []}]),
            Fault::TooManyCapabilities,
        ),
        (json!(vec![json!({"channels": [], "allow": []}); CAPABILITIES_MAX + 1]), Fault::TooManyCapabilities),
    ] {
        assert_eq!(capabilities(caps.clone()).unwrap_err(), fault, "{caps}");
    }
}

/// The rule as one would say it, without any of ours: backtracking, on short words of two letters.
fn fits(matching: &str, pattern: &[u8], word: &[u8]) -> bool {
    match (matching, pattern.first()) {
        ("exact", _) => pattern == word,
        (_, None) => word.is_empty(),
        (_, Some(b'*')) => (0..=word.len()).any(|taken| fits(matching, &pattern[1..], &word[taken..])),
        (_, Some(b'?')) => !word.is_empty() && fits(matching, &pattern[1..], &word[1..]),
        (_, Some(letter)) => word.first() == Some(letter) && fits(matching, &pattern[1..], &word[1..]),
    }
}

const RIGHTS: [(&str, Right); 4] =
    [("sub", Right::Subscribe), ("pub", Right::Publish), ("prs", Right::Presence), ("hst", Right::History)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No grant without a matching rule, and none withheld that a rule gives.
    #[test]
    fn a_right_is_granted_if_and_only_if_a_capability_says_so(
        caps in prop::collection::vec(
            (
                prop::collection::vec("[ab*?]{0,4}", 0..3),
                prop::sample::select(vec!["exact", "wildcard", "regex"]),
                prop::sample::subsequence(vec![0, 1, 2, 3], 0..=4),
            ),
            0..4,
        ),
        channel in "[ab*?]{0,5}",
        right in 0..4_usize,
    ) {
        let claimed: Vec<Value> = caps
            .iter()
            .map(|(patterns, matching, rights)| {
                // The same patterns, as a regular expression writes them.
                let patterns: Vec<String> = match *matching {
                    "regex" => patterns.iter().map(|text| text.replace('*', ".*").replace('?', ".")).collect(),
                    _ => patterns.clone(),
                };
                let allow: Vec<&str> = rights.iter().map(|&right| RIGHTS[right].0).collect();
                json!({"channels": patterns, "match": matching, "allow": allow})
            })
            .collect();
        let expected = caps.iter().any(|(patterns, matching, rights)| {
            rights.contains(&right)
                && patterns.iter().any(|pattern| fits(matching, pattern.as_bytes(), channel.as_bytes()))
        });
        let granted = capabilities(claimed.into()).unwrap().allow(&channel, RIGHTS[right].1);
        prop_assert_eq!(granted, expected);
    }
}
