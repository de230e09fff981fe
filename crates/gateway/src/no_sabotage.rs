//! What stands for `sabotage.rs` in every build that does not ask for it: nothing is ever done wrong on purpose.

pub(crate) const fn is_on(_: &str) -> bool {
    false
}

pub(crate) const fn is_due(_: &str) -> bool {
    false
}
