//! A program is what advances an invocation: an async function, a compiled graph, or a small
//! built-in one. All produce the same decisions.

use std::{
    collections::BTreeSet,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use headwater_wire::{
    Entry, Failure, InvocationId, Payload, Run, Timestamp,
    command::Channel,
    journal::{ActivityOptions, Carried, ChildSpec},
};

use crate::Retry;

/// What a program wants, numbered by its step.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Run a local step in the engine's process.
    Run {
        /// Number of the step, from 1, dense.
        step: u32,
        /// Its name.
        name: String,
        /// When it fails.
        retry: Retry,
    },
    /// Have a worker run an activity.
    Activity {
        /// Number of the step.
        step: u32,
        /// Activity.
        name: String,
        /// Topic of its workers.
        topic: String,
        /// Its input.
        input: Payload,
        /// What its worker has to keep to, if anything.
        options: Option<ActivityOptions>,
        /// When it fails.
        retry: Retry,
    },
    /// Have workers run an activity for each of these inputs, a step each.
    Map {
        /// Number of the first step; the others follow.
        step: u32,
        /// Activity.
        name: String,
        /// Topic of its workers.
        topic: String,
        /// The inputs, at least one.
        inputs: Vec<Payload>,
        /// What its workers have to keep to, if anything.
        options: Option<ActivityOptions>,
        /// When one fails.
        retry: Retry,
    },
    /// Sleep.
    Timer {
        /// Number of the step.
        step: u32,
        /// When to wake.
        due: Timestamp,
    },
    /// Wait for a signal.
    Signal {
        /// Number of the step.
        step: u32,
        /// Name of the signal.
        name: String,
        /// What it comes on.
        channel: Channel,
    },
    /// Wait for a signal that is addressed by its name alone.
    Named {
        /// Number of the step.
        step: u32,
        /// Name of the signal.
        name: String,
    },
    /// Start a child and wait for it. A detached one is a note.
    Child(Box<ChildSpec>),
    /// Have another invocation run a hook, and wait for its result.
    Hook {
        /// Number of the step.
        step: u32,
        /// Which invocation.
        to: InvocationId,
        /// Its task queue, if the program says so.
        queue: Option<String>,
        /// Name of the hook.
        name: String,
        /// Its input.
        input: Payload,
    },
    /// The outcomes of earlier steps are no longer wanted.
    Drop {
        /// Number of that step.
        step: u32,
        /// The last of a range that begins with it.
        through: Option<u32>,
    },
    /// What has no outcome: it is recorded, and acted on, as it stands. See [`Entry::is_note`].
    Note(Entry),
}

/// What a program did when it was advanced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What it wants, in order.
    pub decisions: Vec<Decision>,
    /// Its end.
    pub end: Option<End>,
    /// It cannot be advanced deterministically: the invocation is parked with this.
    pub fault: Option<Failure>,
}

/// How a run of a program ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It returned or failed, and the invocation with it.
    Done(Result<Payload, Failure>),
    /// Another run follows.
    ContinueAsNew(NextRun),
}

/// The run that follows.
#[derive(Clone, Debug, PartialEq)]
pub struct NextRun {
    /// Its input.
    pub input: Payload,
    /// Version of the workflow that runs it.
    pub version: NextVersion,
}

/// Which version of its workflow the next run is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NextVersion {
    /// The latest that the engine has which ends the run before.
    #[default]
    Latest,
    /// That of the run before.
    Same,
    /// Exactly this one.
    Exact(String),
}

/// The outcome of one attempt at a local step.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalOutcome {
    /// Number of the step.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Result.
    pub result: Result<Payload, Failure>,
}

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// For operators.
    Info,
    /// Something to look at.
    Warn,
    /// Something is wrong.
    Error,
}

/// A line that a program logged; told once its turn is stored, never on replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// The line.
    pub message: String,
}

/// What a program may know of its invocation.
#[derive(Clone, Debug)]
pub struct ProgramInfo {
    /// Id.
    pub id: InvocationId,
    /// Run.
    pub run: Run,
    /// Workflow.
    pub workflow: String,
    /// Version.
    pub version: String,
    /// Partition key, if one was given.
    pub partition_key: Option<String>,
    /// Input.
    pub input: Payload,
    /// The invocation whose step asked for it, if one did.
    pub parent: Option<InvocationId>,
    /// What the run begins with, beside its input.
    pub carried: Carried,
    /// The patches that the journal of this run says it has.
    pub patches: BTreeSet<String>,
    /// What its random numbers are drawn from.
    pub seed: String,
}

/// A running program. Deterministic: the same calls give the same answers.
pub trait Program: Send {
    /// The same program for another run, not yet started.
    fn again(&self, info: Arc<ProgramInfo>) -> Box<dyn Program>;

    /// Run from the beginning until it can't go on.
    fn start(&mut self, now: Timestamp) -> Progress;

    /// Give it the outcome of a step and run until it can't go on.
    fn deliver(&mut self, step: u32, outcome: Result<Payload, Failure>, now: Timestamp)
    -> Progress;

    /// Fail everything that it waits for with `failure` and run until it can't go on.
    fn cancel(&mut self, failure: Failure, now: Timestamp) -> Progress;

    /// Steps that a cancel does not fail, among those that it waits for.
    fn shielded(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Run a further function beside the main one until it can't go on.
    fn hook(&mut self, _id: &str, _name: &str, _input: Payload, _now: Timestamp) -> Progress {
        Progress::default()
    }

    /// The answer to a query, which changes nothing; none: it has no query of this name.
    fn query(&self, _name: &str, _data: &Payload) -> Option<Result<Payload, Failure>> {
        None
    }

    /// While replaying it logs nothing.
    fn set_replaying(&mut self, replaying: bool);

    /// Lines logged since the last call.
    fn take_logs(&mut self) -> Vec<LogLine>;

    /// Let a local step run, at the next [`Program::poll_local`].
    fn release_local(&mut self, step: u32, attempt: u32);

    /// Drive the local steps that were released; ready with the outcome of one.
    fn poll_local(&mut self, cx: &mut TaskContext<'_>) -> Poll<LocalOutcome>;
}

/// Makes programs: a registered workflow of one version.
pub trait Workflow: Send + Sync {
    /// A program for one invocation, not yet started.
    fn instantiate(&self, info: Arc<ProgramInfo>) -> Box<dyn Program>;
}
