//! Strings: the locks, tokens and counters of an application. Pure, and kept in memory as they are.

mod change;
mod long_double;
mod text;

pub(crate) use change::StringChange;
pub(crate) use long_double::LongDouble;
pub(crate) use text::Text;
