//! What a client writes.

/// Appends one command to `out`: an array of bulk strings, the form every Redis server accepts.
pub fn encode_request<A>(arguments: A, out: &mut Vec<u8>)
where
    A: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
{
    let arguments = arguments.into_iter();
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(arguments.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for argument in arguments {
        let argument = argument.as_ref();
        out.push(b'$');
        out.extend_from_slice(digits.format(argument.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}
