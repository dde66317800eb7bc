//! The pure core: an invocation is a function `(value, commands, now) → (value', effects)`.
//!
//! Knows no runtime, no network, no clock and no randomness: time is an argument, random
//! numbers are seeded by the invocation, and user code is polled by an executor of its own.

pub mod error;
pub mod invocation;
pub mod key_queue;
pub mod machine;
pub mod mutant;
pub mod program;
pub mod retry;
pub mod signal_box;
pub mod typed;
pub mod workflow;

pub use error::{Error, Result};
pub use invocation::Invocation;
pub use key_queue::KeyQueue;
pub use machine::{Archive, Effect, Machine, Placement, Turn};
pub use program::{
    End, LocalOutcome, LogLevel, LogLine, NextRun, NextVersion, Program, ProgramInfo, Progress,
    Workflow,
};
pub use retry::Retry;
pub use signal_box::SignalBox;
pub use typed::{ActivityType, SignalType, WorkflowType};
pub use workflow::{Context, Saga, Scope, StepInfo};
