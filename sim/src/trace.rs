//! What happened, in order: one line an event. Written only when asked for: for the timeline of a
//! failing seed, and for the proof that a seed always does the same.

use std::{
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Virtual time.
    pub at: Duration,
    /// Who.
    pub who: String,
    /// Key of the invocation or key queue that it is about; empty: of none.
    pub key: String,
    /// What.
    pub what: String,
}

/// A trace, if it is being written.
pub struct Trace {
    lines: Option<Mutex<Vec<Line>>>,
}

impl Trace {
    /// A trace that is written, or one that is not.
    #[must_use]
    pub fn new(written: bool) -> Self {
        Self {
            lines: written.then(Mutex::default),
        }
    }

    /// Whether it is worth to say anything.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.lines.is_some()
    }

    fn lines(lines: &Mutex<Vec<Line>>) -> MutexGuard<'_, Vec<Line>> {
        lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add a line.
    pub fn add(&self, at: Duration, who: impl Into<String>, key: &str, what: impl Into<String>) {
        if let Some(lines) = &self.lines {
            Self::lines(lines).push(Line {
                at,
                who: who.into(),
                key: key.to_owned(),
                what: what.into(),
            });
        }
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        self.render(|_| true)
    }

    /// What concerns an invocation: columns `seconds`, `who`, `key`, `what`. Lines of no invocation
    /// (processes that begin, end or pause, outages) belong to everyone's.
    #[must_use]
    pub fn timeline(&self, key: &str) -> String {
        self.render(|line| line.key == key || line.key.is_empty())
    }

    fn render(&self, wanted: impl Fn(&Line) -> bool) -> String {
        let mut text = String::new();
        let Some(lines) = &self.lines else {
            return text;
        };
        for line in Self::lines(lines).iter().filter(|line| wanted(line)) {
            let seconds = line.at.as_secs_f64();
            let Line { who, key, what, .. } = line;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{seconds:>12.6}  {who:<12}  {key:<10}  {what}");
        }
        text
    }
}
