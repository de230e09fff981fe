//! Choices that travel as a word.

/// An enum without fields whose variants are spelled as given: in commands, in answers, in logs.
macro_rules! words {
    (
        $(#[$attribute:meta])* $name:ident, $what:literal,
        $($(#[$doc:meta])* $variant:ident = $word:literal,)+
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All there are.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// Reads a word, which is in small letters.
            pub fn parse(word: &str) -> Result<$name, $crate::words::UnknownWord> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err($crate::words::UnknownWord {
                        what: $what,
                        known: &[$($word),+],
                    }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

/// A word that names no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is one of {}", known.join(", "))]
pub struct UnknownWord {
    pub(crate) what: &'static str,
    pub(crate) known: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use crate::{Follow, Kind, Level, Mode, Role};

    #[test]
    fn a_word_reads_as_what_it_was_written_for() {
        Kind::ALL.iter().for_each(|kind| assert_eq!(Kind::parse(kind.as_str()), Ok(*kind)));
        Role::ALL.iter().for_each(|role| assert_eq!(Role::parse(role.as_str()), Ok(*role)));
        Mode::ALL.iter().for_each(|mode| assert_eq!(Mode::parse(mode.as_str()), Ok(*mode)));
        Follow::ALL.iter().for_each(|follow| assert_eq!(Follow::parse(follow.as_str()), Ok(*follow)));
        Level::ALL.iter().for_each(|level| assert_eq!(Level::parse(level.as_str()), Ok(*level)));
    }

    #[test]
    fn another_word_is_told_which_there_are() {
        let error = Role::parse("Owner").unwrap_err().to_string();
        assert_eq!(error, "a role is one of owner, moderator, member, reader");
    }
}
