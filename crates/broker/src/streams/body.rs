//! An entry's fields as one string of bytes: how many there are, then the length of each and itself. Numbers have seven
//! bits a byte, low ones first, and the highest bit says that more follow.

use bytes::Bytes;

/// Writes fields and values, in turn, as one.
pub(crate) fn encode<'a>(fields: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Bytes {
    let bytes: usize = fields.clone().map(|field| field.len() + 2).sum();
    let mut out = Vec::with_capacity(bytes + 2);
    write_number(&mut out, fields.len());
    for field in fields {
        write_number(&mut out, field.len());
        out.extend_from_slice(field);
    }
    out.into()
}

/// What was not written by [`encode`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Fields and values of an entry, in turn.
pub(crate) struct Fields<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = body;
        let left = read_number(&mut rest)?;
        Ok(Fields { left, rest })
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = read_number(&mut self.rest).and_then(|bytes| {
            let (field, rest) = self.rest.split_at_checked(bytes).ok_or(Malformed)?;
            self.rest = rest;
            Ok(field)
        });
        Some(field)
    }
}

fn write_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(rest: &mut &[u8]) -> Result<usize, Malformed> {
    let mut number = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, left) = rest.split_first().ok_or(Malformed)?;
        *rest = left;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_as_they_went_in() {
        let long = [7; 300];
        for fields in [vec![], vec![&b"f"[..], b""], vec![&long[..], b"\xff", &long, &long]] {
            let body = encode(fields.iter().copied());
            let read = Fields::of(&body).unwrap();
            assert_eq!(read.len(), fields.len());
            assert_eq!(read.collect::<Result<Vec<_>, _>>().unwrap(), fields);
        }
    }

    #[test]
    fn what_is_cut_off_is_noticed() {
        let body = encode([&b"field"[..], b"value"].into_iter());
        for end in 0..body.len() {
            let read = Fields::of(&body[..end]).and_then(|fields| fields.collect::<Result<Vec<_>, _>>());
            assert_eq!(read, Err(Malformed), "{end}");
        }
    }
}
