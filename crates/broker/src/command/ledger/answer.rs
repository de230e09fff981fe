//! An operation's answer as a reply: the arrays that the answers' documentation has.

use naru_ledger::answer::{
    Appended, Changed, Delivered, DeviceStanding, Entry, Followed, Member, Members, Open, Page, Pointer,
    Present, Refused, Resumed, Row, Rows, Standing, Traced, Unread, Written,
};
use naru_ledger::{Answer, Server};
use naru_resp::ReplyWriter;

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// What the answer to a message has at most, but for very high numbers.
const APPENDED_BYTES: usize = 112;

/// Writes an answer.
pub(crate) fn write(answer: &Answer, to: &mut Writer<'_>) {
    match answer {
        Answer::Appended(it) => appended(it, to),
        Answer::Delivered(them) => each(them, to, delivered),
        Answer::Done(seq) | Answer::Marked(seq) => number(seq.0, to),
        Answer::Open(them) => each(them, to, open),
        Answer::Resumed(it) => resumed(it, to),
        Answer::Rows(it) => rows(it, to),
        Answer::Acked(useq) => number(useq.0, to),
        Answer::Unread(Unread { useq, count, read, mentions, follow }) => {
            to.array(5);
            numbers([useq.0, *count, *read, *mentions], to);
            to.bulk(follow.as_str());
        }
        Answer::Page(it) => page(it, to),
        Answer::Changed(it) => changed(it, to),
        Answer::Members(it) => members(it, to),
        Answer::Ok => to.simple("OK"),
        Answer::Present(them) => each(them, to, present),
        Answer::Traced(it) => traced(it, to),
        Answer::Standing(it) => standing(it, to),
    }
}

/// Writes why an operation was not done.
pub(crate) fn write_refused(refused: &Refused, to: &mut Writer<'_>) {
    to.error(format!("{} {refused}", refused.code()));
}

fn appended(it: &Appended, to: &mut Writer<'_>) {
    to.reserve(APPENDED_BYTES);
    to.array(8);
    numbers([it.seq.0, it.at.0, it.prev.0, it.count, u64::from(it.repeat), it.version.0], to);
    to.bulk(it.mode.as_str());
    to.bulk(it.level.as_str());
}

fn delivered(it: &Delivered, to: &mut Writer<'_>) {
    to.array(4);
    to.bulk(it.user.as_str());
    numbers([it.useq.0, it.after.0], to);
    servers(&it.servers, to);
}

fn open(it: &Open, to: &mut Writer<'_>) {
    to.array(4);
    to.bulk(it.conversation.as_str());
    numbers([it.from.0, it.to.0, it.version.0], to);
}

fn resumed(it: &Resumed, to: &mut Writer<'_>) {
    to.array(8);
    to.bulk(it.epoch.as_str());
    numbers([it.cursor.0, it.head.0, it.start.0], to);
    to.bulk(it.how.as_str());
    number(u64::from(it.more), to);
    each(&it.pointers, to, pointer);
    each(&it.channels, to, followed);
}

fn pointer(it: &Pointer, to: &mut Writer<'_>) {
    to.array(5);
    number(it.useq.0, to);
    to.bulk(it.conversation.as_str());
    numbers([it.after.0, it.seq.0], to);
    to.bulk(it.kind.as_str());
}

fn followed(it: &Followed, to: &mut Writer<'_>) {
    to.array(2);
    to.bulk(it.conversation.as_str());
    number(it.read, to);
}

fn rows(it: &Rows, to: &mut Writer<'_>) {
    to.array(2);
    number(u64::from(it.more), to);
    each(&it.rows, to, row);
}

fn row(it: &Row, to: &mut Writer<'_>) {
    to.array(8);
    to.bulk(it.conversation.as_str());
    numbers([it.from.0, it.head.0, it.count, it.read, it.mentions, it.useq.0], to);
    to.bulk(it.follow.as_str());
}

fn page(it: &Page, to: &mut Writer<'_>) {
    to.array(4);
    numbers([it.trimmed.0, it.head.0, u64::from(it.more)], to);
    let mut json = Vec::new();
    to.array(it.entries.len());
    for entry in &it.entries {
        self::entry(entry, &mut json, to);
    }
}

fn entry(it: &Entry, json: &mut Vec<u8>, to: &mut Writer<'_>) {
    json.clear();
    it.write_json(json);
    to.bulk(&*json);
}

fn changed(it: &Changed, to: &mut Writer<'_>) {
    to.array(8);
    number(it.version.0, to);
    let written = it.written.as_ref();
    let of = |field: fn(&Written) -> u64| written.map_or(0, field);
    let is_written = u64::from(written.is_some());
    numbers([of(|it| it.seq.0), is_written, of(|it| it.at.0), of(|it| it.prev.0), of(|it| it.count)], to);
    to.bulk(it.mode.as_str());
    number(of(|it| it.switched.map_or(0, |seq| seq.0)), to);
}

fn members(it: &Members, to: &mut Writer<'_>) {
    to.array(4);
    number(it.version.0, to);
    to.bulk(it.mode.as_str());
    number(u64::from(it.more), to);
    each(&it.members, to, member);
}

fn member(it: &Member, to: &mut Writer<'_>) {
    to.array(4);
    to.bulk(it.user.as_str());
    to.bulk(it.role.as_str());
    numbers([it.since.0, it.read.0], to);
}

fn present(it: &Present, to: &mut Writer<'_>) {
    to.array(2);
    to.bulk(it.user.as_str());
    servers(&it.servers, to);
}

fn traced(it: &Traced, to: &mut Writer<'_>) {
    to.array(7);
    numbers([it.head.0, it.fanned_out.0, it.trimmed.0, it.version.0], to);
    to.bulk(it.mode.as_str());
    number(u64::from(it.done), to);
    match &it.entry {
        Some(entry) => self::entry(entry, &mut Vec::new(), to),
        None => to.null(),
    }
}

fn standing(it: &Standing, to: &mut Writer<'_>) {
    to.array(6);
    to.bulk(it.epoch.as_str());
    numbers([it.head.0, it.ring.0], to);
    match &it.row {
        Some(row) => self::row(row, to),
        None => to.null(),
    }
    each(&it.devices, to, device);
    servers(&it.servers, to);
}

fn device(it: &DeviceStanding, to: &mut Writer<'_>) {
    to.array(4);
    to.bulk(it.device.as_str());
    numbers([it.cursor.0, it.seen.0, it.from.0], to);
}

fn servers(servers: &[Server], to: &mut Writer<'_>) {
    to.array(servers.len());
    servers.iter().for_each(|server| to.bulk(server.as_str()));
}

fn each<T>(items: &[T], to: &mut Writer<'_>, write: fn(&T, &mut Writer<'_>)) {
    to.array(items.len());
    items.iter().for_each(|item| write(item, to));
}

fn numbers<const N: usize>(values: [u64; N], to: &mut Writer<'_>) {
    values.into_iter().for_each(|value| number(value, to));
}

/// No number there is passes 2^53 (see [`naru_ledger::JUMP`]).
fn number(value: u64, to: &mut Writer<'_>) {
    to.integer(i64::try_from(value).unwrap_or(i64::MAX));
}
