//! The rules of the design, breakable one at a time, so that the simulation can prove that it
//! would notice. Without the feature `mutants`, which no product build has, all of this is
//! nothing at all.

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// Rule 1: what follows from a local outcome does not inherit the anchors of its step.
    NoInheritance = 1,
    /// Rule 3: no settling after a cold load.
    NoSettling,
    /// Rule 3: a value to be settled, or dropped by, is read from any replica.
    StaleRead,
    /// Rule 5: a command that was taken earlier is acknowledged without a look at anchors.
    AckTaken,
    /// Rule 6: what cannot be placed is dropped by a cached value.
    StaleDrop,
    /// Rule 7: the attempt in an outcome's id is not looked at.
    NoAttempt,
    /// Rule 7: the run in an outcome's id is not looked at.
    NoRun,
    /// Rule 7: the ids of taken signals are forgotten at continue-as-new.
    ForgetSignals,
    /// Rule 10: a signal for an id without a value is dropped.
    DropEarlySignal,
    /// Rule 9: another asker's start is dropped in silence.
    SilentRefusal,
    /// Rule 11: a timer that the engine fires itself loses its schedule.
    FiringCancels,
    /// Rule 12: a key's queue takes submissions in the order in which they come.
    KeyOutOfOrder,
    /// Rule 12: a key's queue forgets what it has taken once nobody holds the key.
    KeyForgets,
    /// Rule 13: ended values expire after two seconds, sooner than an outage ends.
    ShortRetention,
    /// Rule 2: effects leave before the value is stored.
    ActFirst,
    /// Rule 8: a write without an answer is taken for one that failed, and made again on what is there.
    UnknownIsFailure,
    /// Rule 8: a write without an answer is taken for one that succeeded.
    UnknownIsSuccess,
    /// Rule 3: a turn that fills a journal page forgets its effects.
    PagedEffects,
    /// Rule 2: the next local step starts before the last outcome is stored.
    NextStepEarly,
    /// Rule 14: a paused invocation acts on whatever comes.
    PauseActs,
    /// Rule 7: a signal box forgets after a second what it has taken, and who waits no more.
    BoxForgets,
    /// A signal that was given to a step that no longer waited is lost.
    BoxEatsReturned,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NoInheritance,
        Self::NoSettling,
        Self::StaleRead,
        Self::AckTaken,
        Self::StaleDrop,
        Self::NoAttempt,
        Self::NoRun,
        Self::ForgetSignals,
        Self::DropEarlySignal,
        Self::SilentRefusal,
        Self::FiringCancels,
        Self::KeyOutOfOrder,
        Self::KeyForgets,
        Self::ShortRetention,
        Self::ActFirst,
        Self::UnknownIsFailure,
        Self::UnknownIsSuccess,
        Self::PagedEffects,
        Self::NextStepEarly,
        Self::PauseActs,
        Self::BoxForgets,
        Self::BoxEatsReturned,
    ];

    /// The rule of the design, and how it is broken.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::NoInheritance => {
                "rule 1: what follows from a local outcome does not inherit the anchors of its step"
            }
            Self::NoSettling => "rule 3: no settling after a cold load",
            Self::StaleRead => {
                "rule 3: a value to be settled, or dropped by, is read from any replica"
            }
            Self::AckTaken => {
                "rule 5: a command that was taken earlier is acknowledged without a look at anchors"
            }
            Self::StaleDrop => "rule 6: what cannot be placed is dropped by a cached value",
            Self::NoAttempt => "rule 7: the attempt in an outcome's id is not looked at",
            Self::NoRun => "rule 7: the run in an outcome's id is not looked at",
            Self::ForgetSignals => {
                "rule 7: the ids of taken signals are forgotten at continue-as-new"
            }
            Self::DropEarlySignal => "rule 10: a signal for an id without a value is dropped",
            Self::SilentRefusal => "rule 9: another asker's start is dropped in silence",
            Self::FiringCancels => {
                "rule 11: a timer that the engine fires itself loses its schedule"
            }
            Self::KeyOutOfOrder => {
                "rule 12: a key's queue takes submissions in the order in which they come"
            }
            Self::KeyForgets => {
                "rule 12: a key's queue forgets what it has taken once nobody holds the key"
            }
            Self::ShortRetention => {
                "rule 13: ended values expire after two seconds, sooner than an outage ends"
            }
            Self::ActFirst => "rule 2: effects leave before the value is stored",
            Self::UnknownIsFailure => {
                "rule 8: a write without an answer is taken for one that failed, and made again on what is there"
            }
            Self::UnknownIsSuccess => {
                "rule 8: a write without an answer is taken for one that succeeded"
            }
            Self::PagedEffects => "rule 3: a turn that fills a journal page forgets its effects",
            Self::NextStepEarly => {
                "rule 2: the next local step starts before the last outcome is stored"
            }
            Self::PauseActs => "rule 14: a paused invocation acts on whatever comes",
            Self::BoxForgets => {
                "rule 7: a signal box forgets after a second what it has taken, and who waits no more"
            }
            Self::BoxEatsReturned => {
                "a signal that was given to a step that no longer waited is lost"
            }
        }
    }
}

#[cfg(feature = "mutants")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    static BROKEN: AtomicU8 = AtomicU8::new(0);

    /// Break this rule from now on in the whole process; none: no rule.
    pub fn break_rule(mutant: Option<super::Mutant>) {
        BROKEN.store(mutant.map_or(0, |mutant| mutant as u8), Ordering::SeqCst);
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn is_broken(mutant: super::Mutant) -> bool {
        BROKEN.load(Ordering::Relaxed) == mutant as u8
    }
}

#[cfg(feature = "mutants")]
pub use switch::{break_rule, is_broken};

/// Whether this rule is broken: never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn is_broken(_: Mutant) -> bool {
    false
}
