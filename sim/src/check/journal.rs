//! Journals: dense, each value following from the one before it, outcomes recorded once (rules 7
//! and 13; "a step's outcome is recorded exactly once and in order").

use bytes::Bytes;
use headwater_store::Ttl;
use headwater_wire::{
    Code, Command, Entry, Run, Status, Value,
    command::Retention,
    turn::Root,
    value::{JournalPart, Signals},
};

use super::{
    Known,
    effects::child_of,
    known::{Kind, Open, Seen},
};

/// A value of an invocation was stored.
pub(super) fn stored(known: &mut Known, key: &str, bytes: &Bytes, ttl: Ttl) -> Result<(), String> {
    let (value, journal) = Value::decode(bytes).map_err(|error| error.to_string())?;
    check_ttl(known, &value, ttl)?;
    if let Some(parked) = &value.parked
        && ![Code::POISON, Code::PAUSED].contains(&parked.reason.code)
    {
        return Err(format!("parked: {}", parked.reason));
    }
    let Some(seen) = known.invocations.get_mut(key) else {
        let mut seen = Seen::new(value, journal);
        let entries = entries(&seen.journal)?;
        seen.take(&entries)?;
        known.invocations.insert(key.to_owned(), seen);
        return Ok(());
    };
    let new = if value.run == seen.value.run {
        follows(known, key, &value, &journal)?
    } else {
        if value.run.start == seen.value.run.start {
            is_archived(known, key, &value)?;
        }
        let seen = known.invocations.get_mut(key).ok_or("unknown")?;
        begins_anew(seen, &value, &journal)?;
        entries(&journal)?
    };
    let seen = known.invocations.get_mut(key).ok_or("unknown")?;
    seen.note_signals(&value.signals);
    (seen.value, seen.journal) = (value, journal);
    seen.take(&new)
}

/// A page was stored: it never changes.
pub(super) fn page_stored(
    known: &mut Known,
    key: &str,
    page: &Bytes,
    ttl: Ttl,
) -> Result<(), String> {
    if page.is_empty() {
        return forgotten(known, key);
    }
    if let Some(before) = known.pages.get(key)
        && before != page
    {
        return Err(format!("journal page {key} was changed"));
    }
    if let Ttl::After(life) = ttl
        && life < known.retention
    {
        return Err(format!("journal page {key} lives only {life:?}"));
    }
    known.pages.insert(key.to_owned(), page.clone());
    Ok(())
}

/// A part of a journal was let go: no value may name it.
fn forgotten(known: &mut Known, key: &str) -> Result<(), String> {
    let (owner, part) = key.rsplit_once('.').ok_or("not a key of a journal")?;
    let Some(seen) = known.invocations.get(owner) else {
        return Err(format!(
            "{key} was let go, of an invocation that is not known"
        ));
    };
    let own = part
        .parse()
        .is_ok_and(|page: u32| seen.journal.run_pages().contains(&page));
    let listed = seen
        .value
        .runs
        .iter()
        .any(|run| run.parts().any(|one| one == part));
    match own || listed {
        true => Err(format!("{key} was let go, and is named by the value")),
        false => Ok(()),
    }
}

/// A run has continued as new: its whole journal is there, under the names that are listed.
fn is_archived(known: &Known, key: &str, value: &Value) -> Result<(), String> {
    let seen = known.invocations.get(key).ok_or("unknown")?;
    let ended = value.runs.last();
    let ended = ended.filter(|ended| ended.run == seen.value.run);
    let ended = ended.ok_or_else(|| format!("run {} is not listed", seen.value.run))?;
    let mut all = Vec::new();
    for part in ended.parts() {
        let page = known.pages.get(&format!("{key}.{part}"));
        let page = page.ok_or_else(|| format!("{key}.{part} is listed and not stored"))?;
        let page: Vec<Entry> = serde_json::from_slice(page).map_err(|error| error.to_string())?;
        all.extend(page);
    }
    if all.len() as u64 != ended.entries {
        let (listed, found) = (ended.entries, all.len());
        return Err(format!(
            "run {} is listed with {listed} entries, and has {found}",
            ended.run
        ));
    }
    let stored = all.get(..seen.journal.entries as usize);
    let stored = stored.ok_or("what a run left lacks stored entries")?;
    match stored.ends_with(&entries(&seen.journal)?) {
        true => Ok(()),
        false => Err(format!(
            "run {} left another journal than it had",
            ended.run
        )),
    }
}

fn check_ttl(known: &Known, value: &Value, ttl: Ttl) -> Result<(), String> {
    let forever = value.retention == Some(Retention::Forever);
    match (value.status.is_ended(), ttl) {
        (false, Ttl::After(life)) => Err(format!("it lives, and would be gone after {life:?}")),
        (true, Ttl::Never) if !forever => Err("it has ended, and would stay for good".to_owned()),
        (true, Ttl::After(life)) if life < known.retention => {
            Err(format!("it would be forgotten after {life:?}"))
        }
        _ => Ok(()),
    }
}

/// The entries that are new in a value of the same run.
fn follows(
    known: &Known,
    key: &str,
    value: &Value,
    journal: &JournalPart,
) -> Result<Vec<Entry>, String> {
    let seen = known.invocations.get(key).ok_or("unknown")?;
    let (before, old) = (&seen.value, &seen.journal);
    let pruned = value.runs.len() < before.runs.len() && value.status == before.status;
    if before.status.is_ended() && !(pruned && journal.entries == old.entries) {
        return Err("a value followed the end of its run".to_owned());
    }
    let goes_on = journal.entries != old.entries && !value.status.is_ended();
    if before.status == Status::Paused && goes_on && !is_resumed(known, value) {
        return Err("it was paused, and goes on though nobody has resumed it".to_owned());
    }
    if value.turn.number != before.turn.number + 1 {
        let (was, is) = (before.turn.number, value.turn.number);
        return Err(format!("turn {is} follows turn {was}"));
    }
    beats_follow(before, value)?;
    if journal.entries < old.entries || journal.steps < old.steps {
        return Err("the journal has lost entries".to_owned());
    }
    if journal.pages == old.pages {
        let rest = journal.tail.text().strip_prefix(old.tail.text());
        let rest = rest.ok_or("entries that were stored have changed")?;
        return parse(rest);
    }
    if journal.pages != old.pages + 1 {
        return Err(format!("{} pages follow {}", journal.pages, old.pages));
    }
    let page = format!("{key}.{}", journal.pages);
    let stored = known.pages.get(&page);
    let stored = stored.ok_or_else(|| format!("page {page} is counted and not stored"))?;
    if stored != old.tail.to_page().as_bytes() {
        return Err(format!("page {page} is not what the value held"));
    }
    parse(journal.tail.text())
}

/// The last heartbeat of a step never goes back.
fn beats_follow(before: &Value, value: &Value) -> Result<(), String> {
    for (step, was) in &before.beats {
        let is = value.beats.get(step);
        if is.is_some_and(|is| (is.attempt, is.number) < (was.attempt, was.number)) {
            return Err(format!("the heartbeat of step {step} went back"));
        }
    }
    Ok(())
}

/// Whether somebody has resumed it with this turn.
fn is_resumed(known: &Known, value: &Value) -> bool {
    let resumes = |root: &Root| match root {
        Root::Command(seq) => {
            let command = known.commands.get(seq).map(|(_, command)| command);
            matches!(command, Some(Command::Resume { .. }))
        }
        Root::Timer(_) => false,
    };
    value.turn.roots.iter().any(resumes)
}

/// The id is used again, or the same invocation continues as new.
fn begins_anew(seen: &mut Seen, value: &Value, journal: &JournalPart) -> Result<(), String> {
    let (was, is) = (seen.value.run, value.run);
    let continues = is.start == was.start && is.continued == was.continued + 1;
    let restarts = seen.value.status.is_ended() && is.continued == 0;
    if !continues && !restarts {
        return Err(format!("run {is} follows run {was}"));
    }
    if restarts {
        if !seen.starts.insert(is.start) {
            return Err(format!("start {} was taken twice", is.start));
        }
        seen.taken.clear();
        seen.received.clear();
        seen.cancelled = false;
    }
    if continues && value.turn.number != seen.value.turn.number + 1 {
        return Err("a turn is missing where it continues as new".to_owned());
    }
    let pages = seen.journal.pages;
    if continues && (journal.first_page != journal.pages + 1 || journal.pages < pages) {
        let (first, last) = (journal.first_page, journal.pages);
        return Err(format!(
            "a new run begins with pages {first} to {last} after {pages}"
        ));
    }
    let named = seen
        .open
        .iter()
        .filter(|(_, open)| open.kind == Kind::Named);
    seen.named_at_end
        .extend(named.map(|(step, _)| (was, *step)));
    seen.open.clear();
    seen.decided = 0;
    Ok(())
}

fn entries(journal: &JournalPart) -> Result<Vec<Entry>, String> {
    parse(journal.tail.text())
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let text = text.trim_start_matches([',', '\n']);
    serde_json::from_str(&format!("[{text}]")).map_err(|error| error.to_string())
}

impl Seen {
    fn new(value: Value, journal: JournalPart) -> Self {
        let starts = [value.run.start].into();
        let signals = value.signals.clone();
        let mut seen = Self {
            value,
            journal,
            decided: 0,
            open: [].into(),
            begun: [].into(),
            inputs: [].into(),
            children: [].into(),
            timers: [].into(),
            starts,
            taken: [].into(),
            received: [].into(),
            named: 0,
            named_at_end: Vec::new(),
            done: [].into(),
            cancelled: false,
        };
        seen.note_signals(&signals);
        seen
    }

    fn note_signals(&mut self, signals: &Signals) {
        let ids = signals.taken.iter().map(|signal| signal.id.clone());
        self.taken.extend(ids);
    }

    /// Take the new entries of the value, which has been put in place.
    fn take(&mut self, entries: &[Entry]) -> Result<(), String> {
        let run = self.value.run;
        // Not by the journal: a run may start one in the turn that ends it.
        let children = self.value.sends.iter().filter_map(child_of);
        let children = children.map(|(_, run, step)| (run, step));
        self.children.extend(children);
        for entry in entries {
            self.take_entry(run, entry)?;
        }
        if self.value.status.is_ended() {
            self.open.clear();
        }
        Ok(())
    }

    fn take_entry(&mut self, run: Run, entry: &Entry) -> Result<(), String> {
        let about = || format!("entry {entry:?}");
        match entry {
            Entry::Run { step, .. } => self.decide(run, *step, Kind::Work),
            Entry::Activity { step, input, .. } => {
                self.inputs.insert((run, *step), input.clone());
                self.decide(run, *step, Kind::Work)
            }
            Entry::Map { inputs, .. } => {
                for (step, input) in entry.begins().into_iter().flatten().zip(inputs) {
                    self.inputs.insert((run, step), input.clone());
                    self.decide(run, step, Kind::Work)?;
                }
                Ok(())
            }
            note if note.is_note() => match note.begins() {
                Some(steps) => {
                    // A detached child tells its outcome all the same.
                    self.begun.insert((run, *steps.start()), 1);
                    self.count(*steps.start())
                }
                None => Ok(()),
            },
            Entry::Child(child) => self.decide(run, child.step, Kind::Child),
            Entry::Named { step, .. } => self.decide(run, *step, Kind::Named),
            Entry::Send { step, .. } => self.decide(run, *step, Kind::Hook),
            Entry::Timer { step, .. } => {
                self.timers.insert((run, *step, 0));
                self.decide(run, *step, Kind::Timer)
            }
            Entry::Signal { step, .. } => self.decide(run, *step, Kind::Signal),
            Entry::Drop { step, through } => {
                for step in *step..=through.unwrap_or(*step) {
                    if self.open.remove(&step).is_none() && !self.cancelled {
                        return Err(format!("{}: the step is over", about()));
                    }
                }
                Ok(())
            }
            Entry::Done { step, .. } | Entry::Failed { step, .. } => match self.open.remove(step) {
                Some(open) if open.kind.takes_outcomes() && !open.waits => {
                    self.named += usize::from(open.kind == Kind::Named);
                    Ok(())
                }
                Some(_) => Err(format!("{}: the step was not at work", about())),
                None => Err(format!("{}: a second outcome", about())),
            },
            Entry::Retry { step, attempt, .. } => match self.open.get_mut(step) {
                Some(open) if open.kind == Kind::Work && !open.waits => {
                    if *attempt != open.attempt + 1 {
                        let was = open.attempt;
                        return Err(format!("{}: the attempt before was {was}", about()));
                    }
                    (open.attempt, open.waits) = (*attempt, true);
                    self.timers.insert((run, *step, *attempt));
                    Ok(())
                }
                Some(_) => Err(format!("{}: the step was not at work", about())),
                None => Err(format!("{}: the step is over", about())),
            },
            Entry::Fired { step, .. } => match self.open.get_mut(step) {
                Some(open) if open.kind == Kind::Timer => {
                    self.open.remove(step);
                    Ok(())
                }
                Some(open) if open.waits => {
                    open.waits = false;
                    self.begun.insert((run, *step), open.attempt);
                    Ok(())
                }
                Some(_) => Err(format!("{}: it was not waiting", about())),
                None => Err(format!("{}: the step is over", about())),
            },
            Entry::Received { step, id, .. } => match self.open.remove(step) {
                Some(open) if open.kind == Kind::Signal => match self.received.insert(id.clone()) {
                    true => Ok(()),
                    false => Err(format!("{}: the signal was given before", about())),
                },
                _ => Err(format!("{}: the step does not wait for a signal", about())),
            },
            Entry::Cancel { shielded, .. } => {
                self.cancelled = true;
                self.open.retain(|step, _| shielded.contains(step));
                Ok(())
            }
            // What is left was given and ends no step.
            _ => Ok(()),
        }
    }

    fn decide(&mut self, run: Run, step: u32, kind: Kind) -> Result<(), String> {
        self.count(step)?;
        self.begun.insert((run, step), 1);
        let open = Open {
            kind,
            attempt: 1,
            waits: false,
        };
        self.open.insert(step, open);
        Ok(())
    }

    fn count(&mut self, step: u32) -> Result<(), String> {
        if step != self.decided + 1 {
            return Err(format!("step {step} follows step {}", self.decided));
        }
        self.decided = step;
        Ok(())
    }
}
