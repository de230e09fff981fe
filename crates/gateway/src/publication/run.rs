use std::cell::OnceCell;

use bytes::Bytes;

use super::{Kind, Publication};
use crate::protocol::flavour::Flavour;

/// Publications of one channel that follow each other, for its subscribers on one core.
pub(crate) struct Run<'a> {
    publications: &'a [Publication],
    /// By flavour; each is made when the first client that speaks it is to get it.
    joined: [OnceCell<Option<Bytes>>; Flavour::COUNT],
}

impl<'a> Run<'a> {
    pub(crate) fn of(publications: &'a [Publication]) -> Run<'a> {
        Run { publications, joined: Default::default() }
    }

    pub(crate) fn publications(&self) -> &'a [Publication] {
        self.publications
    }

    /// The frames of all of them, one behind the other, if these are all that a session has to know of them.
    pub(crate) fn joined(&self, flavour: Flavour) -> Option<&Bytes> {
        self.joined[flavour as usize].get_or_init(|| join(self.publications, flavour)).as_ref()
    }
}

fn join(publications: &[Publication], flavour: Flavour) -> Option<Bytes> {
    if let [one] = publications {
        return frame(one, flavour).cloned();
    }
    let bytes = publications.iter().map(|one| Some(frame(one, flavour)?.len())).sum::<Option<usize>>()?;
    let mut joined = Vec::with_capacity(bytes);
    for one in publications {
        joined.extend_from_slice(frame(one, flavour)?);
    }
    Some(joined.into())
}

fn frame(publication: &Publication, flavour: Flavour) -> Option<&Bytes> {
    match &publication.kind {
        Kind::Live => publication.frame(flavour),
        Kind::Kept | Kind::Presence | Kind::Inbox(_) | Kind::Room(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::live;

    fn published(data: &'static str) -> Publication {
        live("public:a", None, Bytes::from_static(data.as_bytes())).unwrap()
    }

    #[test]
    fn frames_stand_one_behind_the_other() {
        for flavour in [Flavour::WebSocketJson, Flavour::WebSocketProtobuf] {
            let publications = [published("1"), published("[2]"), published("3")];
            let each: Vec<_> = publications.iter().map(|one| one.frame(flavour).unwrap().to_vec()).collect();
            assert_eq!(Run::of(&publications).joined(flavour).unwrap(), &each.concat());
            assert_eq!(Run::of(&publications[..1]).joined(flavour).unwrap(), &each[0]);
        }
    }

    #[test]
    fn what_a_client_cannot_have_is_joined_with_nothing() {
        let binary = live("public:a", None, Bytes::from_static(b"\xff\xfe")).unwrap();
        let publications = [published("1"), binary];
        assert!(Run::of(&publications).joined(Flavour::WebSocketJson).is_none());
        assert!(Run::of(&publications).joined(Flavour::WebSocketProtobuf).is_some());
    }
}
