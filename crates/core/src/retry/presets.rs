//! The retry policies that other systems have by default, by their names: for whoever moves
//! workflows here and relies on them.

use std::time::Duration;

use super::Retry;

impl Retry {
    /// Activities of HotMesh: 50 attempts; 1 s, five times as long each, at most 120 s.
    #[must_use]
    pub fn hotmesh() -> Self {
        Self::seconds_up_to_two_minutes(5.0, 50)
    }

    /// Activities of HotMesh 0.3: 3 attempts; 1 s, then 10 s.
    #[must_use]
    pub fn hotmesh_0_3() -> Self {
        Self::seconds_up_to_two_minutes(10.0, 3)
    }

    /// Stream workers of HotMesh: 3 attempts; 1 s, then 10 s.
    #[must_use]
    pub fn stream_worker() -> Self {
        Self::seconds_up_to_two_minutes(10.0, 3)
    }

    /// Activities of duroxide with a retry policy: 3 attempts; 100 ms, then 200 ms.
    #[must_use]
    pub fn duroxide() -> Self {
        Self::exponential().max_attempts(3)
    }

    /// The Go prototype: 3 deliveries, one right after the other.
    #[must_use]
    pub fn go_prototype() -> Self {
        Self::fixed(Duration::ZERO).max_attempts(3)
    }

    fn seconds_up_to_two_minutes(factor: f64, attempts: u32) -> Self {
        Self::exponential()
            .initial(Duration::from_secs(1))
            .factor(factor)
            .cap(Duration::from_secs(120))
            .max_attempts(attempts)
    }
}
