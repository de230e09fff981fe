//! `naru trace`: where a message is.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use clap::Args;
use naru_bus::{Keeping, Line};
use naru_ledger::{
    Answer, Body, ClientId, Conversation, Millis, Mode, Op, Seq, User,
    answer::{Entry, Member, Members, Standing, Traced},
    op::What,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{printed::say, remote};

/// Who is shown of an entry that very many were told of.
const PAGE: usize = 500;

#[derive(Args)]
pub(crate) struct Options {
    /// The conversation, as dm:alice:bob or room:general.
    conversation: String,
    /// The number of an entry; or who said it, and then MESSAGE_ID.
    #[arg(value_name = "SEQ|SENDER")]
    entry: String,
    /// What the sender's client called it.
    message_id: Option<String>,
    /// Naru's broker, a Redis or a Valkey, as redis://host:port, or rediss://host:port with TLS.
    #[arg(long, default_value = "redis://127.0.0.1:6379", value_name = "URL")]
    broker: String,
    /// Authorities of which one must have signed the broker's certificate, in PEM form [default: those that this
    /// machine knows].
    #[arg(long, value_name = "FILE")]
    broker_tls_ca_cert_file: Option<PathBuf>,
    /// The certificate to show to a broker that wants one, in PEM form.
    #[arg(long, value_name = "FILE", requires = "broker_tls_key_file")]
    broker_tls_cert_file: Option<PathBuf>,
    /// That certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "broker_tls_cert_file")]
    broker_tls_key_file: Option<PathBuf>,
    /// What the keys begin with on Redis and Valkey.
    #[arg(long, default_value = "n", value_name = "PREFIX")]
    prefix: String,
    /// Print one JSON object instead of text for people.
    #[arg(long)]
    json: bool,
}

/// What is found out. The names are those of the JSON output.
#[derive(Serialize)]
struct Trace {
    conversation: String,
    /// The last entry there is.
    head: u64,
    /// The last that retention has removed.
    trimmed: u64,
    /// Everything up to here has come into all inboxes it is for.
    fanned_out: u64,
    mode: &'static str,
    /// Whether this entry has.
    done: bool,
    /// As it reads now; none if it is not there, or not any more.
    entry: Option<Box<RawValue>>,
    /// Those it is for, as far as they take part now.
    recipients: Vec<Recipient>,
    /// There are more than are shown.
    more: bool,
}

#[derive(Serialize)]
struct Recipient {
    user: String,
    /// Whether it has come into their inbox.
    delivered: bool,
    /// Which servers hold them.
    servers: Vec<String>,
    devices: Vec<Device>,
    /// How far they have told the others that they have read.
    read: u64,
}

#[derive(Serialize)]
struct Device {
    device: String,
    /// Whether it has said that it has it.
    acknowledged: bool,
    cursor: u64,
    seen_ms: u64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let conversation = Conversation::parse(&options.conversation)?;
    let what = match &options.message_id {
        Some(id) => What::Sent { sender: User::parse(&options.entry)?, client_id: ClientId::parse(id)? },
        None => {
            let seq = options.entry.parse();
            What::Seq(Seq(seq.context("SEQ is a number; after who said it comes MESSAGE_ID")?))
        }
    };
    let shown = options.broker_tls_cert_file.as_deref().zip(options.broker_tls_key_file.as_deref());
    let broker = remote::target(&options.broker, options.broker_tls_ca_cert_file.as_deref(), shown)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let trace = runtime.block_on(async {
        let keeping = Keeping { prefix: options.prefix.clone(), ..Keeping::default() };
        let line = Line::connect(broker, &keeping).await?;
        trace(&line, conversation, what).await
    })?;
    let is_there = trace.entry.is_some();
    if options.json {
        say!("{}", serde_json::to_string(&trace)?)?;
    } else {
        show(&trace)?;
    }
    Ok(if is_there { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn trace(line: &Line, conversation: Conversation, what: What) -> anyhow::Result<Trace> {
    let op = Op::Trace { conversation: conversation.clone(), what };
    let Answer::Traced(traced) = line.ask(&op).await? else { bail!("the broker answers something else") };
    let (mut recipients, mut more) = (Vec::new(), false);
    if let Some(entry) = &traced.entry {
        let op = Op::Members { conversation: conversation.clone(), after: None, limit: PAGE };
        let Answer::Members(members) = line.ask(&op).await? else {
            bail!("the broker answers something else")
        };
        more = members.more;
        for member in concerned(&members, &traced, entry) {
            let op = Op::Standing { user: member.user.clone(), conversation: conversation.clone() };
            match line.ask(&op).await? {
                Answer::Standing(standing) => recipients.push(recipient(member, &standing, entry)),
                _ => bail!("the broker answers something else"),
            }
        }
    }
    Ok(Trace {
        conversation: conversation.to_string(),
        head: traced.head.0,
        trimmed: traced.trimmed.0,
        fanned_out: traced.fanned_out.0,
        mode: traced.mode.as_str(),
        done: traced.done,
        entry: traced.entry.as_ref().map(json).transpose()?,
        recipients,
        more,
    })
}

/// Into whose inboxes it comes, of those who take part now.
fn concerned<'a>(
    members: &'a Members,
    traced: &'a Traced,
    entry: &'a Entry,
) -> impl Iterator<Item = &'a Member> {
    members.members.iter().filter(|member| {
        traced.mode == Mode::FanOut
            || member.user == entry.sender
            || entry.mentions().any(|user| *user == member.user)
    })
}

fn recipient(member: &Member, standing: &Standing, entry: &Entry) -> Recipient {
    let delivered = standing.row.as_ref().is_some_and(|row| row.head >= entry.seq);
    let devices = standing.devices.iter().map(|device| Device {
        device: device.device.to_string(),
        acknowledged: delivered && device.from >= entry.seq,
        cursor: device.cursor.0,
        seen_ms: device.seen.0,
    });
    Recipient {
        user: member.user.to_string(),
        delivered,
        servers: standing.servers.iter().map(ToString::to_string).collect(),
        devices: devices.collect(),
        read: member.read.0,
    }
}

fn json(entry: &Entry) -> anyhow::Result<Box<RawValue>> {
    let mut json = Vec::new();
    entry.write_json(&mut json);
    Ok(RawValue::from_string(String::from_utf8(json)?)?)
}

fn show(trace: &Trace) -> anyhow::Result<()> {
    let Trace { conversation, head, trimmed, .. } = trace;
    let Some(json) = &trace.entry else {
        match (*head, *trimmed) {
            (0, _) => say!("nothing has been said in {conversation}, or it is not there")?,
            (_, 0) => say!("{conversation} has no such entry; the newest is {head}")?,
            _ => say!(
                "{conversation} has no such entry; the newest is {head}; up to {trimmed} they are removed"
            )?,
        }
        return Ok(());
    };
    let entry = Entry::from_json(json.get().as_bytes())?;
    let id = entry.client_id.as_ref().map(|id| format!(", called {id}")).unwrap_or_default();
    say!("{conversation} {}: a {} by {}{id}", entry.seq, entry.kind(), entry.sender)?;
    let bytes = entry.body().map(Body::as_bytes).map_or(0, <[u8]>::len);
    let after = if entry.seq.0 == *head { "the newest" } else { "not the newest" };
    say!("  stored       {}, {bytes} bytes; {after}", time(entry.at))?;
    if let Some(changed) = entry.text().and_then(|text| text.changed()) {
        say!("  changed      by entry {changed}")?;
    }
    let open = format!("not yet; everything up to {} is", trace.fanned_out);
    say!("  fanned out   {}", if trace.done { "to all it is for" } else { &open })?;
    if trace.mode == Mode::Broadcast.as_str() {
        say!("  the room is in broadcast mode: only those it mentions have it in their inboxes")?;
    }
    for recipient in &trace.recipients {
        let servers = match &recipient.servers[..] {
            [] => "away".to_owned(),
            servers => format!("at {}", servers.join(", ")),
        };
        let inbox = if recipient.delivered { "in the inbox" } else { "not in the inbox" };
        say!("  {}: {inbox}; {servers}; has read up to {}", recipient.user, recipient.read)?;
        for device in &recipient.devices {
            let has = if device.acknowledged { "has it" } else { "has not said that it has it" };
            let seen = time(Millis(device.seen_ms));
            say!("    {}: {has}; cursor {}, last seen {seen}", device.device, device.cursor)?;
        }
    }
    if trace.more {
        say!("  and more, who are not shown")?;
    }
    Ok(())
}

fn time(at: Millis) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at.0)).to_string()
}
