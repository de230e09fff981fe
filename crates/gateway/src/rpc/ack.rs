//! `ack`: this device has everything up to here.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    codes::{Failure, Refused},
    crossing,
    limits::OFFSET_MAX,
    session::{Later, Session},
};

#[derive(Deserialize)]
struct Ack {
    offset: u64,
}

/// Where the cursor stands now: at the head at most, and never further back than it was.
#[derive(Serialize)]
struct Acked {
    offset: u64,
}

pub(super) fn call(session: &Rc<Session>, data: Option<&RawValue>) -> Result<Later, Failure> {
    let Ack { offset } = super::read(data, r#"{"offset":<number>}"#)?;
    if offset > OFFSET_MAX {
        return Err(Refused::bad("no offset is that high").into());
    }
    let session = session.clone();
    Ok(Box::pin(async move {
        let member = session.member();
        let offset = session.shared().bus.first_ack(&member.user, &member.device, offset).await?;
        crossing::ack(&session.shared().server, &member.user, &member.device, offset);
        Ok(super::result(&Acked { offset }))
    }))
}
