//! One place where the application is asked.

use std::fmt::Display;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    answer,
    counted::{Counted, Kind, Outcome},
    health::Health,
    heard::Names,
    question::{Caller, Question},
    settings::Asking,
    told::Told,
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

/// Who asks, what, and where it is counted.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) counted: &'a Counted,
    pub(super) kind: Kind,
}

impl Hook {
    pub(super) fn new(name: &str, asking: Asking) -> Hook {
        Hook { name: name.into(), asking, turns: Semaphore::new(PROXY_CALLS_MAX), health: Health::default() }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.asking.endpoint.is_encrypted()
    }

    pub(super) fn forwarded(&self) -> &Names {
        &self.asking.forwarded
    }

    pub(super) fn includes_meta(&self) -> bool {
        self.asking.includes_meta
    }

    /// Asks, and takes what is answered. Without a usable answer it cannot be decided right now.
    pub(super) async fn ask<R: DeserializeOwned, T, F: Display>(
        &self,
        asker: Asker<'_>,
        caller: Caller<'_>,
        question: Question<'_>,
        take: impl FnOnce(R) -> Result<T, F>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let (outcome, taken) = self.asked(asker.outbound, caller, question, take).await;
        asker.counted.add(asker.kind, outcome, begun.elapsed());
        taken
    }

    async fn asked<R: DeserializeOwned, T, F: Display>(
        &self,
        outbound: &Outbound,
        caller: Caller<'_>,
        question: Question<'_>,
        take: impl FnOnce(R) -> Result<T, F>,
    ) -> (Outcome, Result<T, Failure>) {
        let body = caller.body(question, self.asking.includes_meta, self.asking.is_binary);
        let mut headers = self.asking.fixed.clone();
        caller.heard.pass_on(&self.asking.forwarded, &mut headers);
        let Answer { status, body } = match self.exchange(outbound, headers, body).await {
            Ok(answer) => answer,
            Err(no_answer) => {
                self.health.away(&self.name, &no_answer);
                return (outcome(&no_answer), Err(Refused::later().into()));
            }
        };
        if let Some(transform) = self.asking.transforms.iter().find(|it| it.status_code == status) {
            self.health.answered(&self.name);
            return refused(transform.told());
        }
        if !status.is_success() {
            // What stands before an application that is away answers so, too.
            self.health.away(&self.name, &answer::Fault::Status(status));
            return (Outcome::Status, Err(Refused::later().into()));
        }
        self.health.answered(&self.name);
        match answer::read(&body) {
            Ok(Ok(said)) => match take(said) {
                Ok(taken) => (Outcome::Result, Ok(taken)),
                Err(fault) => self.bad(&fault),
            },
            Ok(Err(told)) => refused(told),
            Err(fault) => self.bad(&fault),
        }
    }

    /// What it has answered is none of the answers there are, or says what cannot be.
    fn bad<T>(&self, why: &dyn Display) -> (Outcome, Result<T, Failure>) {
        self.health.bad(&self.name, why);
        (Outcome::Malformed, Err(Refused::later().into()))
    }

    async fn exchange(
        &self,
        outbound: &Outbound,
        mut headers: HeaderMap,
        body: bytes::Bytes,
    ) -> Result<Answer, NoAnswer> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.asking.key.sign(&body, &mut headers);
        let until = Instant::now() + self.asking.timeout;
        let turn = timeout_at(until, self.turns.acquire()).await.map_err(|_| NoAnswer::Busy)?;
        let _turn = turn.expect("the semaphore is never closed");
        let request = Request { method: Method::POST, headers, body };
        let answered = timeout_at(until, outbound.call(&self.asking.endpoint, request)).await;
        answered.unwrap_or(Err(NoAnswer::Late))
    }
}

fn refused<T>(told: Told) -> (Outcome, Result<T, Failure>) {
    let outcome = match told {
        Told::Error(_) => Outcome::Error,
        Told::Disconnect(..) => Outcome::Disconnect,
    };
    (outcome, Err(told.into()))
}

fn outcome(no_answer: &NoAnswer) -> Outcome {
    match no_answer {
        NoAnswer::Unreachable(_) | NoAnswer::Broken(_) => Outcome::Unreachable,
        NoAnswer::Late => Outcome::Timeout,
        NoAnswer::TooLarge(_) => Outcome::Malformed,
        NoAnswer::Busy => Outcome::Busy,
    }
}
