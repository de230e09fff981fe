//! What must hold for whatever a client sends: run by tests on made-up bytes and on the seeds, in `fuzz/` on what libFuzzer
//! finds.

use bytes::Bytes;

use super::{
    command::{Command, Request},
    emulation::EmulationRequest,
    encoding::{Encoding, Malformed},
    flavour::Flavour,
    json,
    reply::{Outcome, Reply, RpcResult},
};

/// Reads bytes as a frame of commands in both encodings: that ends, what was read is written and read again as it was, and what
/// is no JSON reaches no JSON.
///
/// # Panics
///
/// If the law does not hold.
#[cfg_attr(not(feature = "laws"), expect(unreachable_pub, reason = "public for the fuzzer"))]
pub fn hold_commands(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let all: Vec<Result<Command, Malformed>> = encoding.commands(frame.clone()).collect();
        assert!(!all.is_empty() && all.len() <= data.len() + 1, "every command takes a byte");
        assert!(all.iter().rev().skip(1).all(Result::is_ok), "nothing is read behind what cannot be");
        for command in all.into_iter().flatten() {
            hold_command(encoding, command);
        }
    }
}

/// Reads bytes as the body of a request that brings commands for a connection elsewhere, in both encodings: that ends, and what was
/// read is written and read again as it was; the commands in it are held to their own law.
///
/// # Panics
///
/// If the law does not hold.
#[cfg_attr(not(feature = "laws"), expect(unreachable_pub, reason = "public for the fuzzer"))]
pub fn hold_emulation(data: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let body = Bytes::copy_from_slice(data);
        let Ok(request) = EmulationRequest::read(encoding, body) else { continue };
        let EmulationRequest { node, session, data: frame } = &request;
        assert!(node.len() + session.len() + frame.len() <= data.len(), "nothing is inflated");
        assert!(encoding == Encoding::Protobuf || str::from_utf8(frame).is_ok(), "what was text is text");
        let protobuf = prost::Message::encode_to_vec(&request);
        assert_eq!(EmulationRequest::read(Encoding::Protobuf, protobuf.into()), Ok(request.clone()));
        hold_commands(frame);
    }
}

fn hold_command(encoding: Encoding, command: Command) {
    let protobuf = prost::Message::encode_length_delimited_to_vec(&command);
    assert_eq!(one(Encoding::Protobuf, protobuf), Ok(command.clone()));
    if encoding == Encoding::Json {
        let mut line = Vec::new();
        json::write(&mut line, &command);
        let again = one(Encoding::Json, line).expect("what was written is read");
        assert_eq!(without_breaks(again), without_breaks(command.clone()));
    }
    if let Request::Rpc(rpc) = command.request()
        && encoding == Encoding::Json
        && !rpc.data.is_empty()
    {
        assert!(json::is_json(&rpc.data));
        let echo = Reply::to(1, Outcome::Rpc(RpcResult { data: rpc.data }));
        let frame = Flavour::Events.frame(&echo);
        let lines = frame.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines, 4, "a payload ends no line");
    }
}

fn one(encoding: Encoding, frame: Vec<u8>) -> Result<Command, Malformed> {
    let mut all: Vec<_> = encoding.commands(frame.into()).collect();
    assert_eq!(all.len(), 1, "one command was written");
    all.remove(0)
}

/// Payloads lose their line breaks where they are part of a line.
fn without_breaks(mut command: Command) -> Command {
    let strip = |data: &mut Bytes| {
        if data.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            *data = data.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        }
    };
    if let Some(connect) = &mut command.connect {
        strip(&mut connect.data);
        connect.subs.values_mut().for_each(|subscribe| strip(&mut subscribe.data));
    }
    command.subscribe.iter_mut().for_each(|subscribe| strip(&mut subscribe.data));
    command.publish.iter_mut().for_each(|publish| strip(&mut publish.data));
    command.send.iter_mut().for_each(|send| strip(&mut send.data));
    command.rpc.iter_mut().for_each(|rpc| strip(&mut rpc.data));
    command
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_laws_hold_for_the_fuzzers_seeds() {
        for (target, hold) in [("commands", hold_commands as fn(&[u8])), ("emulation", hold_emulation)] {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
            let seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
            assert!(!seeds.is_empty());
            for seed in seeds {
                hold(&fs::read(seed).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn the_law_holds_for_made_up_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            hold_commands(&data);
            hold_emulation(&data);
        }

        #[test]
        fn the_law_of_posted_bodies_holds_for_what_looks_like_one(
            node in "[a-z\\\\\"]{0,3}",
            data in r#"(\\n|\\u00[0-9a-f]{2}|\\"|[\{\}:\[\]a1,]){0,30}"#,
            protobuf in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            hold_emulation(format!(r#"{{"node":"{node}","session":"s","data":"{data}"}}"#).as_bytes());
            let request = EmulationRequest { node, session: data, data: protobuf.into() };
            hold_emulation(&prost::Message::encode_to_vec(&request));
        }

        #[test]
        fn the_law_holds_for_what_looks_like_json(data in r#"(\{"id":1,"(rpc|publish|connect)":\{("data"|"method"|"subs"):[\[\]{}",:a1 \r\n]{0,20}\}\}\n?){1,3}"#) {
            hold_commands(data.as_bytes());
        }
    }
}
