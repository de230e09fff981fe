//! `publish`: as the command, but says how many servers had a listener. With 0 nobody heard it, and it is gone.

use std::{borrow::Cow, rc::Rc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    codes::{Failure, Refused},
    session::{Later, Session},
};

#[derive(Deserialize)]
struct Publish<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Serialize)]
struct Published {
    receivers: u64,
}

/// Whether the application has to agree.
pub(super) fn asks_application(session: &Session, data: &[u8]) -> bool {
    session.shared().backend.hears_publications()
        && serde_json::from_slice(data).is_ok_and(|Publish { channel, .. }| session.is_hooked(&channel))
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Publish { channel, data } = super::read(data, r#"{"channel":"public:news","data":…}"#)?;
    if channel.is_empty() {
        return Err(Refused::bad("the channel has no name").into());
    }
    let published = session.publish_live(&channel, &Bytes::copy_from_slice(data.get().as_bytes()))?;
    Ok(Box::pin(async move {
        let receivers = published.await?;
        Ok(super::result(&Published { receivers }))
    }))
}
