//! Lists: elements in a row, pushed and popped at both ends. Pure: a long element is known by the place of its body only.

mod change;
mod element;
mod list;

pub(crate) use change::ListChange;
pub(crate) use element::Element;
pub(crate) use list::List;

use serde::{Deserialize, Serialize};

/// Where a list is pushed to or popped from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Left,
    Right,
}
