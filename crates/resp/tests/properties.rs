//! Decoding undoes encoding, cuts change nothing, and no bytes reach a panic.

use naru_resp::{
    Limits, Malformed, MalformedReply, ReplyLimits, ReplyParser, ReplyWriter, RequestParser, Value, Version,
    encode_request, split_line,
};
use proptest::prelude::*;

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
    fn any_bytes_parse_the_same_however_they_are_cut(bytes in soup(), cuts in cuts()) {
        prop_assert_eq!(read_requests(&bytes, &[]), read_requests(&bytes, &cuts));
        // Doubles may be NaN, which equals nothing: compare what is shown.
        prop_assert_eq!(format!("{:?}", read_values(&bytes, &[])), format!("{:?}", read_values(&bytes, &cuts)));
    }

    #[test]
    fn any_line_splits_or_is_refused(line in soup()) {
        let _ = split_line(&line);
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
