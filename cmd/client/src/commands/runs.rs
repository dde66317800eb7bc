//! `runs` and `prune`: the runs of an invocation that continues as new.

use headwater::{
    client::{Bulk, Execution, Prune, Pruned},
    wire::{InvocationId, Run, Status, Timestamp},
};
use serde::Serialize;

use super::bulk;
use crate::{
    args::PruneArgs,
    exit::Problem,
    output::{shown, table, time},
    session::Session,
};

/// One run as JSON.
#[derive(Serialize)]
struct Told<'a> {
    number: u32,
    run: Run,
    version: &'a str,
    status: Status,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    entries: u64,
}

pub(crate) async fn runs(session: &Session, id: &InvocationId) -> Result<(), Problem> {
    let all = session.client.executions(id).await?;
    if session.out.is_json() {
        let told: Vec<Told<'_>> = all.iter().map(told).collect();
        return session.out.json(&told);
    }
    let rows: Vec<[String; 6]> = all.iter().map(row).collect();
    let titles = ["RUN", "STATUS", "VERSION", "STARTED", "ENDED", "ENTRIES"];
    session.out.lines(&table(titles, &rows))
}

fn told(run: &Execution) -> Told<'_> {
    Told {
        number: run.number,
        run: run.run,
        version: &run.version,
        status: run.status,
        started_at: run.started_at,
        ended_at: run.ended_at,
        entries: run.entries,
    }
}

fn row(run: &Execution) -> [String; 6] {
    [
        run.number.to_string(),
        run.status.to_string(),
        shown(&run.version),
        time(run.started_at),
        run.ended_at.map_or_else(String::new, time),
        run.entries.to_string(),
    ]
}

/// The result of `prune`.
#[derive(Serialize)]
struct Forgotten<'a> {
    invocation_id: &'a InvocationId,
    runs: usize,
    entries: u64,
}

pub(crate) async fn prune(session: &Session, args: &PruneArgs) -> Result<(), Problem> {
    let mut which = Prune::keep_last(args.keep_last);
    if let Some(age) = args.older_than {
        which = which.and_ended_before(session.client.now().before(age));
    }
    if let Some(filter) = &args.whom.filter {
        let words = ["Prune requested of", "Would prune"];
        let prune = |bulk: Bulk| bulk.prune(which);
        return bulk::tell(session, filter, &args.pace, words, prune).await;
    }
    let id = args.whom.one()?;
    let Pruned { runs, entries } = session.client.prune(id, &which).await?;
    match session.out.is_json() {
        true => session.out.json(&Forgotten {
            invocation_id: id,
            runs,
            entries,
        }),
        false => session.out.line(format_args!(
            "Prune requested of {}: {runs} runs, {entries} journal entries",
            shown(id.as_str())
        )),
    }
}
