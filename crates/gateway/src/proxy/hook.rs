//! One place where the application is asked.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    answer,
    health::Health,
    question::{Caller, Question},
    settings::Asking,
};
use crate::{
    codes::{Failure, Refused},
    limits::PROXY_CALLS_MAX,
    outbound::{Answer, NoAnswer, Outbound, Request},
};

/// A place where the application is asked, with what is to be known for that.
#[derive(Debug)]
pub(super) struct Hook {
    /// As the configuration names it.
    name: Box<str>,
    asking: Asking,
    /// Taken while it is asked. Who gets none in time is told to come again.
    turns: Semaphore,
    health: Health,
}

impl Hook {
    pub(super) fn new(name: &str, asking: Asking) -> Hook {
        Hook { name: name.into(), asking, turns: Semaphore::new(PROXY_CALLS_MAX), health: Health::default() }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.asking.endpoint.is_encrypted()
    }

    pub(super) fn forwarded(&self) -> &[HeaderName] {
        &self.asking.forwarded
    }

    pub(super) fn includes_meta(&self) -> bool {
        self.asking.includes_meta
    }

    /// Asks, and reads what is answered. Without a usable answer it cannot be decided right now.
    pub(super) async fn ask<R: DeserializeOwned>(
        &self,
        outbound: &Outbound,
        caller: Caller<'_>,
        question: Question<'_>,
    ) -> Result<R, Failure> {
        let body = caller.body(question, self.asking.includes_meta, self.asking.is_binary);
        let mut headers = self.asking.fixed.clone();
        caller.heard.pass_on(&self.asking.forwarded, &mut headers);
        let Answer { status, body } = self.exchange(outbound, headers, body).await.map_err(|no_answer| {
            self.health.away(&self.name, &no_answer);
            Refused::later()
        })?;
        if let Some(transform) = self.asking.transforms.iter().find(|it| it.status_code == status) {
            self.health.answered(&self.name);
            return Err(transform.told().into());
        }
        if !status.is_success() {
            // What stands before an application that is away answers so, too.
            self.health.away(&self.name, &answer::Fault::Status(status));
            return Err(Refused::later().into());
        }
        self.health.answered(&self.name);
        match answer::read(&body) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(told)) => Err(told.into()),
            Err(fault) => Err(self.bad(&fault).into()),
        }
    }

    /// What it has answered has the right form and says what cannot be.
    pub(super) fn bad(&self, why: &dyn std::fmt::Display) -> Refused {
        self.health.bad(&self.name, why);
        Refused::later()
    }

    async fn exchange(
        &self,
        outbound: &Outbound,
        mut headers: HeaderMap,
        body: bytes::Bytes,
    ) -> Result<Answer, NoAnswer> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let until = Instant::now() + self.asking.timeout;
        let turn = timeout_at(until, self.turns.acquire()).await.map_err(|_| NoAnswer::Busy)?;
        let _turn = turn.expect("the semaphore is never closed");
        let request = Request { method: Method::POST, headers, body };
        let answered = timeout_at(until, outbound.call(&self.asking.endpoint, request)).await;
        answered.unwrap_or(Err(NoAnswer::Late))
    }
}
