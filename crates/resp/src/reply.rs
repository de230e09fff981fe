//! What a server writes: replies and pushed messages, appended to an output buffer.

use std::io::Write as _;

use bytes::BufMut;

/// Which protocol the peer chose with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// Maps, sets, doubles, and pushes that may come between replies.
    Resp3,
}

/// Appends replies to a buffer. Aggregates are written as their length, then their elements one by one.
#[derive(Debug)]
pub struct ReplyWriter<'b, B> {
    out: &'b mut B,
    version: Version,
}

impl ReplyWriter<'_, Vec<u8>> {
    /// Makes room at once for what will be written piece by piece.
    pub fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }
}

impl<'b, B: BufMut> ReplyWriter<'b, B> {
    /// Writes at the end of `out`, in `version`. The buffer must grow as needed (`Vec<u8>`, `BytesMut`).
    pub fn new(out: &'b mut B, version: Version) -> Self {
        Self { out, version }
    }

    /// The protocol written.
    pub fn version(&self) -> Version {
        self.version
    }

    /// `OK` and the like. A line break in it becomes a space.
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'+', text.as_ref());
    }

    /// An error, its code first: `ERR unknown command`. A line break in it becomes a space.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
    }

    /// A signed number.
    pub fn integer(&mut self, value: i64) {
        self.out.put_u8(b':');
        self.out.put_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.put_slice(b"\r\n");
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.length(b'$', bytes.len());
        self.body(bytes);
    }

    /// Nothing, where a string would be.
    pub fn null(&mut self) {
        self.out.put_slice(match self.version {
            Version::Resp2 => b"$-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// Nothing, where an array would be.
    pub fn null_array(&mut self) {
        self.out.put_slice(match self.version {
            Version::Resp2 => b"*-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// The start of an array of `len` elements.
    pub fn array(&mut self, len: usize) {
        self.length(b'*', len);
    }

    /// The start of a map of `len` pairs; in RESP2 an array of keys and values in turn.
    pub fn map(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.length(b'*', len * 2),
            Version::Resp3 => self.length(b'%', len),
        }
    }

    /// The start of a set of `len` elements; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        self.length(if self.version == Version::Resp3 { b'~' } else { b'*' }, len);
    }

    /// The start of something the peer did not ask for just now, of `len` elements; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.length(if self.version == Version::Resp3 { b'>' } else { b'*' }, len);
    }

    /// A floating-point number, shortest form that reads back the same; in RESP2 a string.
    pub fn double(&mut self, value: f64) {
        let mut space = [0; 32];
        let text = format_double(value, &mut space);
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => self.line(b',', text),
        }
    }

    /// True or false; in RESP2 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        self.out.put_slice(match (self.version, value) {
            (Version::Resp2, true) => b":1\r\n",
            (Version::Resp2, false) => b":0\r\n",
            (Version::Resp3, true) => b"#t\r\n",
            (Version::Resp3, false) => b"#f\r\n",
        });
    }

    /// Text for people to read, not to be escaped when shown; in RESP2 a string.
    pub fn verbatim(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                self.length(b'=', text.len() + 4);
                self.out.put_slice(b"txt:");
                self.body(text);
            }
        }
    }

    /// What a subscriber of `channel` receives. The versions differ in the first byte only.
    pub fn message(&mut self, channel: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) {
        self.push(3);
        self.out.put_slice(b"$7\r\nmessage\r\n");
        self.bulk(channel);
        self.bulk(payload);
    }

    /// What a subscriber of `pattern` receives when it matches `channel`.
    pub fn pattern_message(
        &mut self,
        pattern: impl AsRef<[u8]>,
        channel: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) {
        self.push(4);
        self.out.put_slice(b"$8\r\npmessage\r\n");
        self.bulk(pattern);
        self.bulk(channel);
        self.bulk(payload);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.put_u8(kind);
        for (index, piece) in text.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate() {
            if index > 0 {
                self.out.put_u8(b' ');
            }
            self.out.put_slice(piece);
        }
        self.out.put_slice(b"\r\n");
    }

    fn length(&mut self, kind: u8, length: usize) {
        self.out.put_u8(kind);
        self.out.put_slice(itoa::Buffer::new().format(length).as_bytes());
        self.out.put_slice(b"\r\n");
    }

    fn body(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
        self.out.put_slice(b"\r\n");
    }
}

/// Plain digits where they are short, an exponent elsewhere: at most 24 bytes either way.
fn format_double(value: f64, space: &mut [u8; 32]) -> &[u8] {
    let magnitude = value.abs();
    let plain = magnitude == 0.0 || (1e-5..1e17).contains(&magnitude) || !value.is_finite();
    let mut rest = &mut space[..];
    let written = match value {
        _ if value.is_nan() => rest.write_all(b"nan"),
        _ if plain => write!(rest, "{value}"),
        _ => write!(rest, "{value:e}"),
    };
    written.expect("17 digits, a sign, a point and either four zeros or an exponent fit in 32 bytes");
    let unused = rest.len();
    &space[..32 - unused]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut ReplyWriter<'_, Vec<u8>>)) -> [String; 2] {
        [Version::Resp2, Version::Resp3].map(|version| {
            let mut out = Vec::new();
            write(&mut ReplyWriter::new(&mut out, version));
            String::from_utf8(out).unwrap()
        })
    }

    #[test]
    fn each_version_has_its_spelling() {
        assert_eq!(both(|w| w.null()), ["$-1\r\n", "_\r\n"]);
        assert_eq!(both(|w| w.null_array()), ["*-1\r\n", "_\r\n"]);
        assert_eq!(both(|w| w.array(2)), ["*2\r\n", "*2\r\n"]);
        assert_eq!(both(|w| w.map(2)), ["*4\r\n", "%2\r\n"]);
        assert_eq!(both(|w| w.set(2)), ["*2\r\n", "~2\r\n"]);
        assert_eq!(both(|w| w.push(2)), ["*2\r\n", ">2\r\n"]);
        assert_eq!(both(|w| w.boolean(true)), [":1\r\n", "#t\r\n"]);
        assert_eq!(both(|w| w.boolean(false)), [":0\r\n", "#f\r\n"]);
        assert_eq!(both(|w| w.double(1.5)), ["$3\r\n1.5\r\n", ",1.5\r\n"]);
        assert_eq!(both(|w| w.verbatim("a\nb")), ["$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n"]);
        assert_eq!(both(|w| w.integer(i64::MIN)), [":-9223372036854775808\r\n"; 2]);
        assert_eq!(both(|w| w.bulk("a\r\nb")), ["$4\r\na\r\nb\r\n"; 2]);
    }

    #[test]
    fn a_message_differs_in_its_first_byte_only() {
        let body = "$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n";
        assert_eq!(both(|w| w.message("c", "hi")), [format!("*3\r\n{body}"), format!(">3\r\n{body}")]);
        let body = "$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$2\r\nhi\r\n";
        assert_eq!(
            both(|w| w.pattern_message("c*", "c", "hi")),
            [format!("*4\r\n{body}"), format!(">4\r\n{body}")]
        );
    }

    #[test]
    fn a_line_cannot_be_broken_from_inside() {
        assert_eq!(both(|w| w.error("ERR a\r\n+OK\nb")), ["-ERR a  +OK b\r\n"; 2]);
        assert_eq!(both(|w| w.simple("\rOK\n")), ["+ OK \r\n"; 2]);
    }

    #[test]
    fn doubles_of_every_size_fit() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e16, "10000000000000000"),
            (1e17, "1e17"),
            (-1.2345678901234567e-5, "-0.000012345678901234568"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MIN, "-1.7976931348623157e308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(both(|w| w.double(value))[1], format!(",{text}\r\n"));
        }
    }
}
