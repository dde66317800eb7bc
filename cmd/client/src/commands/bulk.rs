//! What is told to many invocations: `--where` of `cancel`, `signal`, `resume` and others.

use headwater::{
    ClientError,
    client::{Bulk, BulkItem, BulkResult, BulkRun, Filter},
    wire::{InvocationId, Status},
};
use serde::Serialize;

use crate::{
    args::bulk::Pace,
    exit::{Exit, Problem},
    output::shown,
    session::Session,
};

/// One of them as JSON.
#[derive(Serialize)]
struct Told {
    invocation_id: InvocationId,
    /// Before it was told.
    status: Status,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The result of a bulk as JSON.
#[derive(Default, Serialize)]
struct Report {
    dry_run: bool,
    sent: usize,
    skipped: usize,
    failed: usize,
    invocations: Vec<Told>,
    #[serde(skip)]
    first_error: Option<ClientError>,
}

impl Report {
    fn add(&mut self, item: BulkItem) {
        let (count, result, reason) = match item.result {
            BulkResult::Sent => (&mut self.sent, "sent", None),
            BulkResult::WouldSend => (&mut self.sent, "would_send", None),
            BulkResult::Skipped(why) => (&mut self.skipped, "skipped", Some(why.to_owned())),
            BulkResult::Failed(error) => {
                let reason = error.to_string();
                self.first_error.get_or_insert(error);
                (&mut self.failed, "failed", Some(reason))
            }
        };
        *count += 1;
        self.invocations.push(Told {
            invocation_id: item.id,
            status: item.status,
            result,
            reason,
        });
    }

    fn summary(&self) -> String {
        let verb = if self.dry_run { "would be" } else { "were" };
        let (sent, skipped, failed) = (self.sent, self.skipped, self.failed);
        format!("{sent} {verb} told, {skipped} left alone, {failed} failed")
    }

    fn end(self) -> Result<(), Problem> {
        let Some(error) = self.first_error else {
            return Ok(());
        };
        let (failed, all) = (self.failed, self.invocations.len());
        let message = format!("{failed} of {all} could not be told, the first because: {error}");
        Err(Problem::new(Exit::Nats, "partly_done", message))
    }
}

/// Tell them, a line for each as it is done: `words` begin it, the second in a dry run. They are
/// told also if nobody reads the lines any more.
pub(super) async fn tell(
    session: &Session,
    filter: &Filter,
    pace: &Pace,
    words: [&str; 2],
    verb: impl FnOnce(Bulk) -> BulkRun,
) -> Result<(), Problem> {
    let mut bulk = session.client.bulk(filter.clone());
    if pace.dry_run {
        bulk = bulk.dry_run();
    }
    if let Some(rate) = pace.rate {
        bulk = bulk.rate(rate);
    }
    let (mut run, out) = (verb(bulk), session.out);
    let mut report = Report {
        dry_run: pace.dry_run,
        ..Report::default()
    };
    while let Some(item) = run.next().await {
        let item = item?;
        if !out.is_json() {
            match out.line(line(&item, words)) {
                Err(Problem::ReaderGone) => {}
                written => written?,
            }
        }
        report.add(item);
    }
    match out.is_json() {
        true => out.json(&report)?,
        false => out.line(report.summary())?,
    }
    report.end()
}

fn line(item: &BulkItem, [done, would]: [&str; 2]) -> String {
    let (id, status) = (shown(item.id.as_str()), item.status);
    match &item.result {
        BulkResult::Sent => format!("{done} {id}"),
        BulkResult::WouldSend => format!("{would} {id} ({status})"),
        BulkResult::Skipped(why) => format!("Left alone: {id} ({status}), {why}"),
        BulkResult::Failed(error) => format!("Failed: {id}: {}", shown(&error.to_string())),
    }
}
