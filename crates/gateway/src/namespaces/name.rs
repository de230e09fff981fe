//! What a channel's name says: `[$][namespace:]rest[#user,user]`.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::{
    channels::is_reserved,
    codes::{Code, Refused},
};

/// Demands a subscription token.
const PRIVATE: char = '$';
/// Ends the namespace.
const NAMESPACE_END: char = ':';
/// Begins the list of users.
const USERS: char = '#';
/// Between two users.
const USER_END: char = ',';

/// A name that came from outside, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    whole: &'a str,
    is_private: bool,
    namespace: Option<&'a str>,
    rest: &'a str,
    users: Option<Users<'a>>,
}

/// The users that a channel is for, as its name lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Users<'a>(&'a str);

impl Users<'_> {
    /// Whether this user is on the list. Who has no name never is.
    pub(crate) fn have(self, user: &str) -> bool {
        !user.is_empty() && self.0.split(USER_END).any(|listed| listed == user)
    }
}

impl<'a> Name<'a> {
    /// Takes a name apart, unless it is ours or harms somebody.
    pub(crate) fn parse(whole: &'a str, bytes_max: usize) -> Result<Name<'a>, Refused> {
        if whole.is_empty() {
            return Err(Refused::bad("a channel has a name"));
        }
        if whole.len() > bytes_max {
            return Err(Refused::bad(format_args!("a channel name has at most {bytes_max} bytes")));
        }
        if whole.contains(is_harmful) {
            return Err(Refused::bad(
                "a channel name has no control or invisible characters, and neither { nor }",
            ));
        }
        if !is_composed(whole) {
            return Err(Refused::bad("a channel name is in Unicode's normal form C (NFC)"));
        }
        let bare = whole.strip_prefix(PRIVATE);
        let (namespace, rest) = match bare.unwrap_or(whole).split_once(NAMESPACE_END) {
            Some((namespace, rest)) => (Some(namespace), rest),
            None => (None, bare.unwrap_or(whole)),
        };
        if is_reserved(whole) || bare.is_some_and(is_reserved) {
            return Err(Code::PermissionDenied.into());
        }
        let users = whole.rsplit_once(USERS).map(|(_, users)| Users(users));
        Ok(Name { whole, is_private: bare.is_some(), namespace, rest, users })
    }

    pub(crate) fn whole(&self) -> &'a str {
        self.whole
    }

    /// Whether it wants a token.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    pub(crate) fn namespace(&self) -> Option<&'a str> {
        self.namespace
    }

    /// What stands behind the namespace.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(crate) fn users(&self) -> Option<Users<'a>> {
        self.users
    }
}

/// The channel of one user alone, in a namespace or in none; for no user whose name reads as a list, or could not stand in
/// a channel's name.
pub(crate) fn personal(namespace: &str, user: &str) -> Option<String> {
    let cannot_stand = |c: char| c == USERS || c == USER_END || is_harmful(c);
    if user.is_empty() || user.contains(cannot_stand) {
        return None;
    }
    let name = match namespace {
        "" => format!("{USERS}{user}"),
        namespace => format!("{namespace}{NAMESPACE_END}{USERS}{user}"),
    };
    is_composed(&name).then_some(name)
}

/// Whether a namespace can have this name.
pub(crate) fn is_namespace(name: &str) -> bool {
    name.len() >= 2 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether a text is in normal form C: so what Unicode says is one text is not two names. A piece of such a
/// text is as well: nobody is on a list of users whose own name is not.
fn is_composed(text: &str) -> bool {
    ComposingNormalizerBorrowed::new_nfc().is_normalized(text)
}

/// Characters that break lines, cannot be seen, or turn what stands beside them around; and the braces, by which Redis Cluster
/// would put a channel's keys elsewhere than ours say.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '{' | '}'
                | '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::CHANNEL_BYTES_MAX;

    fn parse(name: &str) -> Result<Name<'_>, Code> {
        Name::parse(name, CHANNEL_BYTES_MAX).map_err(|refused| refused.code)
    }

    #[test]
    fn a_name_is_taken_apart_once() {
        for (name, is_private, namespace, rest, users) in [
            ("news", false, None, "news", None),
            ("ns:news", false, Some("ns"), "news", None),
            ("ns:a:b", false, Some("ns"), "a:b", None),
            ("$news", true, None, "news", None),
            ("$ns:news", true, Some("ns"), "news", None),
            ("$$ns:news", true, Some("$ns"), "news", None),
            ("room#1,2", false, None, "room#1,2", Some("1,2")),
            ("ns:room#1,2", false, Some("ns"), "room#1,2", Some("1,2")),
            ("#1", false, None, "#1", Some("1")),
            ("ns:#1", false, Some("ns"), "#1", Some("1")),
            ("a#1#2", false, None, "a#1#2", Some("2")),
            ("#a:b", false, Some("#a"), "b", Some("a:b")),
            (":x", false, Some(""), "x", None),
            ("ns:", false, Some("ns"), "", None),
            ("서울", false, None, "서울", None),
        ] {
            let expected = Name { whole: name, is_private, namespace, rest, users: users.map(Users) };
            assert_eq!(parse(name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn ours_cannot_be_named() {
        for ours in ["inbox:alice", "room:x", "dm:a:b", "naru:server:a", "$inbox:alice", "inbox:#alice"] {
            assert_eq!(parse(ours), Err(Code::PermissionDenied), "{ours}");
        }
        for not_ours in ["inbox", "Inbox:alice", "inboxes:alice", "ns:inbox:alice"] {
            parse(not_ours).unwrap();
        }
    }

    #[test]
    fn names_that_harm_somebody_are_refused() {
        for c in "\0\t\r\n\u{1b}\u{7f}\u{85}\u{ad}\u{200b}\u{200d}\u{2028}\u{202e}\u{2066}\u{3164}\u{feff}\u{1d173}\u{e0041}{}"
            .chars()
        {
            assert_eq!(parse(&format!("ns:a{c}b")), Err(Code::BadRequest), "{c:?}");
        }
        assert_eq!(parse(""), Err(Code::BadRequest));
        parse(&"x".repeat(255)).unwrap();
        assert_eq!(parse(&"x".repeat(256)), Err(Code::BadRequest));
    }

    #[test]
    fn a_name_has_one_spelling() {
        for (composed, others) in [
            ("ns:caf\u{e9}", &["ns:cafe\u{301}"][..]),
            // In Hangul's letters, all or the last of them.
            ("ns:\u{ac01}", &["ns:\u{1100}\u{1161}\u{11a8}", "ns:\u{ac00}\u{11a8}"]),
            // A mark below comes before one above.
            ("ns:\u{1ead}", &["ns:a\u{323}\u{302}", "ns:a\u{302}\u{323}", "ns:\u{e2}\u{323}"]),
            // One letter that is there twice.
            ("ns:\u{c5}", &["ns:\u{212b}"]),
            ("$ns:x#\u{f1}", &["$ns:x#n\u{303}"]),
        ] {
            assert!(parse(composed).is_ok(), "{composed:?}");
            for other in others {
                assert_eq!(parse(other), Err(Code::BadRequest), "{other:?}");
            }
        }
        assert!(parse("x#\u{e9}").unwrap().users.unwrap().have("\u{e9}"));
        assert!(!parse("x#\u{e9}").unwrap().users.unwrap().have("e\u{301}"));
    }

    proptest! {
        #[test]
        fn of_all_spellings_of_a_text_one_at_most_is_a_name(
            text in "([a-zåéñậ가-힣ㄱ-ㅎ\u{1100}-\u{11ff}\u{300}-\u{340}\u{1e00}-\u{1eff}\u{212a}-\u{212b}]|\\PC){1,12}",
        ) {
            let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&text);
            let taken_apart = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(&text);
            for spelling in [text.as_str(), &*taken_apart] {
                prop_assert!(parse(spelling).is_err() || *spelling == *composed, "{spelling:?}");
            }
            for piece in composed.split(|c: char| !c.is_alphanumeric()) {
                prop_assert!(is_composed(piece), "{piece:?}");
            }
        }
    }

    #[test]
    fn a_list_has_who_is_on_it() {
        let users = |name: &'static str| parse(name).unwrap().users.unwrap();
        assert!(users("r#1,2").have("1") && users("r#1,2").have("2"));
        for (name, user) in [
            ("r#1,2", "3"),
            ("r#1,2", "1,2"),
            ("r#12", "1"),
            ("r#1#2", "1"),
            ("r#", ""),
            ("r#,", ""),
            ("r#1,", ""),
        ] {
            assert!(!users(name).have(user), "{name} {user}");
        }
    }

    #[test]
    fn a_personal_channel_is_one_users_or_it_is_not() {
        assert_eq!(personal("", "alice").as_deref(), Some("#alice"));
        assert_eq!(personal("me", "앨리스").as_deref(), Some("me:#앨리스"));
        for user in ["", "a,b", "a#b", "{a}", "a\nb", "e\u{301}"] {
            assert_eq!(personal("me", user), None, "{user}");
        }
    }
}
