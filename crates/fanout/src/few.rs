use std::slice;

/// One thing, or several: one takes no room of its own.
pub(crate) enum Few<T> {
    One(T),
    /// At least two.
    #[expect(clippy::box_collection, reason = "it is smaller, and there are as many of these as channels")]
    Many(Box<Vec<T>>),
}

impl<T: Clone> Few<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Few::One(one) => slice::from_ref(one),
            Few::Many(many) => many,
        }
    }

    pub(crate) fn push(&mut self, another: T) {
        match self {
            Few::One(one) => *self = Few::Many(Box::new(vec![one.clone(), another])),
            Few::Many(many) => many.push(another),
        }
    }

    /// Takes one away that is like this, if there is one; whether it was the last.
    pub(crate) fn take(&mut self, is_it: impl Fn(&T) -> bool) -> bool {
        match self {
            Few::One(one) => is_it(one),
            Few::Many(many) => {
                if let Some(at) = many.iter().position(is_it) {
                    many.swap_remove(at);
                }
                if let [one] = &many[..] {
                    *self = Few::One(one.clone());
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_there_until_it_is_taken() {
        let mut few = Few::One(1);
        assert!(!few.take(|it| *it == 2));
        (2..=4).for_each(|it| few.push(it));
        assert_eq!(few.as_slice(), [1, 2, 3, 4]);
        for it in [1, 9, 3, 2] {
            assert!(!few.take(|other| *other == it));
        }
        assert_eq!(few.as_slice(), [4]);
        assert!(matches!(few, Few::One(_)) && few.take(|it| *it == 4));
    }
}
