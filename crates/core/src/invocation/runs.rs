//! Runs that are over: what each leaves, and how it is forgotten.

use headwater_wire::{
    Timestamp, limits,
    runs::{EndedRun, Prune, archive_name},
    value::Encoder,
};

use super::Invocation;
use crate::machine::{Archive, Placement};

impl Invocation {
    /// The run is over: list it, and keep those of its entries that are in no page. (What this
    /// turn adds is known to nobody else who makes a turn on the stored value: it can stand in no
    /// page.)
    pub(super) fn list_run(&mut self, now: Timestamp) {
        let added = std::mem::take(&mut self.draft.lines);
        let entries = self.journal.entries + added.count();
        let mut rest = std::mem::take(&mut self.journal.tail);
        rest.append(&added);
        let (first, last) = self.journal.run_pages().into_inner();
        let started_at = self.value.run_started_at.unwrap_or(self.value.created_at);
        self.value.runs.push(EndedRun {
            run: self.value.run,
            version: self.value.version.clone(),
            started_at,
            ended_at: self.at(self.t(now)),
            entries,
            pages: (first <= last).then_some((first, last)),
            archive: None,
        });
        let page = rest.to_page();
        let is_kept = rest.count() > 0 && page.len() <= limits::VALUE_BYTES_MAX;
        self.draft.archive = is_kept.then_some(page);
        let beyond = self
            .value
            .runs
            .len()
            .saturating_sub(limits::RUNS_LISTED_MAX);
        let oldest = self.value.runs.drain(..beyond);
        self.draft
            .forgotten
            .extend(oldest.flat_map(|run| run.parts().collect::<Vec<_>>()));
    }

    /// What the run that ends with this turn leaves bears the id of the turn.
    pub(super) fn name_archive(&mut self, turn: &str) -> Option<Archive> {
        let page = self.draft.archive.take()?;
        let ttl = self.page_ttl();
        let ended = self.value.runs.last_mut()?;
        let name = archive_name(ended.run, turn);
        ended.archive = Some(name.clone());
        Some(Archive { name, page, ttl })
    }

    pub(super) fn place_prune(&self, prune: &Prune) -> Placement {
        let forgets = |run| prune.forgets(run, self.value.run);
        if !self.value.runs.iter().any(forgets) {
            return Placement::Drop("it has no such runs to forget");
        }
        // What is left of a turn hangs on the commands that it rests on; and what a run leaves that
        // ends in this one has no name yet.
        let unfinished = self.value.parked.is_none() && self.has_more();
        match self.draft.dirty || unfinished {
            true => Placement::Wait,
            false => Placement::Take,
        }
    }

    pub(super) fn take_prune(&mut self, prune: &Prune) {
        let current = self.value.run;
        self.forget_runs(|run| prune.forgets(run, current));
    }

    /// Their journals go once this is stored, or when their time is over if its engine dies before.
    pub(super) fn forget_runs(&mut self, forgets: impl Fn(&EndedRun) -> bool) {
        let forgotten = self.value.runs.extract_if(.., |run| forgets(run));
        let parts = forgotten.flat_map(|run| run.parts().collect::<Vec<_>>());
        self.draft.forgotten.extend(parts);
        // It has them encoded.
        self.encoder = Encoder::default();
    }
}
