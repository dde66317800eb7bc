//! When a failed step is tried again.

mod presets;

use std::time::Duration;

use headwater_wire::{Code, Failure};

/// A retry policy: how long to wait before each further attempt, and how many there are.
///
/// The default is without limit: 100 ms, doubling, at most 30 s apart. An error that says it
/// is final is never tried again, nor one of code `timeout` unless the policy says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    initial: Duration,
    growth: Growth,
    cap: Duration,
    max_attempts: Option<u32>,
    /// The share of a wait that may be left out, from 0 to 1.
    jitter: f64,
    /// Codes that end retrying.
    final_codes: Vec<Code>,
    timeouts: bool,
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
            jitter: 0.0,
            final_codes: Vec::new(),
            timeouts: false,
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

    /// Shorten each wait by a random share of up to this one (0.2: by a fifth), so that what failed
    /// together does not come again together.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        };
        self
    }

    /// Give up at once on an error of one of these codes ([`Error::with_code`](crate::Error::with_code)).
    #[must_use]
    pub fn give_up_on<I>(mut self, codes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.final_codes.extend(codes.into_iter().map(Code::new));
        self
    }

    /// Try again also what has timed out (code `timeout`): by default an attempt that took too
    /// long is the last one.
    #[must_use]
    pub fn retry_timeouts(mut self) -> Self {
        self.timeouts = true;
        self
    }

    /// Whether no attempt may follow this failure, however many are left.
    #[must_use]
    pub fn gives_up_on(&self, failure: &Failure) -> bool {
        failure.is_final
            || (failure.code == Code::TIMEOUT && !self.timeouts)
            || self.final_codes.contains(&failure.code)
    }

    /// How long to wait after the attempt (from 1) that has just failed; none: give up. The seed
    /// is what the jitter is drawn from: the same one, the same wait.
    #[must_use]
    pub fn after(&self, attempt: u32, seed: u64) -> Option<Duration> {
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
        let drawn = seed as f64 / u64::MAX as f64;
        let seconds = seconds * (1.0 - self.jitter * drawn);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(retry: &Retry, attempts: u32) -> Vec<Option<u64>> {
        (1..=attempts)
            .map(|attempt| retry.after(attempt, 0).map(|wait| wait.as_millis() as u64))
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
            Retry::default().after(4_000_000_000, 0),
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn presets_wait_as_the_systems_that_they_are_named_after() {
        let hotmesh = waits(&Retry::hotmesh(), 50);
        assert_eq!(
            hotmesh[..5],
            [1_000, 5_000, 25_000, 120_000, 120_000].map(Some)
        );
        assert_eq!(hotmesh[48..], [Some(120_000), None]);
        for preset in [Retry::hotmesh_0_3(), Retry::stream_worker()] {
            assert_eq!(waits(&preset, 3), [Some(1_000), Some(10_000), None]);
        }
        assert_eq!(waits(&Retry::duroxide(), 3), [Some(100), Some(200), None]);
        assert_eq!(waits(&Retry::go_prototype(), 3), [Some(0), Some(0), None]);
    }

    #[test]
    fn some_failures_end_retrying_however_many_attempts_are_left() {
        let plain = Retry::default();
        let picky = Retry::default().give_up_on(["card_declined", "gone"]);
        let patient = Retry::default().retry_timeouts();
        let declined = || Failure::new(Code::new("card_declined"), "no");
        for (retry, failure, gives_up) in [
            (&plain, Failure::new(Code::FAILED, "again"), false),
            (&plain, Failure::fatal(Code::FAILED, "no"), true),
            (&plain, declined(), false),
            (&plain, Failure::new(Code::TIMEOUT, "slow"), true),
            (&plain, Failure::new(Code::PANICKED, "oh"), false),
            (&picky, declined(), true),
            (&picky, Failure::new(Code::new("gone"), "no"), true),
            (&picky, Failure::new(Code::FAILED, "again"), false),
            (&patient, Failure::new(Code::TIMEOUT, "slow"), false),
            (&patient, Failure::fatal(Code::TIMEOUT, "slow"), true),
        ] {
            assert_eq!(retry.gives_up_on(&failure), gives_up, "{failure}");
        }
    }

    #[test]
    fn jitter_never_adds_and_is_zero_for_what_is_no_share() {
        let second = Duration::from_secs(1);
        for (share, seed, millis) in [
            (0.2, 0, 1_000),
            (0.2, u64::MAX, 800),
            (1.0, u64::MAX, 0),
            (7.0, u64::MAX, 0),
            (-1.0, u64::MAX, 1_000),
            (f64::NAN, u64::MAX, 1_000),
        ] {
            let wait = Retry::fixed(second).jitter(share).after(1, seed);
            assert_eq!(wait, Some(Duration::from_millis(millis)), "{share} {seed}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_within_its_jitter_and_its_cap(
            initial in 0_u64..100_000,
            factor in 1.0_f64..20.0,
            cap in 0_u64..1_000_000,
            share in 0.0_f64..=1.0,
            attempt: u32,
            seed: u64,
        ) {
            let policy = Retry::exponential()
                .initial(Duration::from_millis(initial))
                .factor(factor)
                .cap(Duration::from_millis(cap));
            let longest = policy.after(attempt, seed).unwrap();
            prop_assert!(longest <= Duration::from_millis(cap));
            let wait = policy.clone().jitter(share).after(attempt, seed).unwrap();
            prop_assert!(wait <= longest);
            let least = longest.as_secs_f64() * (1.0 - share);
            prop_assert!(wait.as_secs_f64() >= least - 1e-6, "{wait:?} {least}");
            prop_assert_eq!(policy.jitter(share).after(attempt, seed), Some(wait));
        }
    }
}
