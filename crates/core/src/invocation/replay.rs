//! Loading: what is pending from the journal, then the program replayed beside it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::RangeInclusive,
};

use headwater_wire::{
    Code, Entry, Failure, Status, Timestamp, Value,
    journal::{AnswerTo, Carried, Lines, Of, Sending},
    turn::EffectTag,
    value::Difference,
};

use super::{
    Draft, Invocation, LoadError, fork,
    pending::{Pending, Wake, What, entry_of},
};
use crate::program::{Decision, End, Program, Progress};

/// The program decided otherwise than the journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What happened.
    pub reason: Failure,
    /// Field by field.
    pub difference: Vec<Difference>,
}

impl Invocation {
    /// Read a stored value and its pages. It has no program yet: see [`Invocation::attach`].
    pub fn load(
        bytes: &[u8],
        revision: u64,
        pages: &[impl AsRef<[u8]>],
        default_retention: std::time::Duration,
    ) -> Result<Self, LoadError> {
        let (value, journal) = Value::decode(bytes)?;
        let mut invocation = Self {
            value,
            journal,
            encoder: headwater_wire::value::Encoder::default(),
            revision,
            pending: BTreeMap::new(),
            carried: Carried::default(),
            patches: BTreeSet::new(),
            hooks: BTreeMap::new(),
            shows_more: false,
            latest: None,
            program: None,
            draft: Draft::default(),
            unfinished: false,
            default_retention,
            ended_by_last_turn: false,
            continued_by_last_turn: false,
            logs: Vec::new(),
        };
        invocation.unfinished = invocation.value.turn.partial;
        let entries = invocation.entries(pages)?;
        invocation.restore_pending(&entries)?;
        Ok(invocation)
    }

    /// Every entry, pages first.
    pub fn entries(&self, pages: &[impl AsRef<[u8]>]) -> Result<Vec<Entry>, LoadError> {
        let mut entries = Vec::new();
        for page in pages {
            entries.extend(Lines::from_page(page.as_ref())?.entries()?);
        }
        entries.extend(self.journal.tail.entries()?);
        Ok(entries)
    }

    pub(super) fn restore_pending(&mut self, entries: &[Entry]) -> Result<(), LoadError> {
        let mut steps = 0;
        let mut cancelled = false;
        for (index, entry) in entries.iter().enumerate() {
            let inconsistent = |reason: String| LoadError::Inconsistent {
                entry: index + 1,
                reason,
            };
            if let Some((first, last)) = entry.begins().map(RangeInclusive::into_inner) {
                if first != steps + 1 {
                    return Err(inconsistent(format!("step {first} follows step {steps}")));
                }
                steps = last;
                self.pending.extend(Pending::of_entry(entry));
                continue;
            }
            match entry {
                Entry::Granted { .. } => {}
                Entry::Hook { id, asker, .. } => {
                    self.hooks
                        .extend(asker.clone().map(|asker| (id.clone(), asker)));
                }
                Entry::Answer {
                    to: AnswerTo::Hook(id),
                    ..
                } => drop(self.hooks.remove(id)),
                Entry::Carried(carried) => self.carried.clone_from(carried),
                Entry::Patch { id } => {
                    self.patches.insert(id.clone());
                }
                note if note.is_note() => {}
                Entry::Cancel { shielded, .. } => {
                    self.pending.retain(|step, _| shielded.contains(step));
                    cancelled = true;
                }
                Entry::Drop { step, through } => {
                    for step in *step..=through.unwrap_or(*step) {
                        // A future that the cancelled program drops afterwards.
                        if !cancelled || self.pending.contains_key(&step) {
                            self.end_pending(step).map_err(inconsistent)?;
                        }
                    }
                }
                Entry::Retry {
                    step,
                    attempt,
                    due,
                    error,
                    ..
                } => {
                    let pending = self.pending.get_mut(step).ok_or_else(|| {
                        inconsistent(format!("a retry of step {step}, which is not pending"))
                    })?;
                    pending.attempt = *attempt;
                    pending.error = Some(error.message.clone());
                    pending.wake = Some(Wake {
                        due: *due,
                        scheduled: true,
                    });
                }
                Entry::Fired { step, .. } => match self.pending.get_mut(step) {
                    Some(pending) if !matches!(pending.what, What::Timer) => pending.wake = None,
                    _ => self.end_pending(*step).map_err(inconsistent)?,
                },
                _ => self
                    .end_pending(entry.step().unwrap_or_default())
                    .map_err(inconsistent)?,
            }
        }
        if self.value.status.is_ended() {
            self.pending.clear();
            self.hooks.clear();
        }
        for step in self.value.anchors.keys() {
            if let Some(Pending {
                wake: Some(wake), ..
            }) = self.pending.get_mut(step)
            {
                wake.scheduled = false;
            }
        }
        let decided = entries.len() as u64;
        if decided != self.journal.entries || steps != self.journal.steps {
            return Err(LoadError::Inconsistent {
                entry: entries.len(),
                reason: format!(
                    "the value counts {} entries and {} steps, the journal has {decided} and {steps}",
                    self.journal.entries, self.journal.steps
                ),
            });
        }
        Ok(())
    }

    fn end_pending(&mut self, step: u32) -> Result<(), String> {
        match self.pending.remove(&step) {
            Some(_) => Ok(()),
            None => Err(format!("an outcome of step {step}, which is not pending")),
        }
    }

    /// Replay the program against the journal and keep it. A new invocation's program starts, that
    /// of a queued one when it is granted.
    ///
    /// On a mismatch the invocation is as before, without a program; park it.
    pub fn attach(
        &mut self,
        mut program: Box<dyn Program>,
        pages: &[impl AsRef<[u8]>],
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        let is_new = self.value.turn.number == 0;
        let entries = self.entries(pages).map_err(|error| Mismatch {
            reason: Failure::fatal(Code::DECODE, error.to_string()),
            difference: Vec::new(),
        })?;
        if self.value.status == Status::Queued || self.is_held_at_its_start() {
            // It starts when it is granted or resumed, not before.
            self.program = Some(super::Attached::new(program));
            return Ok(());
        }
        let replay = self.replay(program.as_mut(), &entries)?;
        program.set_replaying(false);
        if !self.unfinished {
            replay.expect_nothing_more()?;
        }
        self.expect_no_spin(replay.ended.as_ref(), &entries)?;
        self.draft.undecided = replay.queue;
        self.draft.end = replay.ended;
        self.unfinished = false;
        self.program = Some(super::Attached::new(program));
        if is_new {
            self.settle_program(now);
        }
        Ok(())
    }

    /// Start the program and give it what the journal says; it has to decide what stands there.
    pub(super) fn replay(
        &mut self,
        program: &mut dyn Program,
        entries: &[Entry],
    ) -> Result<Replay, Mismatch> {
        // A grant comes first, or right behind what the run begins with.
        let granted = entries.iter().take(2).find_map(|entry| match entry {
            Entry::Granted { t } => Some(self.at(*t)),
            _ => None,
        });
        let start = granted.unwrap_or_else(|| self.value.run_began_at());
        // What an unfinished one does after its last decision it does for the first time.
        let last_decision = entries.iter().rposition(Entry::is_decision);
        let unfinished = self.unfinished;
        let is_past = |index| !unfinished || last_decision.is_some_and(|last| index <= last);
        // The first ones may be those of another.
        let of_other = self.value.forked_run().map_or(0, |forked| forked.entries);
        program.set_replaying((self.revision != 0 || of_other > 0) && is_past(0));
        let progress = program.start(start);
        let mut replay = Replay {
            patches: self.patches.clone(),
            queue: VecDeque::new(),
            ended: None,
        };
        replay.absorb(progress)?;
        let mut sleeps = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            // Whether and where the program asks for it again makes no difference.
            if matches!(entry, Entry::Patch { .. }) {
                continue;
            }
            if entry.is_decision() {
                let compare = match (index as u64) < of_other {
                    true => fork::compare,
                    false => compare,
                };
                let decision = replay.next_decision(entry, compare)?;
                let (_, retry) = entry_of(decision);
                for step in entry.begins().into_iter().flatten() {
                    if let Some(pending) = self.pending.get_mut(&step) {
                        pending.retry = retry.clone();
                    }
                }
                if let Entry::Timer { step, .. } = entry {
                    sleeps.insert(*step);
                }
                continue;
            }
            program.set_replaying(is_past(index));
            if let Some(progress) = self.replay_input(program, entry, &sleeps) {
                replay.expect_nothing_more()?;
                replay.absorb(progress)?;
            }
        }
        Ok(replay)
    }

    /// Give the program what the journal says it was given; none if it was not told.
    fn replay_input(
        &self,
        program: &mut dyn Program,
        entry: &Entry,
        sleeps: &BTreeSet<u32>,
    ) -> Option<Progress> {
        let null = headwater_wire::Payload::null;
        let (step, t, outcome) = match entry {
            Entry::Done { step, t, value } => (*step, *t, Ok(value.clone())),
            Entry::Failed { step, t, error, .. } => (*step, *t, Err(error.clone())),
            Entry::Received { step, t, value, .. } => (*step, *t, Ok(value.clone())),
            // The end of a wait before a retry is the engine's affair: the step goes on.
            Entry::Fired { step, .. } if !sleeps.contains(step) => return None,
            Entry::Fired { step, t } => (*step, *t, Ok(null())),
            Entry::Cancel { t, reason, .. } => {
                return Some(program.cancel(super::inputs::cancelled(reason), self.at(*t)));
            }
            Entry::Hook {
                t, id, name, input, ..
            } => return Some(program.hook(id, name, input.clone(), self.at(*t))),
            _ => return None,
        };
        Some(program.deliver(step, outcome, self.at(t)))
    }

    /// The program's clock at `t`.
    pub(super) fn at(&self, t: u64) -> Timestamp {
        self.value
            .epoch()
            .after(std::time::Duration::from_millis(t))
    }

    /// Park it for what its program did after the end of the journal: a mended build goes on there.
    pub fn park_unfinished(&mut self, reason: Failure, now: Timestamp) {
        self.unfinished = true;
        let difference = Vec::new();
        self.park(Mismatch { reason, difference }, now);
    }

    /// Record that the invocation cannot go on by itself. Local work no longer hangs on
    /// commands; the one that resumes it anchors it anew.
    pub fn park(&mut self, mismatch: Mismatch, now: Timestamp) {
        let Mismatch { reason, difference } = mismatch;
        let same = self
            .value
            .parked
            .as_ref()
            .is_some_and(|parked| parked.reason == reason && parked.difference == difference);
        // What is not in the journal is decided again.
        self.unfinished |= self.has_undecided();
        self.program = None;
        for pending in self.pending.values_mut() {
            pending.running = false;
        }
        if same {
            return;
        }
        self.value.parked = Some(headwater_wire::value::Parked {
            reason,
            at: now,
            difference,
        });
        self.draft.undecided.clear();
        self.draft.end = None;
        self.draft.dirty = true;
        self.value.anchors.clear();
    }

    /// Whether effects of this tag can still be needed.
    pub(super) fn is_current(&self, tag: EffectTag) -> bool {
        match tag {
            // The turn that is being made ends the run that wanted it.
            tag if tag.is_of_step() && self.draft.continued_from.is_some() => false,
            EffectTag::Task(step, attempt) => self
                .pending
                .get(&step)
                .is_some_and(|pending| pending.attempt == attempt && pending.wake.is_none()),
            EffectTag::Schedule(step, attempt) => self.pending.get(&step).is_some_and(|pending| {
                pending.timer_attempt() == attempt
                    && pending.wake.is_some_and(|wake| wake.scheduled)
            }),
            _ => true,
        }
    }
}

/// The fields in which what the program has decided differs from an entry of the journal.
type Compare = fn(&Entry, &Entry) -> Vec<Difference>;

/// What the program has decided and the journal has not yet confirmed.
pub(super) struct Replay {
    /// Those that the journal has.
    patches: BTreeSet<String>,
    queue: VecDeque<Decision>,
    pub(super) ended: Option<End>,
}

impl Replay {
    fn absorb(&mut self, progress: Progress) -> Result<(), Mismatch> {
        if let Some(reason) = progress.fault {
            return Err(Mismatch {
                reason,
                difference: Vec::new(),
            });
        }
        let recorded = |decision: &Decision| matches!(decision, Decision::Note(Entry::Patch { id }) if self.patches.contains(id));
        let decisions = progress.decisions.into_iter();
        self.queue.extend(decisions.filter(|one| !recorded(one)));
        self.ended = progress.end;
        Ok(())
    }

    fn next_decision(&mut self, entry: &Entry, compare: Compare) -> Result<Decision, Mismatch> {
        let Some(decision) = self.queue.pop_front() else {
            let decided = self
                .ended
                .as_ref()
                .map_or("nothing".to_owned(), describe_end);
            let field = vec![field(entry, "decision", describe(entry), decided)];
            return Err(mismatch(field));
        };
        let (program, _) = entry_of(decision.clone());
        let difference = compare(entry, &program);
        if difference.is_empty() {
            Ok(decision)
        } else {
            Err(mismatch(difference))
        }
    }

    /// The journal goes on with something that was given: the program must have nothing left.
    pub(super) fn expect_nothing_more(&self) -> Result<(), Mismatch> {
        if let Some(decision) = self.queue.front() {
            let (entry, _) = entry_of(decision.clone());
            let nothing = "nothing".to_owned();
            let field = field(&entry, "decision", nothing, describe(&entry));
            return Err(mismatch(vec![field]));
        }
        if let Some(end) = &self.ended {
            let difference = Difference {
                step: 0,
                field: "end".to_owned(),
                journal: "it goes on".to_owned(),
                program: describe_end(end),
            };
            return Err(mismatch(vec![difference]));
        }
        Ok(())
    }
}

pub(super) fn mismatch(difference: Vec<Difference>) -> Mismatch {
    let first = difference.first().map_or_else(String::new, |first| {
        format!(
            " at step {}: {} is {} in the journal, {} in the program",
            first.step, first.field, first.journal, first.program
        )
    });
    let message = format!(
        "the program decides otherwise than the journal says{first}; run a build whose workflow \
         makes the same decisions, then resume it"
    );
    Mismatch {
        reason: Failure::fatal(Code::NONDETERMINISM, message),
        difference,
    }
}

pub(super) fn field(entry: &Entry, name: &str, journal: String, program: String) -> Difference {
    Difference {
        step: entry.step().unwrap_or_default(),
        field: name.to_owned(),
        journal,
        program,
    }
}

pub(super) fn describe_end(end: &End) -> String {
    match end {
        End::Done(Ok(_)) => "the workflow returned".to_owned(),
        End::Done(Err(error)) => format!("the workflow failed: {error}"),
        End::ContinueAsNew(_) => "the workflow continued as new".to_owned(),
    }
}

pub(super) fn describe(entry: &Entry) -> String {
    match entry {
        Entry::Run { name, .. } => format!("run {name:?}"),
        Entry::Activity { name, topic, .. } => format!("activity {name:?} on topic {topic:?}"),
        Entry::Timer { due, .. } => format!("timer until {due}"),
        Entry::Signal { name, channel, .. } => format!("{} {name:?}", channel.as_str()),
        Entry::Map {
            name,
            topic,
            inputs,
            ..
        } => {
            let count = inputs.len();
            format!("map of activity {name:?} on topic {topic:?} over {count} inputs")
        }
        Entry::Child(child) => format!("child {} of workflow {:?}", child.id, child.workflow),
        Entry::Named { name, .. } => format!("signal {name:?} by name"),
        Entry::Send { to, what, .. } => format!("{} to {to}", sending(what)),
        Entry::Emit { topic, .. } => format!("event {topic:?}"),
        Entry::Answer { to, .. } => match to {
            AnswerTo::Update(step) => format!("answer to the update of step {step}"),
            AnswerTo::Hook(id) => format!("end of hook {id:?}"),
        },
        Entry::Set { of, key, .. } => match of {
            Of::Kv => format!("value of key {key:?}"),
            Of::Search => format!("search attribute {key:?}"),
        },
        Entry::CustomStatus { .. } => "custom status".to_owned(),
        Entry::Patch { id } => format!("patch {id:?}"),
        Entry::Drop {
            step,
            through: None,
        } => format!("drop of step {step}"),
        Entry::Drop {
            step,
            through: Some(last),
        } => format!("drop of steps {step} to {last}"),
        other => other.kind().to_owned(),
    }
}

pub(super) fn sending(what: &Sending) -> String {
    match what {
        Sending::Signal { name, channel, .. } => format!("{} {name:?}", channel.as_str()),
        Sending::Cancel { .. } => "cancel".to_owned(),
        Sending::Terminate { .. } => "terminate".to_owned(),
        Sending::Hook { name, .. } => format!("hook {name:?}"),
    }
}

/// The fields in which a decision differs; the length of a sleep may change.
pub(super) fn compare(journal: &Entry, program: &Entry) -> Vec<Difference> {
    let mut difference = Vec::new();
    let mut check = |name: &str, journal_has: String, program_has: String| {
        if journal_has != program_has {
            difference.push(field(journal, name, journal_has, program_has));
        }
    };
    let quoted = |text: &String| format!("{text:?}");
    let text = |payload: &headwater_wire::Payload| {
        String::from_utf8_lossy(payload.bytes())
            .chars()
            .take(200)
            .collect::<String>()
    };
    check("kind", journal.kind().to_owned(), program.kind().to_owned());
    match (journal, program) {
        (Entry::Run { name: a, .. }, Entry::Run { name: b, .. })
        | (Entry::Named { name: a, .. }, Entry::Named { name: b, .. }) => {
            check("name", quoted(a), quoted(b));
        }
        (
            Entry::Signal { name, channel, .. },
            Entry::Signal {
                name: other_name,
                channel: other_channel,
                ..
            },
        ) => {
            check("name", quoted(name), quoted(other_name));
            check(
                "channel",
                channel.as_str().to_owned(),
                other_channel.as_str().to_owned(),
            );
        }
        (
            Entry::Activity {
                name, topic, input, ..
            },
            Entry::Activity {
                name: other_name,
                topic: other_topic,
                input: other_input,
                ..
            },
        ) => {
            check("name", quoted(name), quoted(other_name));
            check("topic", quoted(topic), quoted(other_topic));
            if input != other_input {
                check("input", text(input), text(other_input));
            }
        }
        (
            Entry::Map { inputs, .. },
            Entry::Map {
                inputs: other_inputs,
                ..
            },
        ) => {
            check("decision", describe(journal), describe(program));
            let pairs = inputs.iter().zip(other_inputs).enumerate();
            if let Some((index, (a, b))) = pairs.into_iter().find(|(_, (a, b))| a != b) {
                check(&format!("input {index}"), text(a), text(b));
            }
        }
        (Entry::Timer { .. }, Entry::Timer { .. }) => {}
        (Entry::Drop { .. }, Entry::Drop { .. }) => {
            check("step", describe(journal), describe(program));
        }
        (
            Entry::Set { of, key, value },
            Entry::Set {
                of: other_of,
                key: other_key,
                value: other_value,
            },
        ) if of == other_of => {
            check("key", quoted(key), quoted(other_key));
            if value != other_value {
                let shown = |value: &Option<_>| value.as_ref().map_or("nothing".to_owned(), text);
                check("value", shown(value), shown(other_value));
            }
        }
        (Entry::CustomStatus { value: a }, Entry::CustomStatus { value: b }) => {
            if a != b {
                let shown = |value: &Option<_>| value.as_ref().map_or("nothing".to_owned(), text);
                check("value", shown(a), shown(b));
            }
        }
        _ => check("decision", describe(journal), describe(program)),
    }
    // What is not told field by field above still has to be the same. Options of an activity may
    // change, as its retry policy may.
    let told = matches!(
        journal,
        Entry::Timer { .. } | Entry::Activity { .. } | Entry::Map { .. } | Entry::Drop { .. }
    );
    if difference.is_empty() && !told && journal != program {
        let shown = |entry: &Entry| format!("{entry:?}").chars().take(200).collect();
        difference.push(field(journal, "decision", shown(journal), shown(program)));
    }
    difference
}
