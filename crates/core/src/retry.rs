//! When a failed step is tried again.

use std::time::Duration;

/// A retry policy: how long to wait before each further attempt, and how many there are.
///
/// The default is without limit: 100 ms, doubling, at most 30 s apart. An error that says it
/// is final is never tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    initial: Duration,
    growth: Growth,
    cap: Duration,
    max_attempts: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Growth {
    Fixed,
    Linear,
    Exponential(f64),
}

impl Default for Retry {
    fn default() -> Self {
        Self::exponential()
    }
}

impl Retry {
    const fn new(initial: Duration, growth: Growth) -> Self {
        Self {
            initial,
            growth,
            cap: Duration::from_secs(30),
            max_attempts: None,
        }
    }

    /// 100 ms, doubling, at most 30 s, without limit.
    #[must_use]
    pub fn exponential() -> Self {
        Self::new(Duration::from_millis(100), Growth::Exponential(2.0))
    }

    /// The same wait before each attempt.
    #[must_use]
    pub fn fixed(wait: Duration) -> Self {
        Self::new(wait, Growth::Fixed).cap(wait)
    }

    /// `wait`, then twice, three times as long, at most 30 s.
    #[must_use]
    pub fn linear(wait: Duration) -> Self {
        Self::new(wait, Growth::Linear)
    }

    /// One attempt only.
    #[must_use]
    pub fn none() -> Self {
        Self::fixed(Duration::ZERO).max_attempts(1)
    }

    /// Wait this long before the second attempt.
    #[must_use]
    pub fn initial(mut self, wait: Duration) -> Self {
        self.initial = wait;
        self
    }

    /// Multiply the wait by this after each attempt.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.growth = Growth::Exponential(factor.max(1.0));
        self
    }

    /// Never wait longer than this.
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// At most so many attempts, the first included; at least one.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts.max(1));
        self
    }

    /// How long to wait after the attempt (from 1) that has just failed; none: give up.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Option<Duration> {
        if self.max_attempts.is_some_and(|max| attempt >= max) {
            return None;
        }
        let steps = attempt.saturating_sub(1);
        let factor = match self.growth {
            Growth::Fixed => 1.0,
            Growth::Linear => f64::from(steps) + 1.0,
            Growth::Exponential(factor) => factor.powi(i32::try_from(steps).unwrap_or(i32::MAX)),
        };
        let seconds = (self.initial.as_secs_f64() * factor).min(self.cap.as_secs_f64());
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(retry: &Retry, attempts: u32) -> Vec<Option<u64>> {
        (1..=attempts)
            .map(|attempt| retry.after(attempt).map(|wait| wait.as_millis() as u64))
            .collect()
    }

    #[test]
    fn policies_wait_as_they_say() {
        let ms = Duration::from_millis;
        assert_eq!(
            waits(&Retry::default(), 4),
            [Some(100), Some(200), Some(400), Some(800)]
        );
        assert_eq!(
            waits(&Retry::default().max_attempts(2), 3),
            [Some(100), None, None]
        );
        assert_eq!(waits(&Retry::fixed(ms(50)), 2), [Some(50), Some(50)]);
        assert_eq!(
            waits(&Retry::linear(ms(50)), 3),
            [Some(50), Some(100), Some(150)]
        );
        assert_eq!(waits(&Retry::none(), 1), [None]);
        assert_eq!(
            Retry::default().after(4_000_000_000),
            Some(Duration::from_secs(30))
        );
    }
}
