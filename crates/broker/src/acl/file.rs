//! The ACL file: a user a line, as `ACL LIST` shows them. Texts are Redis's.

use std::{collections::BTreeSet, fs, io, path::Path};

use super::rule::{has_spaces, joined};
use crate::replace_file::replace_file;

/// A user as the file has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileUser {
    pub(super) name: Vec<u8>,
    pub(super) rules: Vec<Vec<u8>>,
}

/// Reads a file's users; `check` tries rules out and tells those that are none. All that is wrong is told in one text,
/// line by line.
pub(super) fn read(
    path: &Path,
    mut check: impl FnMut(&FileUser) -> Vec<String>,
) -> Result<Vec<FileUser>, String> {
    let text = fs::read(path).map_err(|error| {
        let (path, why) = (path.display(), error.to_string());
        let why = why.split(" (os error").next().unwrap_or_default();
        format!("Error loading ACLs, opening file '{path}': {why}")
    })?;
    let (mut users, mut names, mut errors) = (Vec::new(), BTreeSet::new(), String::new());
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let place = format!("{}:{}", path.display(), index + 1);
        match parse(line, &place) {
            Ok(None) => {}
            Ok(Some(user)) => {
                let name = String::from_utf8_lossy(&user.name).into_owned();
                if !names.insert(user.name.clone()) {
                    errors += &format!("WARNING: Duplicate user '{name}' found on line {}. ", index + 1);
                }
                for bad in check(&user) {
                    errors += &format!("{place}: {bad}. ");
                }
                users.push(user);
            }
            Err(error) => errors += &error,
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    Err(errors + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
}

/// A line's user; none if it is blank.
fn parse(line: &[u8], place: &str) -> Result<Option<FileUser>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').map(<[u8]>::trim_ascii).collect();
    let [b"user", name, rules @ ..] = &words[..] else {
        return Err(format!("{place} should start with user keyword followed by the username. "));
    };
    if has_spaces(name) {
        let name = String::from_utf8_lossy(name);
        return Err(format!("'{place}: username '{name}' contains invalid characters. "));
    }
    let rules =
        joined(rules).map_err(|_| format!("{place}: Unmatched parenthesis in selector definition."))?;
    Ok(Some(FileUser { name: name.to_vec(), rules }))
}

/// Puts these lines in place of the file's, all or nothing.
pub(super) fn write(path: &Path, lines: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let text: Vec<u8> = lines.flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    replace_file(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<FileUser>, String> {
        parse(line.as_bytes(), "users.acl:3")
    }

    #[test]
    fn a_line_is_a_user_or_blank_and_nothing_else() {
        assert_eq!(parsed(" \t\r"), Ok(None));
        let user = parsed("user alice on  >a (+get ~x)\r").unwrap().unwrap();
        assert_eq!(user.name, b"alice");
        assert_eq!(user.rules, [&b"on"[..], b"", b">a", b"(+get ~x)"]);
        for (line, error) in [
            ("# a comment", "users.acl:3 should start with user keyword followed by the username. "),
            ("user", "users.acl:3 should start with user keyword followed by the username. "),
            ("user a (+get", "users.acl:3: Unmatched parenthesis in selector definition."),
            ("user a\tb", "'users.acl:3: username 'a\tb' contains invalid characters. "),
        ] {
            assert_eq!(parsed(line), Err(error.into()), "{line}");
        }
    }
}
