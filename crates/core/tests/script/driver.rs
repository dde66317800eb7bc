//! Drives an invocation through random inputs. At every stored version another process takes
//! over from the stored bytes, and has to do exactly what the first one does.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use headwater_core::{
    Effect, Invocation, LocalOutcome, Machine, Placement, Workflow,
    invocation::{Birth, TimerRights},
};
use headwater_wire::{
    Code, Command, Entry, Failure, InvocationId, Partition, Payload, Timestamp,
    command::{Asker, Cancel, Outcome, Signal, Start, Ticket},
    names::TimerId,
    turn::Root,
};
use proptest::{prelude::*, sample::Index};

use super::script::{Op, Trace, decided, workflow};

pub(crate) const RETENTION: Duration = Duration::from_secs(3600);
/// One process holds everything, so it may do everything.
const HELD: fn(&Root) -> bool = |_| true;
const RIGHTS: TimerRights<'static> = TimerRights {
    scheduled: true,
    in_hand: &HELD,
};
const START: u64 = 10;

/// What may happen next; what cannot happen then is left out.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// A local step ends.
    Local,
    /// An attempt at some activity ends, perhaps one that has ended before.
    Outcome(Index, End),
    /// A signal; or the last one once more.
    Signal {
        name: u8,
        again: bool,
    },
    /// Time passes, in milliseconds, and the engine fires what is due.
    Pass(u64),
    /// The server fires a schedule that is due.
    Schedule(Index),
    Cancel,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Done,
    OfAnotherType,
    Failed,
    FailedForGood,
}

/// Moves, and whether each still goes into the turn of the one before.
pub(crate) fn moves() -> impl Strategy<Value = Vec<(Move, bool)>> {
    let end = prop_oneof![
        6 => Just(End::Done),
        1 => Just(End::OfAnotherType),
        3 => Just(End::Failed),
        1 => Just(End::FailedForGood),
    ];
    let one = prop_oneof![
        6 => Just(Move::Local),
        6 => (any::<Index>(), end).prop_map(|(which, end)| Move::Outcome(which, end)),
        4 => (0u8..3, prop::bool::weighted(0.2)).prop_map(|(name, again)| Move::Signal { name, again }),
        4 => prop_oneof![0u64..3000, 0u64..100_000].prop_map(Move::Pass),
        2 => any::<Index>().prop_map(Move::Schedule),
        1 => prop::bool::weighted(0.3).prop_map(|cancel| if cancel { Move::Cancel } else { Move::Local }),
    ];
    proptest::collection::vec((one, prop::bool::weighted(0.3)), 0..24)
}

/// A version of the value as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) bytes: Vec<u8>,
    pub(crate) revision: u64,
    pub(crate) pages: usize,
    pub(crate) now: Timestamp,
}

/// What both processes are given.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // few of them, and short-lived
enum Input {
    Command(Command, u64),
    Local(LocalOutcome),
    Due,
}

pub(crate) struct Driver {
    workflow: Arc<dyn Workflow>,
    pub(crate) trace: Trace,
    pub(crate) invocation: Invocation,
    pub(crate) pages: Vec<Vec<u8>>,
    pub(crate) versions: Vec<Version>,
    pub(crate) now: Timestamp,
    seq: u64,
    tasks: Vec<(u32, u32)>,
    schedules: Vec<(TimerId, Timestamp)>,
    signals: Vec<Signal>,
    /// The process that takes over from the last stored version.
    other: Option<Invocation>,
}

impl Driver {
    /// Start the script; behind others of its partition key if `queued`.
    pub(crate) fn begin(script: &[Op], queued: bool) -> Self {
        let (workflow, trace) = workflow(script);
        let at = Timestamp::from_micros(1_000_000_000_000_000);
        let input = Payload::encode(&1u64).unwrap();
        let start = Start {
            ticket: queued.then(ticket),
            ..Start::new("script", input, Asker::Request("r".into()))
        };
        let birth = Birth {
            id: InvocationId::new("inv").unwrap(),
            queue: "default".into(),
            partition: Partition(1),
            seq: START,
            at,
            version: "1.0.0".into(),
            default_retention: RETENTION,
        };
        let mut invocation = Invocation::create(start, birth);
        let program = workflow.instantiate(invocation.program_info());
        invocation.attach(program, &[] as &[&[u8]], at).unwrap();
        let mut driver = Self {
            workflow,
            trace,
            invocation,
            pages: Vec::new(),
            versions: Vec::new(),
            now: at,
            seq: START,
            tasks: Vec::new(),
            schedules: Vec::new(),
            signals: Vec::new(),
            other: None,
        };
        driver.store(None);
        if queued {
            driver.give(vec![Input::Command(Command::Grant(ticket()), START + 1)]);
            driver.seq += 1;
        }
        driver
    }

    /// Begin, make the moves, then let everything succeed for a while.
    pub(crate) fn run(script: &[Op], queued: bool, moves: &[(Move, bool)]) -> Self {
        let mut driver = Self::begin(script, queued);
        let mut turn = Vec::new();
        for (index, (next, _)) in moves.iter().enumerate() {
            turn.push(next.clone());
            let joined = moves.get(index + 1).is_some_and(|(_, joined)| *joined);
            if !joined {
                driver.make(std::mem::take(&mut turn));
            }
        }
        for round in 0..6 {
            if driver.has_ended() {
                break;
            }
            for _ in 0..4 {
                driver.make(vec![Move::Local]);
            }
            for (step, attempt) in driver.tasks.clone().into_iter().take(12) {
                let outcome = driver.outcome(step, attempt, End::Done);
                driver.give(vec![outcome]);
            }
            driver.make(vec![
                Move::Signal {
                    name: round % 3,
                    again: false,
                },
                Move::Pass(70_000),
            ]);
        }
        driver
    }

    fn has_ended(&self) -> bool {
        self.invocation.value().status.is_ended()
    }

    fn make(&mut self, moves: Vec<Move>) {
        let inputs: Vec<Input> = moves
            .into_iter()
            .filter_map(|next| self.input(next))
            .collect();
        self.give(inputs);
    }

    fn input(&mut self, next: Move) -> Option<Input> {
        match next {
            Move::Local => {
                self.invocation.release_locals(&HELD);
                let mut cx = TaskContext::from_waker(Waker::noop());
                for _ in 0..8 {
                    if let Poll::Ready(outcome) = self.invocation.poll_local(&mut cx) {
                        return Some(Input::Local(outcome));
                    }
                }
                None
            }
            Move::Outcome(which, end) => {
                let (step, attempt) = *self.tasks.get(which.index(self.tasks.len().max(1)))?;
                Some(self.outcome(step, attempt, end))
            }
            Move::Signal { name, again } => {
                let last = self.signals.last().filter(|_| again).cloned();
                let signal = last.unwrap_or_else(|| {
                    let data = Payload::encode(&(self.seq * 3)).unwrap();
                    let id = format!("s{}", self.signals.len());
                    Signal::new(id, format!("signal-{name}"), data)
                });
                self.signals.push(signal.clone());
                Some(self.command(Command::Signal(signal)))
            }
            Move::Pass(millis) => {
                self.now = self.now.after(Duration::from_millis(millis));
                Some(Input::Due)
            }
            Move::Schedule(which) => {
                let (timer, due) = *self
                    .schedules
                    .get(which.index(self.schedules.len().max(1)))?;
                (due <= self.now).then(|| self.command(Command::TimerFired(timer)))
            }
            Move::Cancel => {
                let (id, reason) = ("c".into(), "enough".into());
                Some(self.command(Command::Cancel(Cancel { id, reason })))
            }
        }
    }

    fn command(&mut self, command: Command) -> Input {
        self.seq += 1;
        Input::Command(command, self.seq)
    }

    fn outcome(&mut self, step: u32, attempt: u32, end: End) -> Input {
        let result = match end {
            End::Done => Ok(Payload::encode(&(self.seq * 7)).unwrap()),
            End::OfAnotherType => Ok(Payload::encode("text").unwrap()),
            End::Failed => Err(Failure::new(Code::FAILED, "no")),
            End::FailedForGood => Err(Failure::fatal(Code::new("broken"), "never")),
        };
        let run = self.invocation.value().run;
        let worker = "w".into();
        self.command(Command::Outcome(Outcome {
            run,
            step,
            attempt,
            result,
            worker,
        }))
    }

    /// Give the inputs to the process that has it in memory and to one that has just loaded it.
    fn give(&mut self, inputs: Vec<Input>) {
        if inputs.is_empty() {
            return;
        }
        let mut other = self.other.take().unwrap_or_else(|| self.load());
        for input in inputs {
            let (one, two) = (
                feed(&mut self.invocation, &input, self.now),
                feed(&mut other, &input, self.now),
            );
            assert_eq!(one, two, "{input:?}");
            if self.invocation.turn_is_full() {
                self.store(Some(&mut other));
            }
        }
        self.store(Some(&mut other));
    }

    /// Store turns until there is nothing to store, the other process doing the same.
    fn store(&mut self, mut other: Option<&mut Invocation>) {
        loop {
            self.invocation.go_on(self.now);
            let has_turn = self.invocation.has_turn();
            if let Some(other) = other.as_deref_mut() {
                other.go_on(self.now);
                assert_eq!(has_turn, other.has_turn());
            }
            if !has_turn {
                return;
            }
            let (id, revision) = (
                format!("e-{}", self.versions.len()),
                self.versions.len() as u64 + 1,
            );
            let turn = self.invocation.prepare(self.now, id.clone()).unwrap();
            let logs = self.invocation.take_logs();
            if let Some(other) = other.as_deref_mut() {
                assert_eq!(
                    turn,
                    other.prepare(self.now, id).unwrap(),
                    "both make the same turn"
                );
                other.committed(revision);
                assert_eq!(logs, other.take_logs());
            }
            self.invocation.committed(revision);
            if let Some((number, page)) = turn.page {
                assert_eq!(number as usize, self.pages.len() + 1);
                self.pages.push(page.into_bytes());
            }
            self.versions.push(Version {
                bytes: turn.value,
                revision,
                pages: self.pages.len(),
                now: self.now,
            });
            self.other = Some(self.checked());
            for effect in self.invocation.effects() {
                match effect {
                    Effect::Task { task, .. } => self.tasks.push((task.step, task.attempt)),
                    Effect::Schedule { timer, due, .. } => self.schedules.push((timer, due)),
                    _ => {}
                }
            }
        }
    }

    /// Another process, from the last stored version.
    fn load(&self) -> Invocation {
        let version = self.versions.last().unwrap();
        let pages = &self.pages[..version.pages];
        let mut loaded =
            Invocation::load(&version.bytes, version.revision, pages, RETENTION).unwrap();
        if loaded.needs_program() {
            self.trace.taken();
            let program = self.workflow.instantiate(loaded.program_info());
            loaded.attach(program, pages, version.now).unwrap();
        }
        loaded
    }

    /// Another process, which stands where this one stands.
    fn checked(&self) -> Invocation {
        let (mut loaded, own) = (self.load(), &self.invocation);
        assert_eq!(loaded.value(), own.value());
        assert_eq!(loaded.effects(), own.effects());
        assert_eq!(loaded.has_more(), own.has_more());
        assert_eq!(loaded.replies(), own.replies());
        if !self.has_ended() {
            assert_eq!(loaded.next_due(&RIGHTS), own.next_due(&RIGHTS));
        }
        assert_eq!(loaded.take_logs(), [], "a replay is silent");
        let entries = self.entries();
        assert_eq!(loaded.entries(&self.pages).unwrap(), entries);
        let (told, decided) = (self.trace.taken(), decided(&entries));
        if own.is_live() && own.value().status != headwater_wire::Status::Queued {
            assert!(told.starts_with(&decided), "{told:?} {decided:?}");
            assert!(
                own.value().turn.partial || told == decided,
                "{told:?} {decided:?}"
            );
        }
        loaded
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.invocation.entries(&self.pages).unwrap()
    }
}

fn ticket() -> Ticket {
    Ticket {
        key: "key".into(),
        number: 3,
    }
}

/// What the engine does with an input. Answers what became of it.
fn feed(invocation: &mut Invocation, input: &Input, now: Timestamp) -> String {
    match input {
        Input::Command(command, seq) => {
            let placement = invocation.place(command, *seq, now);
            if placement == Placement::Take {
                invocation.take(command.clone(), *seq, now);
            }
            format!("{placement:?}")
        }
        Input::Local(outcome) => {
            invocation.take_local(outcome.clone(), now);
            String::new()
        }
        Input::Due => invocation.fire_due(now, &RIGHTS).to_string(),
    }
}
