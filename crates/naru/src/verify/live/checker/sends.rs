//! What was sent, and what servers have answered, against the logs.

use std::collections::{HashMap, HashSet};

use super::super::history::{Answer, Ask, Event, History, What};
use super::fault::{About, Fault, Verdict};
use super::log::Logs;

/// A message, over all attempts to send it.
struct Sent<'a> {
    conversation: &'a str,
    /// The highest number of the conversation that anybody had seen before it was first sent.
    floor: u64,
    answers: Vec<(u64, bool)>,
    refusals: usize,
    calls: usize,
    /// An attempt was refused that was made when it was there already.
    is_forgotten: bool,
}

impl Sent<'_> {
    fn is_refused(&self) -> bool {
        self.refusals > 0
    }

    /// Whether no attempt can have been taken behind a refusal. One without an answer may be at a server that stands still, and is done
    /// when that goes on; not if it was seen before the refused one was made, which is then its repeat.
    fn is_refused_for_good(&self) -> bool {
        self.is_refused() && (self.is_forgotten || self.refusals + self.answers.len() == self.calls)
    }
}

/// A call under way.
enum Call<'a> {
    /// `number` is its place among those of its connection that are done in their order; edits and deletions are not.
    Send {
        key: (&'a str, &'a str),
        conversation: &'a str,
        link: u64,
        number: Option<usize>,
        was_there: bool,
    },
    Page {
        conversation: &'a str,
        floor: u64,
    },
    Other,
}

/// A message that was answered at the first attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct First<'a> {
    /// Its place in the order of the calls.
    place: usize,
    seq: u64,
    id: &'a str,
}

#[derive(Default)]
struct Sweep<'a> {
    sent: HashMap<(&'a str, &'a str), Sent<'a>>,
    /// Keeps the faults in the order of the history.
    order: Vec<(&'a str, &'a str)>,
    calls: HashMap<u64, Call<'a>>,
    /// The highest number of each conversation that anybody has seen.
    seen: HashMap<&'a str, u64>,
    /// Who sent what somebody has got, and its id.
    got: HashSet<(&'a str, &'a str)>,
    /// First attempts that were answered, by connection and conversation.
    firsts: HashMap<(u64, &'a str), Vec<First<'a>>>,
    faults: Vec<Fault>,
}

pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) {
    let mut sweep = Sweep::default();
    for (number, event) in history.events.iter().enumerate() {
        sweep.take(number, event, history, logs);
    }
    let is_over = history.events.iter().any(|event| event.what == What::End);
    sweep.judge(logs, is_over);
    faults.append(&mut sweep.faults);
}

impl<'a> Sweep<'a> {
    fn take(&mut self, number: usize, event: &'a Event, history: &'a History, logs: &Logs<'a>) {
        match &event.what {
            What::Invoke { device, link, call, ask } => {
                let user = history.run.devices[*device].user.as_str();
                let under_way = match ask {
                    Ask::Send { conversation, id, kind, .. } => {
                        let number = (!["edit", "delete"].contains(&kind.as_str())).then_some(number);
                        self.invoked((user, id), conversation, *link, number)
                    }
                    Ask::Page { conversation } => Call::Page {
                        conversation,
                        floor: self.seen.get(conversation.as_str()).copied().unwrap_or(0),
                    },
                    Ask::Ack { .. }
                    | Ask::Read { .. }
                    | Ask::Unread
                    | Ask::Missed { .. }
                    | Ask::Member { .. } => Call::Other,
                };
                self.calls.insert(*call, under_way);
            }
            What::Ok { call, answer, .. } => {
                if let Some(call) = self.calls.remove(call) {
                    self.answered(call, answer, logs);
                }
            }
            What::Fail { call, .. } => {
                if let Some(Call::Send { key, was_there, .. }) = self.calls.remove(call)
                    && let Some(sent) = self.sent.get_mut(&key)
                {
                    sent.refusals += 1;
                    sent.is_forgotten |= was_there;
                }
            }
            What::Pushed { entry, .. } if entry.is_logged() => {
                self.see(&entry.conversation, entry.seq);
                self.got.insert((&entry.from, &entry.id));
            }
            _ => {}
        }
    }

    fn see(&mut self, conversation: &'a str, seq: u64) {
        let seen = self.seen.entry(conversation).or_default();
        *seen = seq.max(*seen);
    }

    fn invoked(
        &mut self,
        key: (&'a str, &'a str),
        conversation: &'a str,
        link: u64,
        number: Option<usize>,
    ) -> Call<'a> {
        let floor = self.seen.get(conversation).copied().unwrap_or(0);
        let order = &mut self.order;
        let sent = self.sent.entry(key).or_insert_with(|| {
            order.push(key);
            Sent { conversation, floor, answers: Vec::new(), refusals: 0, calls: 0, is_forgotten: false }
        });
        sent.calls += 1;
        Call::Send { key, conversation, link, number, was_there: self.got.contains(&key) }
    }

    fn answered(&mut self, call: Call<'a>, answer: &'a Answer, logs: &Logs<'a>) {
        match (call, answer) {
            (
                Call::Send { key, conversation, link, number, .. },
                Answer::Sent { conversation: at, seq, duplicate, .. },
            ) => {
                if at != conversation {
                    let text = format!("{} was sent to {conversation}, and {at} was answered", key.1);
                    self.fault(
                        Verdict::Answers,
                        About::of(conversation, [*seq]).and_sent(key.0, key.1),
                        text,
                    );
                }
                self.see(conversation, *seq);
                if let Some(sent) = self.sent.get_mut(&key) {
                    if sent.calls == 1
                        && let Some(number) = number
                    {
                        self.firsts.entry((link, conversation)).or_default().push(First {
                            place: number,
                            seq: *seq,
                            id: key.1,
                        });
                    }
                    sent.answers.push((*seq, *duplicate));
                }
            }
            (Call::Page { conversation, floor }, Answer::Page { entries }) => {
                self.page(conversation, floor, entries, logs);
                if let Some(last) = entries.last() {
                    self.see(conversation, last.seq);
                }
            }
            _ => {}
        }
    }

    fn page(
        &mut self,
        conversation: &'a str,
        floor: u64,
        entries: &'a [super::super::history::Entry],
        logs: &Logs<'a>,
    ) {
        let last = entries.last().map_or(0, |entry| entry.seq);
        if last < floor {
            let text = format!(
                "{floor} of {conversation} had been seen before its newest page was asked for, which ends with {last}"
            );
            self.fault(Verdict::Page, About::of(conversation, [last, floor]), text);
        }
        let Some(log) = logs.get(conversation) else { return };
        let mut before = None;
        for entry in entries.iter().filter(|entry| !logs.is_old(conversation, entry.seq)) {
            let Some(place) = log.place(entry.seq) else {
                let text = format!("a page of {conversation} has {}, and the log has not", entry.seq);
                let about = About::of(conversation, [entry.seq]).and_sent(&entry.from, &entry.id);
                self.fault(Verdict::Vanished, about, text);
                continue;
            };
            if let Some(before) = before
                && place != before + 1
            {
                let text = format!("a page of {conversation} has {} in the wrong place", entry.seq);
                self.fault(Verdict::Page, About::of(conversation, [entry.seq]), text);
            }
            before = Some(place);
        }
    }

    fn fault(&mut self, verdict: Verdict, about: About, text: String) {
        self.faults.push(Fault { verdict, text, about });
    }

    fn judge(&mut self, logs: &Logs<'a>, is_over: bool) {
        for key in std::mem::take(&mut self.order) {
            let Some(sent) = self.sent.remove(&key) else { continue };
            self.judge_message(key, &sent, logs, is_over);
        }
        let mut firsts: Vec<_> = std::mem::take(&mut self.firsts).into_iter().collect();
        firsts.sort_unstable();
        for ((_, conversation), mut answered) in firsts {
            answered.sort_unstable();
            for pair in answered.windows(2) {
                let (first, second) = (pair[0], pair[1]);
                if second.seq < first.seq {
                    let text = format!(
                        "{} and then {} were sent on one connection, and answered {} and {}",
                        first.id, second.id, first.seq, second.seq
                    );
                    self.fault(Verdict::Commands, About::of(conversation, [first.seq, second.seq]), text);
                }
            }
        }
    }

    fn judge_message(
        &mut self,
        (sender, id): (&'a str, &'a str),
        sent: &Sent<'a>,
        logs: &Logs<'a>,
        is_over: bool,
    ) {
        let Sent { conversation, floor, answers, .. } = sent;
        let about = |seqs: &[u64]| About::of(conversation, seqs.iter().copied()).and_sent(sender, id);
        if let Some((first, _)) = answers.first() {
            if let Some((other, _)) = answers.iter().find(|(seq, _)| seq != first) {
                let text =
                    format!("{id} of {sender} was answered {first}, and {other} when it was sent again");
                self.fault(Verdict::Answers, about(&[*first, *other]), text);
            } else if answers.iter().filter(|(_, duplicate)| !duplicate).count() > 1 {
                let text = format!("{id} of {sender} was answered twice as if it were new");
                self.fault(Verdict::Answers, about(&[*first]), text);
            }
        } else if is_over && !sent.is_refused() {
            let text =
                format!("{id} of {sender} to {conversation} was sent again and again, and never answered");
            self.fault(Verdict::Unanswered, about(&[]), text);
        }
        let Some(log) = logs.get(conversation) else {
            if is_over {
                let text = format!("{conversation} could not be read at the end");
                self.fault(Verdict::Unfinished, about(&[]), text);
            }
            return;
        };
        let there = log.seqs(sender, id);
        if sent.is_refused_for_good() && !there.is_empty() {
            let text =
                format!("{id} of {sender} was refused for good, and is {} in {conversation}", there[0]);
            self.fault(Verdict::Refused, about(there), text);
        }
        if let Some((answered, _)) = answers.first()
            && !there.contains(answered)
            && !logs.is_old(conversation, *answered)
        {
            let (verdict, text) = match there.first() {
                Some(other) => {
                    (Verdict::Moved, format!("{id} of {sender} was answered {answered}, and is {other}"))
                }
                None => {
                    let text = format!(
                        "{id} of {sender} was answered {answered}, and {conversation} does not have it"
                    );
                    (Verdict::Lost, text)
                }
            };
            let seqs: Vec<u64> = there.iter().copied().chain([*answered]).collect();
            self.fault(verdict, about(&seqs), text);
        }
        if let Some(first) = there.first()
            && first <= floor
        {
            let text = format!(
                "{floor} of {conversation} had been seen before {sender} sent {id}, which stands before it, as {first}"
            );
            self.fault(Verdict::Overtaken, about(&[*first, *floor]), text);
        }
    }
}
