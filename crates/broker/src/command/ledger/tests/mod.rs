//! What the bus writes is read here, and the other way round.

mod answers;
mod names;
mod ops;
mod refusals;

use naru_bus::wire;
use naru_ledger::{Answer, Op};
use naru_resp::{Command, Limits, ReplyWriter, RequestParser, Version};
use proptest::prelude::*;
use redis::parse_redis_value;

use super::{answer, inbox, log, saying, servers};
use crate::command::Refusal;

/// Reads a command of which `name` is the first word.
fn read(name: &str, command: &Command<'_>) -> Result<Op, Refusal> {
    let read = match name {
        "NARU.APPEND" => saying::append,
        "NARU.SEND" => saying::send,
        "NARU.EDIT" => saying::edit,
        "NARU.DELETE" => saying::delete,
        "NARU.DELIVER" => saying::deliver,
        "NARU.DONE" => saying::done,
        "NARU.SWEEP" => saying::sweep,
        "NARU.RESUME" => inbox::resume,
        "NARU.CHANGED" => inbox::changed,
        "NARU.CONVERSATIONS" => inbox::conversations,
        "NARU.ACK" => inbox::ack,
        "NARU.READ" => inbox::read,
        "NARU.STANDING" => inbox::standing,
        "NARU.MARK" => log::mark,
        "NARU.HISTORY" => log::history,
        "NARU.MAKE" => log::make,
        "NARU.JOIN" => log::join,
        "NARU.LEAVE" => log::leave,
        "NARU.ROLE" => log::change_role,
        "NARU.MEMBERS" => log::members,
        "NARU.TRACE" => log::trace,
        "NARU.SERVER" => servers::server,
        "NARU.ROUTE" => servers::route,
        "NARU.UNROUTE" => servers::unroute,
        "NARU.PRESENCE" => servers::presence,
        other => panic!("there is no {other}"),
    };
    read(command)
}

/// The same of words as they come over a connection.
fn read_words(words: &[&[u8]]) -> Result<Op, Refusal> {
    let mut request = Vec::new();
    let mut writer = ReplyWriter::new(&mut request, Version::Resp2);
    writer.array(words.len());
    words.iter().for_each(|word| writer.bulk(word));
    let mut parser = RequestParser::new(Limits::authenticated());
    let (command, _) = parser.next(&request).unwrap().unwrap();
    read(str::from_utf8(words[0]).unwrap(), &command)
}

fn reply(version: Version, answer: &Answer) -> Vec<u8> {
    let mut reply = Vec::new();
    answer::write(answer, &mut ReplyWriter::new(&mut reply, version));
    reply
}

proptest! {
    #[test]
    fn what_the_bus_asks_is_read_as_it_was_meant(op in ops::any()) {
        let request = wire::request(&op);
        let arguments = request.arguments();
        let words: Vec<&[u8]> = [request.name.as_bytes()].into_iter().chain(arguments).collect();
        prop_assert_eq!(read_words(&words).unwrap(), op);
    }

    #[test]
    fn the_bus_reads_an_answer_as_it_was_meant((op, answer) in answers::any()) {
        for version in [Version::Resp2, Version::Resp3] {
            let value = parse_redis_value(&reply(version, &answer)).unwrap();
            prop_assert_eq!(wire::answer(&op, value).unwrap(), answer.clone());
        }
    }
}
