//! What a token or the application says of a connection beside its name. Of most nothing is said, and no room is kept for it.

use std::{cell::RefCell, rc::Rc};

use serde_json::value::RawValue;

use crate::{auth::Capabilities, namespaces::Caps, publication::Payload};

#[derive(Default)]
pub(super) struct Claims(RefCell<Option<Box<Said>>>);

#[derive(Default)]
pub(super) struct Said {
    /// What others are shown beside the name.
    pub(super) info: Option<Payload>,
    /// The channels its token names, in order, to see whether a new token names others.
    pub(super) granted: Box<[String]>,
    /// Of its newest token.
    pub(super) capabilities: Capabilities,
    /// What the application wants kept beside the connection, if some hook is told.
    pub(super) meta: Option<Rc<RawValue>>,
}

impl Said {
    fn is_nothing(&self) -> bool {
        let Said { info, granted, capabilities, meta } = self;
        info.is_none() && granted.is_empty() && capabilities.is_empty() && meta.is_none()
    }
}

impl From<Said> for Claims {
    fn from(said: Said) -> Claims {
        Claims(RefCell::new(Some(said).filter(|said| !said.is_nothing()).map(Box::new)))
    }
}

impl Claims {
    pub(super) fn info(&self) -> Option<Payload> {
        self.0.borrow().as_ref()?.info.clone()
    }

    pub(super) fn meta(&self) -> Option<Rc<RawValue>> {
        self.0.borrow().as_ref()?.meta.clone()
    }

    /// What the newest token gives in a channel.
    pub(super) fn in_channel(&self, channel: &str) -> Caps {
        self.0.borrow().as_ref().map(|said| said.capabilities.in_channel(channel)).unwrap_or_default()
    }

    /// Whether a token names the same channels, in order.
    pub(super) fn grant_only<'a>(&self, channels: impl Iterator<Item = &'a String>) -> bool {
        match &*self.0.borrow() {
            Some(said) => channels.eq(&said.granted),
            None => channels.count() == 0,
        }
    }

    /// Something else is said.
    pub(super) fn change(&self, change: impl FnOnce(&mut Said)) {
        let mut claims = self.0.borrow_mut();
        change(claims.get_or_insert_default());
        claims.take_if(|said| said.is_nothing());
    }
}
