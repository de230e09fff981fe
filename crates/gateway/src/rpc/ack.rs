//! `ack`: this device has everything up to here.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::{
    Useq,
    op::{Ack, Within},
};
use serde::{Deserialize, Serialize};

use crate::{
    codes::Failure,
    crossing,
    limits::OFFSET_MAX,
    sabotage,
    session::{Later, Session},
};

const FORM: &str =
    r#"{"offset":<number>}, and if wanted "within":{"conversation":"dm:alice:bob","seq":<number>}"#;

#[derive(Deserialize)]
struct Asked<'a> {
    offset: u64,
    #[serde(borrow)]
    within: Option<AskedWithin<'a>>,
}

/// How far a device that is far behind is in one conversation.
#[derive(Deserialize)]
struct AskedWithin<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    seq: u64,
}

/// Where the cursor stands now: at the head at most, and never further back than it was.
#[derive(Serialize)]
struct Acked {
    offset: u64,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { offset, within } = super::read(data, FORM)?;
    let useq = super::number(offset).map(Useq)?;
    let within = within.map(|AskedWithin { conversation, seq }| {
        Ok::<_, Failure>(Within { conversation: super::conversation(&conversation)?, seq: super::seq(seq)? })
    });
    let within = within.transpose()?;
    // As if what it has of one conversation were all of the inbox.
    let is_all = within.is_some() && sabotage::is_on("within-is-all");
    let useq = if is_all { Useq(OFFSET_MAX) } else { useq };
    let session = session.clone();
    Ok(Box::pin(async move {
        let member = session.member();
        if sabotage::is_due("forget-ack") {
            return Ok(super::result(&Acked { offset }));
        }
        session.acknowledges(useq);
        let (user, device) = (member.user.clone(), member.device.clone());
        let offset = session.shared().bus.ack(Ack { user, device, useq, within }).await?;
        crossing::ack(&session.shared().server, &member.user, &member.device, offset);
        Ok(super::result(&Acked { offset: offset.0 }))
    }))
}
