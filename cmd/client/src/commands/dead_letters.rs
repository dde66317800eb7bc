//! `dead-letters`: messages that could not be used.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use headwater::{
    ClientError,
    store::{DeadRecord, StoreError},
    wire::{Command, Task, Timestamp, dead::DeadKind},
};
use serde::Serialize;

use crate::{
    args::Redrive,
    exit::{Exit, Problem},
    output::{preview, shown, table, time, time_millis},
    session::Session,
};

/// Letters read at once when all are asked for.
const PAGE: usize = 256;

/// Bytes of a payload that `show` prints as text; JSON has them all.
const PAYLOAD_SHOWN_MAX: usize = 2048;

/// A dead letter as JSON.
#[derive(Serialize)]
struct Letter<'a> {
    seq: u64,
    at: Timestamp,
    kind: &'static str,
    subject: &'a str,
    source_seq: u64,
    deliveries: u64,
    reason: &'a str,
    by: &'a str,
    payload_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// The result of `redrive`.
#[derive(Serialize)]
struct Redriven {
    redriven: Vec<u64>,
}

impl<'a> Letter<'a> {
    fn of(record: &'a DeadRecord) -> Self {
        let letter = &record.letter;
        Self {
            seq: record.seq,
            at: record.at,
            kind: letter.kind.as_str(),
            subject: &letter.subject,
            source_seq: letter.seq,
            deliveries: letter.deliveries,
            reason: &letter.reason,
            by: &letter.by,
            payload_bytes: letter.payload.len(),
            payload_base64: None,
        }
    }
}

fn missing(seq: u64) -> Problem {
    Problem::not_found(format!(
        "there is no dead letter {seq}; `headwater dead-letters list` shows those that there are"
    ))
}

pub(crate) async fn list(session: &Session, from: u64, limit: usize) -> Result<(), Problem> {
    let records = session.client.dead_letters(from, limit).await?;
    let out = session.out;
    if out.is_json() {
        let letters: Vec<Letter<'_>> = records.iter().map(Letter::of).collect();
        return out.json(&letters);
    }
    let titles = ["SEQ", "AT", "KIND", "SUBJECT", "DELIVERIES", "REASON"];
    let rows: Vec<[String; 6]> = records
        .iter()
        .map(|record| {
            let letter = &record.letter;
            [
                record.seq.to_string(),
                time(record.at),
                letter.kind.as_str().to_owned(),
                shown(&letter.subject),
                letter.deliveries.to_string(),
                preview(&letter.reason),
            ]
        })
        .collect();
    out.lines(&table(titles, &rows))
}

pub(crate) async fn show(session: &Session, seq: u64) -> Result<(), Problem> {
    let first = session.client.dead_letters(seq, 1).await?;
    let record = first.iter().find(|record| record.seq == seq);
    let record = record.ok_or_else(|| missing(seq))?;
    let letter = &record.letter;
    if session.out.is_json() {
        return session.out.json(&Letter {
            payload_base64: Some(BASE64.encode(&letter.payload)),
            ..Letter::of(record)
        });
    }
    let shown_bytes = letter.payload.len().min(PAYLOAD_SHOWN_MAX);
    let bytes = letter.payload[..shown_bytes].escape_ascii();
    let rest = match letter.payload.len() - shown_bytes {
        0 => String::new(),
        rest => format!("… and {rest} bytes more, all with --output json"),
    };
    session.out.lines(&[
        format!("Dead Letter: {seq}"),
        format!("At: {}", time_millis(record.at)),
        format!("Kind: {}", letter.kind.as_str()),
        format!("Subject: {}", shown(&letter.subject)),
        format!("Sequence: {}", letter.seq),
        format!("Deliveries: {}", letter.deliveries),
        format!("Given Up By: {}", shown(&letter.by)),
        format!("Reason: {}", shown(&letter.reason)),
        format!("Content: {}", content(record)),
        format!("Payload ({} bytes): {bytes}{rest}", letter.payload.len()),
    ])
}

/// What this build reads in it.
fn content(record: &DeadRecord) -> String {
    let payload = &record.letter.payload;
    let read = match record.letter.kind {
        DeadKind::Command => Command::decode(payload).map(|command| match command {
            Command::Start(start) => format!("start of workflow {}", shown(&start.workflow)),
            Command::Signal(signal) => format!("signal {}", shown(&signal.name)),
            command => command.name().to_owned(),
        }),
        DeadKind::Task => Task::decode(payload).map(|task| {
            format!(
                "activity {} for step {} of {}",
                shown(&task.activity),
                task.step,
                shown(task.invocation.as_str())
            )
        }),
    };
    read.unwrap_or_else(|error| format!("unreadable, {}", shown(&error.to_string())))
}

pub(crate) async fn redrive(session: &Session, args: &Redrive) -> Result<(), Problem> {
    let seqs = match args.seq {
        Some(seq) => vec![seq],
        None => all(session).await?,
    };
    let (mut redriven, mut refused) = (Vec::new(), Vec::new());
    let mut failed = None;
    for seq in seqs {
        match session.client.redrive(seq).await {
            Ok(true) => redriven.push(seq),
            Ok(false) if args.all => {} // somebody else has redriven it
            Ok(false) => return Err(missing(seq)),
            // One that can't be redriven does not keep the others.
            Err(ClientError::Store(StoreError::Refused(reason))) => refused.push(reason),
            Err(error) => {
                failed = Some(Problem::from(error));
                break;
            }
        }
    }
    if !refused.is_empty() {
        let message = format!(
            "not redriven: {}; `headwater dead-letters show` tells more",
            refused.join("; ")
        );
        failed = failed.or(Some(Problem::new(Exit::Nats, "refused", message)));
    }
    let told = tell_redriven(session, redriven, failed.is_none());
    failed.map_or(told, Err)
}

/// What was redriven, also if an error follows.
fn tell_redriven(session: &Session, redriven: Vec<u64>, is_all: bool) -> Result<(), Problem> {
    if session.out.is_json() {
        return session.out.json(&Redriven { redriven });
    }
    if redriven.is_empty() && is_all {
        return session.out.line("There are no dead letters");
    }
    let line = |seq| format!("Dead letter {seq} is published again and removed");
    let lines: Vec<String> = redriven.into_iter().map(line).collect();
    session.out.lines(&lines)
}

/// The numbers of all letters as of now: one that comes back while they are redriven is left.
async fn all(session: &Session) -> Result<Vec<u64>, Problem> {
    let mut seqs = Vec::new();
    loop {
        let from = seqs.last().map_or(1, |last| last + 1);
        let page = session.client.dead_letters(from, PAGE).await?;
        seqs.extend(page.iter().map(|record| record.seq));
        if page.len() < PAGE {
            return Ok(seqs);
        }
    }
}
