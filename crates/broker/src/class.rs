/// Redis's classes of clients. There are no replicas and no masters here, but one may ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Normal,
    Replica,
    Pubsub,
    Master,
}

impl Class {
    /// The class called `name`, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Class> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(Class::Normal),
            b"slave" | b"replica" => Some(Class::Replica),
            b"pubsub" => Some(Class::Pubsub),
            b"master" => Some(Class::Master),
            _ => None,
        }
    }
}
