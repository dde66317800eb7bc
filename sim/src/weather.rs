//! What can go wrong in one world, with probabilities drawn from its seed. It injects; whether
//! the product stood it is for the checkers, which know nothing of this.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::dice::Dice;

/// Probabilities and rates of one world.
#[derive(Clone, Debug)]
pub struct Climate {
    /// Nothing goes wrong at all.
    pub calm: bool,
    /// Slowest usual way of a message, in microseconds.
    pub latency_max_micros: u64,
    /// A request never arrives.
    pub lost_request: f64,
    /// A request is dealt with, its answer never arrives.
    pub lost_answer: f64,
    /// A request arrives long after its sender has given it up.
    pub late_request: f64,
    /// Nobody is there to take a request.
    pub refused_request: f64,
    /// A read answers what was true some time ago, where that is allowed.
    pub stale_read: f64,
    /// An acknowledgement never arrives.
    pub lost_ack: f64,
    /// An acknowledgement arrives late.
    pub late_ack: f64,
    /// A delivery never arrives.
    pub lost_delivery: f64,
    /// A delivery arrives late, perhaps after another of the same message.
    pub late_delivery: f64,
    /// A delivery arrives twice.
    pub repeated_delivery: f64,
    /// A hint never arrives.
    pub lost_hint: f64,
    /// Store outages and leader changes.
    pub outages: u64,
    /// How often a process is killed, of the times that something is done to it.
    pub kill: f64,
    /// How often it is paused.
    pub pause: f64,
    /// How often it is stopped as an operator does.
    pub stop: f64,
    /// Least and most time between two of those, in milliseconds; none: they are left alone.
    pub trouble_every_ms: Option<(u64, u64)>,
    /// Member records that vanish.
    pub flaps: u64,
    /// How far wall clocks are apart at the most, in milliseconds.
    pub skew_max_ms: u64,
}

impl Climate {
    /// The climate of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "climate");
        let calm = dice.chance(0.08);
        let mut often = |most: f64| {
            if calm || dice.chance(0.45) {
                return 0.0;
            }
            // Mostly rare, sometimes often.
            let share = dice.below(1_000) as f64 / 1_000.0;
            most * share * share
        };
        Self {
            calm,
            lost_request: often(0.06),
            lost_answer: often(0.10),
            late_request: often(0.05),
            refused_request: often(0.10),
            stale_read: often(0.6),
            lost_ack: often(0.3),
            late_ack: often(0.2),
            lost_delivery: often(0.12),
            late_delivery: often(0.15),
            repeated_delivery: often(0.15),
            lost_hint: often(0.5),
            kill: often(1.0),
            pause: often(0.6),
            stop: often(0.4),
            latency_max_micros: *dice.pick(&[300, 2_000, 20_000, 150_000]),
            outages: if calm || dice.chance(0.5) {
                0
            } else {
                dice.between(1, 3)
            },
            trouble_every_ms: (!calm && dice.chance(0.75))
                .then(|| *dice.pick(&[(200, 2_000), (1_000, 6_000), (3_000, 15_000)])),
            flaps: if calm || dice.chance(0.6) {
                0
            } else {
                dice.between(1, 8)
            },
            skew_max_ms: if calm || dice.chance(0.5) {
                0
            } else {
                dice.between(1, 1_500)
            },
        }
    }
}

/// How a request fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after the first time, and the answer after the second.
    Served(Duration, Duration),
    /// It arrives after this time, and the sender never learns.
    Unanswered(Duration),
    /// It never arrives.
    Lost,
    /// Nobody is there.
    Refused(Duration),
}

/// How a delivery or an acknowledgement fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It arrives after this time.
    After(Duration),
    /// It arrives after the first time and again after the second.
    Twice(Duration, Duration),
    /// It never arrives.
    Never,
}

/// The climate at work.
pub struct Weather {
    /// What it is like.
    pub climate: Climate,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    fair: bool,
    /// Nobody takes requests until then.
    outage_until: Duration,
    /// When something went wrong.
    faults: Vec<Duration>,
}

impl Weather {
    /// The weather of a seed.
    #[must_use]
    pub fn new(seed: u64, climate: Climate) -> Self {
        let state = State {
            dice: Dice::new(seed, "weather"),
            fair: climate.calm,
            outage_until: Duration::ZERO,
            faults: Vec::new(),
        };
        Self {
            climate,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing goes wrong any more.
    pub fn clear_up(&self) {
        let mut state = self.state();
        state.fair = true;
        state.outage_until = Duration::ZERO;
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn is_fair(&self) -> bool {
        self.state().fair
    }

    /// Nobody takes requests until then.
    pub fn begin_outage(&self, now: Duration, until: Duration) {
        let mut state = self.state();
        state.outage_until = state.outage_until.max(until);
        state.faults.push(now);
        state.faults.push(until);
    }

    /// Note that something went wrong now.
    pub fn note(&self, now: Duration) {
        self.state().faults.push(now);
    }

    /// Whether something went wrong from `from` to `to`.
    #[must_use]
    pub fn was_bad(&self, from: Duration, to: Duration) -> bool {
        let state = self.state();
        state.faults.iter().any(|at| (from..=to).contains(at))
    }

    /// The way of one message.
    pub fn latency(&self) -> Duration {
        let most = self.climate.latency_max_micros;
        let dice = &mut self.state().dice;
        // Mostly fast.
        let most = if dice.chance(0.8) { most / 10 } else { most };
        Duration::from_micros(dice.between(1, most.max(2)))
    }

    /// How a request fares that is sent now.
    pub fn fate(&self, now: Duration, timeout: Duration) -> Fate {
        let (there, back) = (self.latency(), self.latency());
        let mut state = self.state();
        if state.fair {
            return Fate::Served(there, back);
        }
        let climate = &self.climate;
        let in_outage = now < state.outage_until;
        let dice = &mut state.dice;
        let fate = if in_outage {
            match dice.below(3) {
                0 => Fate::Lost,
                _ => Fate::Refused(there),
            }
        } else if dice.chance(climate.refused_request) {
            Fate::Refused(there)
        } else if dice.chance(climate.lost_request) {
            Fate::Lost
        } else if dice.chance(climate.lost_answer) {
            Fate::Unanswered(there)
        } else if dice.chance(climate.late_request) {
            Fate::Unanswered(timeout + dice.millis(0, 8_000))
        } else {
            Fate::Served(there, back)
        };
        if !matches!(fate, Fate::Served(..)) {
            state.faults.push(now);
        }
        fate
    }

    /// How a delivery fares.
    pub fn delivery(&self, now: Duration) -> Passage {
        let climate = &self.climate;
        let rates = (
            climate.lost_delivery,
            climate.repeated_delivery,
            climate.late_delivery,
        );
        self.passage(now, rates)
    }

    /// How an acknowledgement fares.
    pub fn ack(&self, now: Duration) -> Passage {
        self.passage(now, (self.climate.lost_ack, 0.0, self.climate.late_ack))
    }

    /// How a hint fares.
    pub fn hint(&self, now: Duration) -> Passage {
        self.passage(now, (self.climate.lost_hint, 0.0, 0.0))
    }

    fn passage(&self, now: Duration, (never, twice, late): (f64, f64, f64)) -> Passage {
        let after = self.latency();
        let mut state = self.state();
        if state.fair {
            return Passage::After(after);
        }
        let outage_left = state.outage_until.saturating_sub(now);
        let dice = &mut state.dice;
        let passage = if dice.chance(never) || (!outage_left.is_zero() && dice.chance(0.5)) {
            Passage::Never
        } else if dice.chance(twice) {
            Passage::Twice(after, dice.millis(0, 9_000))
        } else if dice.chance(late) {
            Passage::After(dice.millis(0, 9_000))
        } else {
            return Passage::After(after + outage_left);
        };
        state.faults.push(now);
        passage
    }

    /// Whether a read that may be stale is.
    pub fn is_stale(&self) -> bool {
        let mut state = self.state();
        !state.fair && state.dice.chance(self.climate.stale_read)
    }

    /// Whether a watch breaks off at this change.
    pub fn breaks_off(&self, now: Duration) -> bool {
        let mut state = self.state();
        let breaks = !state.fair && state.dice.chance(self.climate.lost_request);
        if breaks {
            state.faults.push(now);
        }
        breaks
    }
}
