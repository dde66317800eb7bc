//! Which faults, and when: a function of the seed and nothing else.

use std::{fmt, time::Duration};

use headwater::wire::limits::ACK_WAIT;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Processors and workers of a run.
pub(crate) const PROCESSORS: usize = 3;
pub(crate) const WORKERS: usize = 2;

/// Quiet time at the beginning, and after a process has come back, in milliseconds.
const QUIET_MS: u64 = 1_000;

/// One of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Process {
    /// An engine, by its place.
    Processor(usize),
    /// A worker, by its place.
    Worker(usize),
}

impl Process {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let workers = (0..WORKERS).map(Self::Worker);
        (0..PROCESSORS).map(Self::Processor).chain(workers)
    }

    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Processor(_) => "processor",
            Self::Worker(_) => "worker",
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor(place) => write!(f, "p{}", place + 1),
            Self::Worker(place) => write!(f, "w{}", place + 1),
        }
    }
}

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// `kill -9`, and a restart after this time.
    Kill(Duration),
    /// SIGSTOP, and SIGCONT after this time: longer than `ack_wait`.
    Pause(Duration),
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// `kill -9` of one node.
    Node(usize),
    /// `kill -9` of the node that leads COMMANDS.
    CommandsLeader,
    /// `kill -9` of the node that leads EXECUTION_STATE.
    StateLeader,
    /// One node is cut off from the others and from its clients.
    Cut(usize),
}

/// Something that will happen at a time after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) at: Duration,
    pub(crate) what: T,
}

/// A hit, and when it is over.
pub(crate) type ServerFault = At<(Hit, Duration)>;

/// All faults of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) processes: Vec<(Process, At<Blow>)>,
    pub(crate) servers: Vec<ServerFault>,
}

impl Schedule {
    pub(crate) fn new(seed: u64, length: Duration, servers: usize) -> Self {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        // A stream of numbers for each, so that the one does not depend on the other.
        Self {
            processes: processes(&mut Dice::new(seed), length),
            servers: server_faults(&mut Dice::new(!seed), length, servers),
        }
    }

    /// What happens to one process, in order.
    pub(crate) fn of(&self, process: Process) -> Vec<At<Blow>> {
        let own = self.processes.iter().filter(|(who, _)| *who == process);
        own.map(|(_, blow)| *blow).collect()
    }
}

/// Cards of which every hand holds all, so that a short run, too, meets each kind of fault.
#[derive(Clone, Copy)]
enum Card {
    KillProcessor,
    KillTwoProcessors,
    PauseProcessor,
    KillWorker,
}

const HAND: [Card; 10] = [
    Card::KillProcessor,
    Card::KillProcessor,
    Card::KillProcessor,
    Card::KillProcessor,
    Card::KillTwoProcessors,
    Card::PauseProcessor,
    Card::PauseProcessor,
    Card::KillWorker,
    Card::KillWorker,
    Card::KillWorker,
];

fn processes(dice: &mut Dice, length: u64) -> Vec<(Process, At<Blow>)> {
    let mut blows: Vec<(Process, At<Blow>)> = Vec::new();
    let mut hand = Vec::new();
    let mut at = QUIET_MS + dice.between(0, 1_500);
    while at < length {
        if hand.is_empty() {
            hand = dice.shuffled(&HAND);
        }
        // The hand is not empty.
        let card = hand.pop().unwrap_or(Card::KillProcessor);
        let blow = match card {
            Card::PauseProcessor => {
                let ack_wait = u64::try_from(ACK_WAIT.as_millis()).unwrap_or_default();
                Blow::Pause(Duration::from_millis(ack_wait + dice.between(1_000, 4_000)))
            }
            _ => Blow::Kill(Duration::from_millis(dice.between(100, 2_500))),
        };
        let victims = match card {
            Card::KillTwoProcessors => 2,
            _ => 1,
        };
        for _ in 0..victims {
            let free = free(&blows, card, at, blow, length);
            if let Some(victim) = dice.one(&free) {
                let at = Duration::from_millis(at);
                blows.push((victim, At { at, what: blow }));
            }
        }
        at += dice.between(1_500, 3_500);
    }
    blows
}

/// Who can be struck so that at least one processor stays up and the run ends with all.
fn free(
    blows: &[(Process, At<Blow>)],
    card: Card,
    at: u64,
    blow: Blow,
    length: u64,
) -> Vec<Process> {
    let end = |at: u64, blow: Blow| {
        let (Blow::Kill(down) | Blow::Pause(down)) = blow;
        at + u64::try_from(down.as_millis()).unwrap_or(u64::MAX) + QUIET_MS
    };
    if end(at, blow) > length {
        return Vec::new();
    }
    let is_up = |process: &Process| {
        !blows.iter().any(|(who, other)| {
            let begins = u64::try_from(other.at.as_millis()).unwrap_or(u64::MAX);
            who == process && begins <= at && at < end(begins, other.what)
        })
    };
    let is_worker = matches!(card, Card::KillWorker);
    let up: Vec<Process> = Process::all()
        .filter(|process| matches!(process, Process::Worker(_)) == is_worker)
        .filter(is_up)
        .collect();
    match up.len() {
        0 | 1 => Vec::new(),
        _ => up,
    }
}

fn server_faults(dice: &mut Dice, length: u64, servers: usize) -> Vec<ServerFault> {
    let mut faults = Vec::new();
    let mut hand = Vec::new();
    let mut at = dice.between(length / 10, length / 4);
    while at < length {
        if hand.is_empty() {
            hand = match servers {
                1 => vec![Hit::Node(0)],
                _ => {
                    let (node, cut) = (dice.below(servers), dice.below(servers));
                    let all = [
                        Hit::Node(node),
                        Hit::CommandsLeader,
                        Hit::StateLeader,
                        Hit::Cut(cut),
                    ];
                    dice.shuffled(&all)
                }
            };
        }
        // The hand is not empty.
        let hit = hand.pop().unwrap_or(Hit::Node(0));
        let lasts = match hit {
            Hit::Cut(_) => dice.between(6_000, 12_000),
            _ if servers == 1 => dice.between(200, 2_000),
            _ => dice.between(500, 6_000),
        };
        if at + lasts + QUIET_MS <= length {
            let lasts = Duration::from_millis(lasts);
            let at = Duration::from_millis(at);
            faults.push(At {
                at,
                what: (hit, lasts),
            });
        }
        at += lasts + dice.between(8_000, 14_000);
    }
    faults
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From `low` up to, and without, `high`.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % high.saturating_sub(low).max(1)
    }

    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(self.between(0, count)).unwrap_or_default()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        match of.len() {
            0 => None,
            count => of.get(self.below(count)).copied(),
        }
    }

    fn shuffled<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        let mut all = of.to_vec();
        for place in (1..all.len()).rev() {
            let other = self.below(place + 1);
            all.swap(place, other);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(120);

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        assert_eq!(Schedule::new(7, LENGTH, 3), Schedule::new(7, LENGTH, 3));
        assert_ne!(Schedule::new(7, LENGTH, 3), Schedule::new(8, LENGTH, 3));
    }

    #[test]
    fn a_processor_is_always_up_and_every_fault_ends_in_time() {
        for seed in 0..200 {
            let schedule = Schedule::new(seed, LENGTH, 1);
            let down = |process, moment: Duration| {
                schedule.of(process).iter().any(|blow| {
                    let (Blow::Kill(down) | Blow::Pause(down)) = blow.what;
                    blow.at <= moment && moment < blow.at + down
                })
            };
            for (_, blow) in &schedule.processes {
                let up = (0..PROCESSORS)
                    .filter(|place| !down(Process::Processor(*place), blow.at))
                    .count();
                assert!(up >= 1, "seed {seed}: none is up at {:?}", blow.at);
                let (Blow::Kill(down) | Blow::Pause(down)) = blow.what;
                assert!(blow.at + down < LENGTH);
            }
        }
    }

    #[test]
    fn half_a_minute_meets_a_kill_of_each_and_a_pause() {
        for seed in 0..100 {
            let schedule = Schedule::new(seed, Duration::from_secs(30), 1);
            let blows = |wanted: fn(&(Process, At<Blow>)) -> bool| {
                schedule
                    .processes
                    .iter()
                    .filter(|blow| wanted(blow))
                    .count()
            };
            let paused = blows(|(_, blow)| matches!(blow.what, Blow::Pause(_)));
            let workers = blows(|(who, _)| matches!(who, Process::Worker(_)));
            assert!(blows(|_| true) >= 6, "seed {seed}: {schedule:?}");
            assert!(paused + workers >= 2, "seed {seed}: {schedule:?}");
            assert!(!schedule.servers.is_empty(), "seed {seed}");
        }
    }
}
