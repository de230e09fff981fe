use std::fs;

use bytes::Bytes;
use naru_fanout::{Topic, matches};
use naru_resp::{Limits, OwnedCommand, RequestParser};
use proptest::prelude::*;

use super::*;
use crate::command::{Called, Category, Entry, all_called, find};

fn acl() -> Acl {
    Acl::new(&AclOptions::default(), None).unwrap()
}

fn set(acl: &Acl, name: &str, rules: &str) -> Result<(), NotSet> {
    let rules: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    acl.set(name.as_bytes(), &rules)
}

fn user(rules: &str) -> Arc<User> {
    let acl = acl();
    set(&acl, "alice", rules).unwrap();
    acl.user(b"alice").unwrap()
}

fn line(user: &User) -> String {
    String::from_utf8(user.line()).unwrap()
}

fn command(line: &str) -> OwnedCommand {
    let mut parser = RequestParser::new(Limits::authenticated());
    let line = format!("{line}\r\n");
    parser.next(line.as_bytes()).unwrap().unwrap().0.to_owned()
}

fn check(user: &User, line: &str) -> Result<(), Denied> {
    let command = command(line);
    let command = command.as_command();
    let entry = find(command.name()).unwrap();
    user.check(entry, entry.called(&command).unwrap(), &command)
}

#[test]
fn a_new_user_may_do_nothing_and_the_default_user_everything() {
    let acl = acl();
    assert_eq!(line(&acl.default_user()), "user default on nopass ~* &* +@all");
    assert!(acl.default_user().is_unrestricted());
    set(&acl, "alice", "").unwrap();
    let alice = acl.user(b"alice").unwrap();
    assert_eq!(line(&alice), "user alice off resetchannels -@all");
    assert_eq!(check(&alice, "PING"), Err(Denied::Command));
    // What one signs in with is for everybody, as in Redis.
    assert_eq!(check(&alice, "AUTH x"), Ok(()));
}

#[test]
fn later_rules_overrule_earlier_ones() {
    for (rules, allowed, denied) in [
        ("+@pubsub -publish &*", "SUBSCRIBE a", "PUBLISH a b"),
        ("+@all -@dangerous allkeys allchannels", "XADD k * f v", "NARU.ACK a b 0"),
        ("+@all -config|set ~* &*", "CONFIG GET a", "CONFIG SET a b"),
        ("+config|get", "CONFIG GET a", "CONFIG SET a b"),
        ("+client -client|kill", "CLIENT ID", "CLIENT KILL a"),
        ("-select +select|0", "SELECT 0", "SELECT 1"),
        ("+@naru", "NARU.ACK a b 0", "PING"),
        ("+@write ~*", "DEL a", "NARU.ACK a b 0"),
        ("+@fast +@slow ~* &*", "PING", "NARU.ACK a b 0"),
        ("+@all -@all +ping", "PING", "ECHO a"),
        ("nocommands allcommands -echo &* ~*", "PING", "ECHO a"),
    ] {
        let user = user(rules);
        assert_eq!(check(&user, allowed), Ok(()), "{rules}");
        assert_eq!(check(&user, denied), Err(Denied::Command), "{rules}");
        assert!(!user.is_unrestricted());
    }
}

#[test]
fn keys_are_checked_for_what_is_done_to_them() {
    let user = user("+@all %R~r* %W~w* ~b* %R~both %W~both &*");
    for line in [
        "XRANGE r1 - +",
        "XADD w1 * f v",
        "XADD both * f v",
        "XRANGE both - +",
        "XREAD COUNT 1 STREAMS r1 b1 0 0",
        "XLEN w1",
        "WATCH r1 w1",
        "EXISTS b w r",
        "PUBLISH anything x",
    ] {
        assert_eq!(check(&user, line), Ok(()), "{line}");
    }
    for (line, at) in [
        ("XRANGE w1 - +", 1),
        ("XADD r1 * f v", 1),
        ("XLEN other", 1),
        ("DEL b1 w1 r1", 3),
        ("XREAD COUNT 1 STREAMS r1 w1 0 0", 5),
        ("WATCH r1 other", 2),
    ] {
        assert_eq!(check(&user, line), Err(Denied::Key(at)), "{line}");
    }
}

#[test]
fn channels_are_matched_and_patterns_compared() {
    let user = user("+@all ~* &news.* &a");
    for line in [
        "PUBLISH news.1 x",
        "SPUBLISH a x",
        "SUBSCRIBE a news.2",
        "SSUBSCRIBE a",
        "PSUBSCRIBE news.* a",
        "UNSUBSCRIBE other",
        "PUBSUB NUMSUB other",
    ] {
        assert_eq!(check(&user, line), Ok(()), "{line}");
    }
    for (line, at) in [
        ("PUBLISH b x", 1),
        ("SPUBLISH b x", 1),
        ("SUBSCRIBE a b", 2),
        ("SSUBSCRIBE b", 1),
        ("PSUBSCRIBE news.1", 1),
        ("PSUBSCRIBE news.* *", 2),
    ] {
        assert_eq!(check(&user, line), Err(Denied::Channel(at)), "{line}");
    }
}

#[test]
fn one_selector_must_allow_all_of_a_command() {
    let user = user("+xlen ~a (+xadd ~b) (+publish &c)");
    for line in ["XLEN a", "XADD b * f v", "PUBLISH c x"] {
        assert_eq!(check(&user, line), Ok(()), "{line}");
    }
    assert_eq!(check(&user, "XLEN b"), Err(Denied::Key(1)));
    assert_eq!(check(&user, "XADD a * f v"), Err(Denied::Key(1)));
    assert_eq!(check(&user, "PUBLISH b x"), Err(Denied::Channel(1)));
    assert_eq!(check(&user, "PING"), Err(Denied::Command));
    assert!(user.may_hear(&Topic::Channel(Bytes::from("c"))));
    assert!(!user.may_hear(&Topic::Pattern(Bytes::from("c*"))));
}

#[test]
fn signing_in_takes_a_password_that_was_not_removed_and_a_user_that_is_on() {
    let acl = acl();
    let enters = |password: &str| acl.authenticate(b"alice", password.as_bytes()).is_some();
    assert!(!enters("a"));
    set(&acl, "alice", "on").unwrap();
    assert!(!enters("") && !enters("a"));
    set(&acl, "alice", ">a >b").unwrap();
    assert!(enters("a") && enters("b") && !enters("c") && !enters(""));
    set(&acl, "alice", "<a").unwrap();
    assert!(!enters("a") && enters("b"));
    set(&acl, "alice", "off").unwrap();
    assert!(!enters("b"));
    set(&acl, "alice", "on nopass").unwrap();
    assert!(enters("anything"));
    set(&acl, "alice", "resetpass").unwrap();
    assert!(!enters("anything") && !enters("b"));
    let hash = PasswordHash::of(b"c").hexadecimal();
    set(&acl, "alice", &format!("#{hash}")).unwrap();
    assert!(enters("c"));
    set(&acl, "alice", &format!("!{hash}")).unwrap();
    assert!(!enters("c"));
}

#[test]
fn of_several_rules_none_holds_if_one_is_refused() {
    let acl = acl();
    set(&acl, "alice", "on >a").unwrap();
    let before = line(&acl.user(b"alice").unwrap());
    assert!(set(&acl, "alice", "off +ping nonsense").is_err());
    assert!(set(&acl, "nobody", "on nonsense").is_err());
    assert_eq!(line(&acl.user(b"alice").unwrap()), before);
    assert!(acl.user(b"nobody").is_none());
}

#[test]
fn rules_are_shown_as_they_were_given_without_those_that_were_overruled() {
    for (rules, shown) in [
        ("+xread", "-@all +xread"),
        ("+@Pubsub -PUBLISH", "-@all +@pubsub -publish"),
        ("+config|get -config|set -config", "-@all -config"),
        ("+ping -ping +ping", "-@all +ping"),
        ("+ping +@all -echo", "+@all -echo"),
        ("-select +select|0 +select|0", "-@all -select +select|0"),
        ("+select|0 +select", "-@all +select"),
        ("+ping nocommands", "-@all"),
    ] {
        assert_eq!(user(rules).descriptions()[0].commands, shown, "{rules}");
    }
}

#[test]
fn a_deleted_user_is_another_than_one_of_the_same_name_made_after() {
    let acl = acl();
    set(&acl, "alice", "on nopass").unwrap();
    let access = Access::new(&acl);
    access.sign_in(acl.user(b"alice").unwrap());
    set(&acl, "alice", "+ping").unwrap();
    assert!(access.follow(&acl, Vec::new));
    acl.delete([&b"alice"[..]].into_iter());
    set(&acl, "alice", "on nopass").unwrap();
    assert!(!access.follow(&acl, Vec::new));
}

#[test]
fn who_may_no_longer_hear_what_it_is_subscribed_to_does_not_stay() {
    let acl = acl();
    set(&acl, "alice", "on nopass &a* &b").unwrap();
    let stays = |rules: &str| {
        set(&acl, "alice", "resetchannels &a* &b").unwrap();
        let access = Access::new(&acl);
        access.sign_in(acl.user(b"alice").unwrap());
        set(&acl, "alice", rules).unwrap();
        access.follow(&acl, || vec![Topic::Channel(Bytes::from("a1")), Topic::Pattern(Bytes::from("a*"))])
    };
    assert!(stays("&c"));
    assert!(stays("allchannels"));
    assert!(stays("resetchannels &a*"));
    assert!(!stays("resetchannels &a1"));
    assert!(!stays("resetchannels &b"));
    assert!(!stays("resetchannels"));
}

#[test]
fn whom_the_default_user_let_in_without_a_password_stays_and_who_waits_is_let_in_without_one() {
    let acl = acl();
    let early = Access::new(&acl);
    acl.set_default_password(Password::new("secret").ok());
    let late = Access::new(&acl);
    assert!(early.follow(&acl, Vec::new) && early.is_signed_in());
    assert!(!late.is_signed_in());
    acl.set_default_password(None);
    assert!(late.follow(&acl, Vec::new) && late.is_signed_in());
}

fn folder_with(text: &str) -> (tempfile::TempDir, AclOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.acl");
    fs::write(&path, text).unwrap();
    (folder, AclOptions { users: UserSource::File(path), ..AclOptions::default() })
}

#[test]
fn a_file_that_was_saved_reads_back_to_the_same_users() {
    let (_folder, options) = folder_with("user alice on >secret ~a %R~b &c -@all +@pubsub (+xlen ~d)\n\n");
    let acl = Acl::new(&options, Password::new("sesame").ok()).unwrap();
    // What does not name the default user leaves it its password.
    assert!(acl.authenticate(DEFAULT, b"sesame").is_some() && acl.authenticate(DEFAULT, b"").is_none());
    set(&acl, "bob", "on nopass +@all -@dangerous ~* &*").unwrap();
    let lines = |acl: &Acl| acl.users().iter().map(|user| line(user)).collect::<Vec<_>>();
    let before = lines(&acl);
    acl.save().unwrap();
    acl.load().unwrap();
    assert_eq!(lines(&acl), before);
    assert_eq!(lines(&Acl::new(&options, None).unwrap()), before);
    let UserSource::File(path) = &options.users else { unreachable!() };
    assert!(!fs::read_to_string(path).unwrap().contains("secret"));
}

#[test]
fn what_a_saved_file_would_read_otherwise_is_refused() {
    let acl = acl();
    for rule in ["+select|0\n", "+select|0\tx", "~a\n", "&a\rb", "(+select|0\nuser)", "('~a b')"] {
        let set = acl.set(b"alice", &[rule.as_bytes()]);
        assert!(matches!(set, Err(NotSet::Refused(_, BadRule::Syntax))), "{rule:?}: {set:?}");
    }
    for rule in
        ["(~a\")\")", "('~a)' +get)", "(~(a)", "(&a)b)", "(%R~a)b)", "(+select|\"'\")", "(+select|0)1)"]
    {
        let set = acl.set(b"alice", &[rule.as_bytes()]);
        assert!(matches!(set, Err(NotSet::Refused(_, BadRule::Enclosing))), "{rule:?}: {set:?}");
    }
    // Outside of a selector they mean nothing.
    let alice = line(&user("~a) ~(b &c'd +select|0)"));
    assert_eq!(line(&user(alice.strip_prefix("user alice ").unwrap())), alice);
}

#[test]
fn a_file_with_a_fault_changes_nothing_and_every_fault_is_named() {
    let (_folder, options) = folder_with("user alice on nopass\n");
    let acl = Acl::new(&options, None).unwrap();
    let UserSource::File(path) = &options.users else { unreachable!() };
    let shown = path.display().to_string();
    fs::write(path, "user bob +nope ~* ~x &* &y\nuser alice\nuser alice\n# no\nuser c <pw\n").unwrap();
    let error = acl.load().unwrap_err().replace(&shown, "FILE");
    assert_eq!(
        error,
        "FILE:1: Error in applying operation '+nope': Unknown command or category name in ACL. FILE:1: Adding a \
         pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' \
         to start with an empty list of patterns. WARNING: Duplicate user 'alice' found on line 3. FILE:4 should start \
         with user keyword followed by the username. FILE:5: The password you are trying to remove from the user does \
         not exist. WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
    );
    assert_eq!(acl.users().len(), 2);
    assert!(Acl::new(&options, None).is_err());
    fs::remove_file(path).unwrap();
    let missing = acl.load().unwrap_err().replace(&shown, "FILE");
    assert_eq!(missing, "Error loading ACLs, opening file 'FILE': No such file or directory");
}

#[test]
fn users_of_a_configuration_are_taken_in_and_a_wrong_one_is_named() {
    let start = |lines: &[&str]| {
        let lines = lines.iter().enumerate().map(|(index, line)| UserLine {
            place: format!("naru.conf:{}", index + 1),
            words: line.split(' ').map(str::to_owned).collect(),
        });
        let options = AclOptions { users: UserSource::Lines(lines.collect()), ..AclOptions::default() };
        Acl::new(&options, Password::new("sesame").ok()).map_err(|error| error.to_string())
    };
    let acl = start(&["default off", "alice on >pw +ping ( +xlen ~a )"]).unwrap();
    assert_eq!(line(&acl.default_user()), "user default off resetchannels -@all");
    assert!(acl.authenticate(b"alice", b"pw").is_some());
    for (lines, error) in [
        (&["alice on", "alice off"][..], "naru.conf:2: user: alice is in the configuration already"),
        (&["alice +nope"], "naru.conf:1: user: '+nope': Unknown command or category name in ACL"),
        (&["alice #secret"], "naru.conf:1: user: '#(redacted)': The password hash must be"),
        (&["alice (+ping"], "naru.conf:1: user: a parenthesis is not closed"),
        (&["a\tb on"], "naru.conf:1: user: a user's name has no spaces"),
    ] {
        let said = start(lines).err().unwrap();
        assert!(said.starts_with(error), "{said}");
    }
}

/// What the rules say of a command, by going through them from the last to the first: none is compiled.
fn says(rules: &[String], entry: &Entry, called: Called, line: &str) -> bool {
    let mut commands = rules.iter().rev().filter(|rule| rule.starts_with(['+', '-']));
    let is_about = |what: &str| match what.strip_prefix('@') {
        Some("all") => true,
        Some(category) => Category::named(category.as_bytes()).unwrap().holds(called),
        None => what == entry.name || what == called.name,
    };
    let allowed = commands.find(|rule| is_about(&rule[1..])).is_some_and(|rule| rule.starts_with('+'));
    let words: Vec<&str> = line.split(' ').collect();
    let last_reset = |kind: &str| rules.iter().rposition(|rule| rule == kind).map_or(0, |at| at + 1);
    let keys = &rules[last_reset("resetkeys")..];
    let channels = &rules[last_reset("resetchannels")..];
    let globs = |rules: &[String], sign: char| -> Vec<String> {
        rules.iter().filter_map(|rule| rule.strip_prefix(sign)).map(str::to_owned).collect()
    };
    let key_fits = |key: &str| globs(keys, '~').iter().any(|glob| matches(glob.as_bytes(), key.as_bytes()));
    let channel_fits =
        |channel: &str| globs(channels, '&').iter().any(|glob| matches(glob.as_bytes(), channel.as_bytes()));
    allowed
        && match entry.name {
            "xlen" | "xadd" => key_fits(words[1]),
            "del" => words[1..].iter().all(|key| key_fits(key)),
            "xread" => key_fits(words[2]) && key_fits(words[3]),
            "publish" => channel_fits(words[1]),
            "subscribe" => words[1..].iter().all(|channel| channel_fits(channel)),
            "psubscribe" => globs(channels, '&').iter().any(|glob| *glob == "*" || *glob == words[1]),
            _ => true,
        }
}

const LINES: &[&str] = &[
    "PING",
    "CONFIG GET a",
    "CONFIG SET a b",
    "CLIENT ID",
    "XLEN a1",
    "XADD b1 * f v",
    "DEL a1 b1",
    "XREAD STREAMS a1 b1 0 0",
    "PUBLISH a1 x",
    "SUBSCRIBE a1 b1",
    "PSUBSCRIBE a*",
    "NARU.ACK a b 0",
    "MULTI",
];

fn rule() -> impl Strategy<Value = String> {
    let what = prop::sample::select(
        [
            "@all",
            "@pubsub",
            "@read",
            "@write",
            "@slow",
            "@fast",
            "@dangerous",
            "@connection",
            "@naru",
            "@admin",
        ]
        .into_iter()
        .chain(["config", "config|get", "client", "client|id", "ping", "xadd", "xread", "publish", "del"])
        .chain(["subscribe", "psubscribe", "naru.ack", "multi", "xlen"])
        .collect::<Vec<_>>(),
    );
    let pattern = prop::sample::select(vec!["resetkeys", "resetchannels", "~a*", "~*1", "~b1", "&a*", "&b?"]);
    prop_oneof![
        4 => (any::<bool>(), what).prop_map(|(add, what)| format!("{}{what}", if add { '+' } else { '-' })),
        3 => pattern.prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn a_command_is_allowed_exactly_if_the_rules_say_so(rules in prop::collection::vec(rule(), 0..12)) {
        let user = user(&rules.join(" "));
        // The line of an ACL file says the same.
        let line_again = line(&user);
        let again = self::user(line_again.strip_prefix("user alice ").unwrap());
        prop_assert_eq!(line(&again), line_again);
        for line in LINES {
            let command = command(line);
            let command = command.as_command();
            let entry = find(command.name()).unwrap();
            let called = entry.called(&command).unwrap();
            let allowed = user.check(entry, called, &command).is_ok();
            prop_assert_eq!(allowed, says(&rules, entry, called, line), "{} after {:?}", line, rules);
            prop_assert_eq!(again.check(entry, called, &command).is_ok(), allowed);
        }
    }

    #[test]
    fn a_user_of_no_rule_about_a_command_may_not_run_it(rules in prop::collection::vec(rule(), 0..12)) {
        let user = user(&rules.join(" "));
        for called in all_called() {
            let named = rules.iter().any(|rule| {
                let Some(what) = rule.strip_prefix('+') else { return false };
                let command = called.name.split('|').next().unwrap();
                match what.strip_prefix('@') {
                    Some("all") => true,
                    Some(category) => Category::named(category.as_bytes()).unwrap().holds(called),
                    None => what == called.name || what == command,
                }
            });
            let entry = find(called.name.split('|').next().unwrap().as_bytes()).unwrap();
            if !named && !entry.flags.contains(&"no_auth") {
                let command = command(called.name);
                let denied = user.check(entry, called, &command.as_command());
                prop_assert_eq!(denied, Err(Denied::Command), "{}", called.name);
            }
        }
    }
}
