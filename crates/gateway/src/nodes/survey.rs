//! Questions to all gateways, and what comes of them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use naru_ledger::Server;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{Census, Load, channels::Count, message::Sender};
use crate::limits::ANSWER_CHANNELS_MAX;

/// What all gateways are asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// Which channels have followers, and how many.
    Channels {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    /// How you are.
    Info,
}

/// What one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Channels(BTreeMap<String, u64>),
    Info(NodeInfo),
}

/// How a gateway is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeInfo {
    /// Names this start of the server.
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) num_clients: u64,
    pub(crate) num_users: u64,
    pub(crate) num_subs: u64,
    pub(crate) num_channels: u64,
    /// Seconds.
    pub(crate) uptime: u64,
    /// Older servers do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<Load>,
}

/// What has come of a question.
#[derive(Debug)]
pub(crate) struct Survey {
    /// By server; ours among them. Who has not said everything in time is missing.
    pub(crate) answers: Vec<(Server, Answer)>,
    /// How many heard the question; more than there are answers if somebody did not answer in time.
    pub(crate) asked: u64,
}

impl Survey {
    /// Says so if somebody has not answered: what is made of the answers is of fewer servers than there are.
    pub(crate) fn warn_if_incomplete(&self) {
        let answered = self.answers.len() as u64;
        if answered < self.asked {
            tracing::warn!(answered, asked = self.asked, "not all servers have answered in time");
        }
    }
}

/// A piece of an answer that is not too large for a message.
pub(super) struct Part {
    pub(super) answer: Answer,
    pub(super) more: bool,
}

impl Answer {
    /// While there is nothing yet.
    pub(super) fn none(question: &Question) -> Answer {
        match question {
            Question::Channels { .. } => Answer::Channels(BTreeMap::new()),
            Question::Info => Answer::Info(NodeInfo::default()),
        }
    }

    pub(super) fn into_parts(self) -> Vec<Part> {
        let mut parts = match self {
            Answer::Info(_) => vec![Part { answer: self, more: true }],
            Answer::Channels(channels) => {
                let mut channels = channels.into_iter().peekable();
                let mut parts = Vec::new();
                while parts.is_empty() || channels.peek().is_some() {
                    let some = channels.by_ref().take(ANSWER_CHANNELS_MAX).collect();
                    parts.push(Part { answer: Answer::Channels(some), more: true });
                }
                parts
            }
        };
        parts.last_mut().expect("an answer has a part").more = false;
        parts
    }

    fn add(&mut self, other: Answer) {
        match (self, other) {
            (Answer::Channels(all), Answer::Channels(more)) => all.extend(more),
            (this, other) => *this = other,
        }
    }
}

impl NodeInfo {
    pub(super) fn new(me: &Sender, census: &Census, count: &Count, started: Instant, load: Load) -> NodeInfo {
        NodeInfo {
            uid: me.run.clone(),
            name: me.server.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            num_clients: census.clients,
            num_users: census.users.len() as u64,
            num_subs: count.subscriptions,
            num_channels: count.channels,
            uptime: started.elapsed().as_secs(),
            process: Some(load),
        }
    }
}

/// Answers that come in.
#[derive(Default)]
pub(super) struct Gathering {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    answers: HashMap<Server, Answer>,
    /// Who has said everything; we are among them once we have heard our own question.
    done: Vec<Server>,
    heard_ourselves: bool,
}

impl Gathering {
    pub(super) fn heard_ourselves(&self) {
        self.state.lock().heard_ourselves = true;
        self.changed.notify_one();
    }

    pub(super) fn answered(&self, from: Server, answer: Answer, more: bool) {
        let mut state = self.state.lock();
        if !more {
            state.done.push(from.clone());
            self.changed.notify_one();
        }
        match state.answers.get_mut(&from) {
            Some(before) => before.add(answer),
            None => drop(state.answers.insert(from, answer)),
        }
    }

    /// Waits until so many have said everything.
    pub(super) async fn complete(&self, asked: u64) {
        loop {
            {
                let state = self.state.lock();
                if state.done.len() as u64 + u64::from(state.heard_ourselves) >= asked {
                    return;
                }
            }
            self.changed.notified().await;
        }
    }

    /// What there is by now. Half an answer is none.
    pub(super) fn finish(&self, asked: u64, ours: (Server, Answer)) -> Survey {
        let mut state = self.state.lock();
        let State { answers, done, .. } = &mut *state;
        let whole = done.drain(..).filter_map(|server| answers.remove_entry(&server));
        let mut answers: Vec<_> = whole.chain([ours]).collect();
        answers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Survey { answers, asked: asked.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Server {
        Server::parse(name).unwrap()
    }

    fn channels(names: &[&str]) -> Answer {
        Answer::Channels(names.iter().map(|name| ((*name).to_owned(), 1)).collect())
    }

    #[tokio::test]
    async fn an_answer_in_parts_counts_when_the_last_has_come() {
        let gathering = Gathering::default();
        gathering.heard_ourselves();
        gathering.answered(server("two"), channels(&["a"]), true);
        gathering.answered(server("three"), channels(&["c"]), true);
        assert!(tokio::time::timeout(std::time::Duration::ZERO, gathering.complete(3)).await.is_err());
        gathering.answered(server("two"), channels(&["b"]), false);
        gathering.complete(2).await;
        let survey = gathering.finish(3, (server("one"), channels(&[])));
        assert_eq!(survey.answers, [(server("one"), channels(&[])), (server("two"), channels(&["a", "b"]))]);
        assert_eq!(survey.asked, 3);
    }

    #[test]
    fn a_large_answer_is_cut_and_an_empty_one_is_there() {
        let names: BTreeMap<String, u64> =
            (0..=2 * ANSWER_CHANNELS_MAX).map(|number| (number.to_string(), 1)).collect();
        let parts = Answer::Channels(names).into_parts();
        assert_eq!(parts.iter().map(|part| part.more).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(channels(&[]).into_parts().len(), 1);
    }
}
