//! What is wrong with words is said so that it can be put right.

use naru_ledger::answer::Refused;
use naru_ledger::op::{Append, Said};
use naru_ledger::{Level, Op};
use naru_resp::{ReplyWriter, Version};

use super::{answer, read_words};

/// Reads a line whose words are between spaces; `''` is an empty one.
fn read(line: &str) -> Result<Op, String> {
    let words: Vec<&[u8]> =
        line.split(' ').map(|word| if word == "''" { b"".as_slice() } else { word.as_bytes() }).collect();
    read_words(&words).map_err(|refusal| String::from_utf8_lossy(refusal.text()).into_owned())
}

fn append(line: &str) -> Append {
    match read(line).unwrap() {
        Op::Append(append) => append,
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_come_in_any_order_and_case() {
    let said = append("NARU.APPEND room:a alice c1 {} level memory Mention 2 bob bob kind message");
    assert_eq!(said.level, Level::Memory);
    let Said::Message { mentions, .. } = said.said else { panic!() };
    assert_eq!(mentions.len(), 1);
    assert_eq!(append("NARU.APPEND room:a alice c1 {} MENTION 0").level, Level::Fsync);
}

#[test]
fn a_body_is_stored_as_it_came_without_the_space_around_it() {
    let words: [&[u8]; 5] = [b"NARU.APPEND", b"room:a", b"alice", b"c1", b" \n{\"a\" : 1}\r\n"];
    let Op::Append(Append { said: Said::Message { body, .. }, .. }) = read_words(&words).unwrap() else {
        panic!()
    };
    assert_eq!(body.as_bytes(), br#"{"a" : 1}"#);
}

#[test]
fn what_is_wrong_says_what_to_do() {
    for (line, says) in [
        ("NARU.APPEND general alice c1 {}", "a conversation id begins with `dm:` or `room:`"),
        ("NARU.APPEND room:a '' c1 {}", "a user name is 1 to 128 bytes"),
        ("NARU.APPEND room:a alice '' {}", "a client message id is 1 to 128 bytes"),
        ("NARU.APPEND room:a alice c1 {", "the body is not JSON: "),
        ("NARU.APPEND room:a alice c1 hi", "the body is not JSON: "),
        ("NARU.APPEND room:a alice c1 {}{}", "the body is not JSON: trailing characters"),
        ("NARU.APPEND room:a alice c1 {} LOUD", "'LOUD' is not understood; what may stand here is KIND,"),
        ("NARU.APPEND room:a alice c1 {} KIND shout", "a kind is one of message,"),
        ("NARU.APPEND room:a alice c1 {} KIND edit", "edit comes of a command of its own"),
        ("NARU.APPEND room:a alice c1 {} KIND reaction", "a reaction needs TARGET"),
        ("NARU.APPEND room:a alice c1 {} TARGET 3", "say KIND reaction, too"),
        ("NARU.APPEND room:a alice c1 {} KIND system MENTION 1 bob", "MENTION belongs to a message"),
        ("NARU.APPEND room:a alice c1 {} MENTION 2 bob", "MENTION says 2 users, and 1 words follow"),
        ("NARU.APPEND room:a alice c1 {} MENTION -1 bob", "a whole number of 0 or more, not '-1'"),
        ("NARU.APPEND room:a alice c1 {} LEVEL", "the level is missing at the end"),
        ("NARU.APPEND room:a alice c1 {} LEVEL ram", "a level is one of memory, fsync, replica"),
        ("NARU.APPEND room:a alice c1 {} LEVEL fsync LEVEL fsync", "LEVEL stands there twice"),
        ("NARU.EDIT room:a alice c1 x {}", "the target's number is a whole number of 0 or more, not 'x'"),
        ("NARU.DELETE room:a alice c1 3 {}", "what may stand here is LEVEL"),
        ("NARU.DELIVER room:a 1 1 alice bob 1 carol", "what may stand here is USERS"),
        (
            "NARU.DELIVER room:a 1 1 alice USERS 1 bob MENTIONED 1 eve",
            "'eve' is in MENTIONED, and so must be",
        ),
        ("NARU.DELIVER room:a 1 1 alice USERS 3 bob", "USERS says 3 users, and 1 words follow"),
        (
            "NARU.DELIVER room:a 1 1 alice USERS 99999999999999999999 bob",
            "the number of users after USERS is",
        ),
        ("NARU.DELIVER room:a 1 1 alice USERS 1 bob MODE loud", "a mode is one of fanout, broadcast"),
        ("NARU.DONE room:a +1", "the entry's number is a whole number of 0 or more, not '+1'"),
        ("NARU.ACK bob phone 3 IN room:a 4", "what may stand here is WITHIN"),
        ("NARU.ACK bob phone 3 WITHIN room:a 4 5", "what may stand here is WITHIN"),
        ("NARU.HISTORY room:a '' UNTIL 3 9", "what may stand here is BEFORE or AFTER"),
        ("NARU.HISTORY room:a '' AFTER 3 9 1000 7", "a number of bytes, as the last word"),
        ("NARU.JOIN dm:a:b bob owner", "the id of a room begins with `room:`"),
        ("NARU.JOIN room:a bob king", "a role is one of owner, moderator, member, reader"),
        ("NARU.SERVER s1 e1 soon", "or empty for as long as the connection lasts"),
        ("NARU.TRACE room:a alice c1 7", "or its sender and client id"),
    ] {
        let refused = read(line).unwrap_err();
        assert!(refused.starts_with("INVALID ") && refused.contains(says), "{line}: {refused}");
    }
    let words: [&[u8]; 5] = [b"NARU.APPEND", b"room:a", b"\xff", b"c1", b"{}"];
    assert_eq!(read_words(&words).unwrap_err().text(), b"INVALID a user name is no UTF-8");
    let words: [&[u8]; 5] = [b"NARU.APPEND", b"room:a", b"a", b"c1", b"\"\xff\""];
    let refusal = read_words(&words).unwrap_err();
    assert!(String::from_utf8_lossy(refusal.text()).contains("the body is not JSON"));
}

#[test]
fn what_is_refused_begins_with_its_code() {
    let mut reply = Vec::new();
    let refused = Refused::BodyTooLarge { bytes: 9, bytes_max: 7 };
    answer::write_refused(&refused, &mut ReplyWriter::new(&mut reply, Version::Resp3));
    assert_eq!(reply, b"-TOOBIG a body has at most 7 bytes; this one has 9\r\n");
}
