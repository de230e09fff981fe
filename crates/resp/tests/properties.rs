//! Decoding undoes encoding, cuts change nothing, no bytes reach a panic, and memory is bounded by what was received.

mod laws;

use std::{fs, path::Path};

use naru_resp::{
    Limits, Malformed, MalformedReply, ReplyLimits, ReplyParser, ReplyWriter, RequestParser, Value, Version,
    encode_request, split_line,
};
use proptest::prelude::*;

#[global_allocator]
static MEMORY: naru_measured::Measured = naru_measured::Measured;

#[test]
fn the_laws_hold_for_every_seed_of_the_fuzzer() {
    for (target, law) in [
        ("requests", laws::requests::hold as fn(&[u8])),
        ("lines", laws::lines::hold),
        ("replies", laws::replies::hold),
    ] {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            println!("{}", seed.display());
            law(&fs::read(seed).unwrap());
        }
    }
}

#[test]
fn the_dearest_commands_take_no_more_memory_than_they_may() {
    let many = |count: usize, argument: &str| format!("*{count}\r\n{}", argument.repeat(count)).into_bytes();
    for bytes in [
        many(1 << 20, "$0\r\n\r\n"),
        many(700_001, "$0\r\n\r\n"),
        many(10_922, "$0\r\n\r\n"),
        many(1000, "$1\r\na\r\n").repeat(50),
        [b"a ".repeat((1 << 15) - 1), b"a\n".to_vec()].concat(),
        [b"'".to_vec(), b"a ".repeat((1 << 15) - 2), b"'\n".to_vec()].concat(),
        [&[b'a'; 1 << 16][..], b"\n"].concat(),
        b"*1048576\r\n$536870912\r\n".to_vec(),
    ] {
        laws::requests::memory_is_bounded_by_what_was_received(&bytes, Limits::authenticated());
    }
}

#[test]
fn the_dearest_replies_take_no_more_memory_than_they_may() {
    for value in ["_\r\n", "$0\r\n\r\n", "+a\r\n", "*0\r\n", "*1\r\n_\r\n", "%1\r\n_\r\n_\r\n", "|0\r\n_\r\n"]
    {
        for (kind, count) in [("*", 20_000), ("%", 10_000), ("~", 16_385)] {
            let elements = if kind == "%" { 2 * count } else { count };
            laws::replies::hold(format!("\0{kind}{count}\r\n{}", value.repeat(elements)).as_bytes());
        }
    }
}

proptest! {
    #[test]
    fn requests_read_back_however_they_are_cut(
        requests in prop::collection::vec(prop::collection::vec(blob(), 1..6), 0..5),
        cuts in cuts(),
    ) {
        let mut bytes = Vec::new();
        for request in &requests {
            encode_request(request, &mut bytes);
        }
        prop_assert_eq!(read_requests(&bytes, &cuts), (requests, None));
    }

    #[test]
    fn values_read_back_however_they_are_cut(values in prop::collection::vec(value(), 0..4), cuts in cuts()) {
        let mut bytes = Vec::new();
        for value in &values {
            write(value, &mut ReplyWriter::new(&mut bytes, Version::Resp3));
        }
        prop_assert_eq!(read_values(&bytes, &cuts), (values, None));
    }

    #[test]
    fn the_laws_hold_for_any_bytes(bytes in soup()) {
        laws::requests::hold(&bytes);
        laws::lines::hold(&bytes);
        laws::replies::hold(&bytes);
    }

    #[test]
    fn a_quoted_word_splits_back(word in blob()) {
        let quoted: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        prop_assert_eq!(split_line(format!(" \"{quoted}\" x").as_bytes()), Ok(vec![word, b"x".to_vec()]));
    }

    #[test]
    fn doubles_read_back(number in prop::num::f64::ANY) {
        let mut bytes = Vec::new();
        ReplyWriter::new(&mut bytes, Version::Resp3).double(number);
        let Ok(Some((Value::Double(read), _))) = ReplyParser::default().next(&bytes) else { panic!("{bytes:?}") };
        prop_assert!(read == number || read.is_nan() && number.is_nan());
    }
}

/// What was read up to the end or to an error, from bytes that arrive cut at these places.
fn read_requests(bytes: &[u8], cuts: &[prop::sample::Index]) -> (Vec<Vec<Vec<u8>>>, Option<Malformed>) {
    let mut parser = RequestParser::new(Limits::authenticated());
    let (mut input, mut requests) = (Vec::new(), Vec::new());
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        loop {
            match parser.next(&input) {
                Ok(None) => break,
                Ok(Some((command, consumed))) => {
                    if !command.is_empty() {
                        requests.push(command.iter().map(<[u8]>::to_vec).collect());
                    }
                    input.drain(..consumed);
                }
                Err(malformed) => return (requests, Some(malformed)),
            }
        }
    }
    (requests, None)
}

fn read_values(bytes: &[u8], cuts: &[prop::sample::Index]) -> (Vec<Value>, Option<MalformedReply>) {
    let mut parser = ReplyParser::new(ReplyLimits::default());
    let (mut input, mut values) = (Vec::new(), Vec::new());
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        loop {
            match parser.next(&input) {
                Ok(None) => break,
                Ok(Some((value, consumed))) => {
                    values.push(value);
                    input.drain(..consumed);
                }
                Err(malformed) => return (values, Some(malformed)),
            }
        }
    }
    (values, None)
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for to in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces
}

fn write(value: &Value, writer: &mut ReplyWriter<'_, Vec<u8>>) {
    let all = |elements: &[Value], writer: &mut _| elements.iter().for_each(|element| write(element, writer));
    match value {
        Value::Simple(text) => writer.simple(text),
        Value::Error(text) => writer.error(text),
        Value::Integer(number) => writer.integer(*number),
        Value::Bulk(bytes) => writer.bulk(bytes),
        Value::Null => writer.null(),
        Value::Double(number) => writer.double(*number),
        Value::Boolean(truth) => writer.boolean(*truth),
        Value::Verbatim(text) => writer.verbatim(text),
        Value::BigNumber(_) => unreachable!("no reply of ours holds one"),
        Value::Array(elements) => {
            writer.array(elements.len());
            all(elements, writer);
        }
        Value::Set(elements) => {
            writer.set(elements.len());
            all(elements, writer);
        }
        Value::Push(elements) => {
            writer.push(elements.len());
            all(elements, writer);
        }
        Value::Map(pairs) => {
            writer.map(pairs.len());
            for (key, value) in pairs {
                write(key, writer);
                write(value, writer);
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[ -~]{0,12}".prop_map(|text| Value::Simple(text.into())),
        "[ -~]{0,12}".prop_map(|text| Value::Error(text.into())),
        any::<i64>().prop_map(Value::Integer),
        blob().prop_map(Value::Bulk),
        Just(Value::Null),
        prop::num::f64::NORMAL.prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        blob().prop_map(Value::Verbatim),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Set),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Push),
            prop::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..20)
}

/// Bytes that look like the protocol often enough to get deep into it.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let morsel = prop_oneof![
        prop::sample::select(&b"+-:$*_#,(!=%~>|\r\n\"'\\x 01239ft"[..]).prop_map(|byte| vec![byte]),
        Just(b"\r\n".to_vec()),
        Just(b"*2\r\n".to_vec()),
        Just(b"$1\r\na\r\n".to_vec()),
        Just(b"|1\r\n".to_vec()),
        Just(b"%1\r\n".to_vec()),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(morsel, 0..40).prop_map(|morsels| morsels.concat())
}
