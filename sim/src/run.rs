//! One seed, from its beginning to the last check.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use headwater_core::workflow::async_workflow;
use headwater_engine::EngineConfig;
use headwater_store::{Bucket, Read, Store, memory::MemoryStore};
use headwater_wire::{
    Code, Entry, InvocationId, Key, Namespace, Partition, Status, Value, id::Owner, limits,
};

use crate::{
    cast::Stage,
    check::{Checks, Violation, page_entries, replays},
    clients::{self, Answers, Clients, Planned},
    dice::Dice,
    script::{self, Lab, Script, check_named, named_signals},
    trace::Trace,
    truth::{Role, Truth},
    weather::{Climate, Weather},
    world::{ProcessEnv, Stop, WORLD, World},
};

/// How long everything may take once nothing goes wrong any more: the longest retry pause, the
/// grace of a held signal, and a member's death, several times over, for parents and children.
const LIVENESS: Duration = Duration::from_secs(480);
/// How often that may pass by while something still goes on.
const LIVENESS_ROUNDS: u32 = 3;
/// After this nothing may happen any more in an idle world: caches, last redeliveries.
const SETTLE: Duration = Duration::from_secs(20);
/// So long it is watched.
const QUIET: Duration = Duration::from_secs(20);
/// How long before a repeat something must have gone wrong to explain it: a delivery comes again
/// after its ack wait, and what is late may be late by some seconds more.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(20);

/// What came of a seed.
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The rule that was broken first.
    pub violation: Option<Violation>,
    /// Invocations that ended.
    pub invocations: usize,
    /// Steps that ran again.
    pub repeats: usize,
    /// Virtual time.
    pub lasted: Duration,
    /// What happened, if it was asked for.
    pub truth: Arc<Truth>,
}

/// Run a seed; with its trace if `traced`.
#[must_use]
pub fn run(seed: u64, traced: bool) -> Report {
    let mut scene = Scene::new(seed, traced);
    let checked = scene.play();
    if let Err((key, what)) = checked {
        let at = scene.stage.world.now();
        scene.stage.truth.checks().violate(at, key, what);
    }
    scene.report()
}

type Checked = Result<(), (String, String)>;

fn nobody(what: impl Into<String>) -> (String, String) {
    (String::new(), what.into())
}

struct Scene {
    seed: u64,
    stage: Stage,
    plan: Vec<Planned>,
    partitions: u16,
    chaos: Duration,
    answers: Arc<Mutex<Answers>>,
    operator: Clients,
}

impl Scene {
    fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed, "scene");
        let world = World::new(seed);
        let env = ProcessEnv::new(&world, WORLD, seed, 0);
        let store = MemoryStore::new(env, Namespace::default());
        let checks = Checks::new(limits::RETENTION_MIN);
        let truth = Truth::new(&world, store, checks, Trace::new(traced));
        let weather = Arc::new(Weather::new(seed, Climate::of(seed)));
        let partitions = dice.between(1, 4) as u16;
        let config = EngineConfig {
            partitions: Some(partitions),
            retention: limits::RETENTION_MIN,
            cache_idle: dice.millis(50, 5_000),
            cache_max: if dice.chance(0.2) { 1 } else { 10_000 },
            ..EngineConfig::default()
        };
        let stage = Stage {
            seed,
            world,
            truth,
            weather,
            config,
        };
        let chaos_ms = dice.between(5_000, 45_000);
        let answers = Arc::default();
        let operator = Clients::new(&stage, "operator", &answers);
        Self {
            seed,
            plan: clients::plan(seed, chaos_ms),
            partitions,
            chaos: Duration::from_millis(chaos_ms),
            stage,
            answers,
            operator,
        }
    }

    fn play(&mut self) -> Checked {
        let climate = format!("{:?}", self.stage.weather.climate);
        self.stage.truth.note("weather", climate);
        self.begin();
        self.run_until(self.chaos, || false)?;
        self.stage.truth.note("weather", "clears up");
        self.stage.weather.clear_up();
        self.run_until_all_ended()?;
        self.check_outcomes()?;
        self.check_repeats()?;
        self.check_quiet()?;
        self.check_state()
    }

    fn begin(&self) {
        let stage = &self.stage;
        let mut dice = Dice::new(self.seed, "cast");
        for number in 0..dice.between(1, 4) {
            stage.run(
                stage
                    .clone()
                    .look_after(Role::Engine, format!("engine-{number}")),
            );
        }
        for number in 0..dice.between(1, 3) {
            stage.run(
                stage
                    .clone()
                    .look_after(Role::Worker, format!("worker-{number}")),
            );
        }
        let first = Clients::new(stage, "client-0", &self.answers);
        let second = Clients::new(stage, "client-1", &self.answers);
        for (index, planned) in self.plan.iter().enumerate() {
            first.perform(index, planned, &second);
        }
        let chaos_ms = self.chaos.as_millis() as u64;
        for signal in clients::plan_named(self.seed, chaos_ms, &self.plan) {
            first.send_named(&signal, &second);
        }
        stage.run(outages(stage.clone(), self.chaos));
        stage.run(flaps(stage.clone(), self.chaos));
    }

    /// Run until it is so, or until the time, which is an error unless `false` was waited for.
    fn run_until(
        &self,
        until: Duration,
        done: impl Fn() -> bool,
    ) -> Result<Stop, (String, String)> {
        let stage = &self.stage;
        let stop = stage
            .world
            .run(until, || stage.truth.checks().first().is_some() || done());
        match stop {
            Stop::Broken(what) => Err(nobody(what)),
            // The first broken rule is told; nothing else is looked at.
            _ if stage.truth.checks().first().is_some() => Err(nobody("")),
            stop => Ok(stop),
        }
    }

    /// Liveness: with nothing in the way, everything that was started comes to its end.
    fn run_until_all_ended(&self) -> Checked {
        let limit = self.stage.world.now() + LIVENESS;
        let mut stop = self.run_until(limit, || self.all_is_done())?;
        if stop == Stop::TimeUp {
            // A signal that came too early was given up, or a crash loop parked something: what
            // operators are for.
            self.operate();
            // A child may begin late and be long itself: as long as turns are made, it goes on.
            for _ in 0..LIVENESS_ROUNDS {
                let (limit, before) = (self.stage.world.now() + LIVENESS, self.turns());
                stop = self.run_until(limit, || self.all_is_done())?;
                if stop != Stop::TimeUp || self.turns() == before {
                    break;
                }
            }
        }
        match stop {
            Stop::Done => Ok(()),
            _ => Err(self.what_is_left()),
        }
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns that the invocations have made.
    fn turns(&self) -> u64 {
        let checks = self.stage.truth.checks();
        checks
            .known
            .values()
            .map(|(_, value)| value.turn.number)
            .sum()
    }

    fn all_is_done(&self) -> bool {
        if self.answers().busy > 0 {
            return false;
        }
        let checks = self.stage.truth.checks();
        let mut values = checks.known.values();
        values.all(|(_, value)| value.status.is_ended())
    }

    fn operate(&self) {
        let stage = &self.stage;
        stage
            .truth
            .note("operator", "redrives dead letters, resumes what is parked");
        stage.run(self.operator.clone().redrive_all());
        let parked: Vec<InvocationId> = {
            let checks = stage.truth.checks();
            let values = checks.known.values().map(|(_, value)| value);
            let parked = values.filter(|value| value.parked.is_some());
            parked.map(|value| value.id.clone()).collect()
        };
        for id in parked {
            stage.run(self.operator.clone().resume(id));
        }
    }

    fn what_is_left(&self) -> (String, String) {
        let busy = self.answers().busy;
        let checks = self.stage.truth.checks();
        let mut values = checks.known.values();
        match values.find(|(_, value)| !value.status.is_ended()) {
            Some((key, value)) => {
                let (status, why) = (value.status, &value.why);
                (key.clone(), format!("it never ends: {status}, {why}"))
            }
            None => {
                let started = &self.answers().started;
                let never = started
                    .iter()
                    .find(|(_, id)| checks.known.value(id.key().as_str()).is_none());
                match never {
                    Some((_, id)) => (id.key().to_string(), "it was never begun".to_owned()),
                    None => nobody(format!("{busy} clients never come to their end")),
                }
            }
        }
    }

    /// Results equal the model's prediction, and clients were told what is stored.
    fn check_outcomes(&self) -> Checked {
        let answers = self.answers();
        let checks = self.stage.truth.checks();
        for (index, id) in &answers.started {
            let planned = &self.plan[*index];
            let key = id.key().to_string();
            let Some(value) = checks.known.value(&key) else {
                return Err((key, "it was started, and never begun".to_owned()));
            };
            check_output(planned, value).map_err(|what| (key, what))?;
        }
        let sent = named_signals(self.plan.iter().map(|planned| &planned.script));
        let values = checks.known.values().map(|(_, value)| value);
        check_named(values, &sent).map_err(nobody)?;
        for (id, told) in &answers.unanswered {
            let key = id.key().to_string();
            let value = checks.known.value(&key);
            if value.is_some_and(|value| value.status == Status::Completed) {
                let what = format!("it has completed, and an update was not answered: {told}");
                return Err((key, what));
            }
        }
        for (_, ended) in &answers.ended {
            let key = ended.id.key().to_string();
            let value = checks.known.value(&key);
            let told = value.is_some_and(|value| {
                (value.status, &value.output, &value.error)
                    == (ended.status, &ended.output, &ended.error)
            });
            if !told {
                let what = format!("a client was told {ended:?}, the value says {value:?}");
                return Err((key, what));
            }
        }
        Ok(())
    }

    /// A step ran again only where something went wrong before.
    fn check_repeats(&self) -> Checked {
        let checks = self.stage.truth.checks();
        for repeat in checks.known.repeats() {
            let from = repeat.first.saturating_sub(EXPLAINED_WITHIN);
            // That two engines are at it shows when the one that is behind loses its swap.
            let shows_until = repeat.again + Duration::from_secs(2);
            let contended = checks.known.was_contended(&repeat.key, from, shows_until);
            if !contended && !self.stage.weather.was_bad(from, repeat.again) {
                let (first, again) = (repeat.first, repeat.again);
                let what = format!(
                    "{} ran at {first:?} and again at {again:?}, though nothing had gone wrong",
                    repeat.what
                );
                return Err((repeat.key.clone(), what));
            }
        }
        Ok(())
    }

    /// No message is left, and nothing happens any more.
    fn check_quiet(&self) -> Checked {
        let stage = &self.stage;
        self.run_until(stage.world.now() + SETTLE, || false)?;
        while !self.all_is_done() {
            // A detached child has begun after everything else had ended.
            self.run_until_all_ended()?;
            self.run_until(stage.world.now() + SETTLE, || false)?;
        }
        if let Some(task) = stage.truth.tasks_left().first() {
            return Err(nobody(format!("{task} is left in TASKS")));
        }
        for number in 1..=self.partitions.max(limits::PARTITIONS_DEFAULT) {
            let partition = Partition(number);
            let left = now(stage.truth.store.backlog("default", partition));
            if left.is_some_and(|left| left.is_ok_and(|left| left > 0)) {
                return Err(nobody(format!(
                    "a command or schedule is left in partition {number}"
                )));
            }
        }
        stage.truth.checks().known.check_boxes().map_err(nobody)?;
        let before = stage.truth.operations();
        self.run_until(stage.world.now() + QUIET, || false)?;
        match stage.truth.operations() - before {
            0 => Ok(()),
            more => Err(nobody(format!("{more} operations in an idle world"))),
        }
    }

    /// EXECUTION_STATE replays to itself.
    fn check_state(&self) -> Checked {
        let store = &self.stage.truth.store;
        let lab = Lab {
            truth: Arc::clone(&self.stage.truth),
            env: ProcessEnv::new(&self.stage.world, WORLD, self.seed, 0),
            name: "replay".to_owned(),
        };
        let workflow =
            async_workflow(move |ctx, script: Script| script::run(ctx, script, lab.clone()));
        let keys: Vec<String> = {
            let checks = self.stage.truth.checks();
            checks.known.values().map(|(key, _)| key.clone()).collect()
        };
        for key in keys {
            let about = |what: String| (key.clone(), what);
            let record = now(store.get(Bucket::State, &key, Read::Leader));
            let Some(Ok(Some(record))) = record else {
                return Err(about("its value is gone before its time".to_owned()));
            };
            let parsed = Value::decode(&record.value).map_err(|e| about(e.to_string()))?;
            let (value, journal) = parsed;
            let mut entries: Vec<Entry> = Vec::new();
            if let Ok(parsed) = Key::parse(&key)
                && let Ok(Owner::Invocation(_)) = parsed.owner()
                && let Some(pages) = now(store.pages(&parsed, journal.run_pages()))
            {
                for page in pages.map_err(|e| about(e.to_string()))? {
                    entries.extend(page_entries(&page).map_err(about)?);
                }
            }
            entries.extend(journal.tail.entries().map_err(|e| about(e.to_string()))?);
            if entries.len() as u64 != journal.entries {
                let (has, counts) = (entries.len(), journal.entries);
                return Err(about(format!(
                    "its journal has {has} entries, it counts {counts}"
                )));
            }
            // One that was cancelled before its turn came has never run; one that was terminated
            // stopped anywhere.
            let never_ran = entries.is_empty() && value.status == Status::Cancelled;
            if !never_ran && value.status != Status::Terminated {
                replays(&value, &entries, workflow.as_ref()).map_err(about)?;
            }
        }
        Ok(())
    }

    fn report(self) -> Report {
        let Stage { world, truth, .. } = &self.stage;
        let (violation, invocations, repeats) = {
            let checks = truth.checks();
            let violation = checks.first().cloned();
            (
                violation,
                checks.known.values().count(),
                checks.known.repeats().len(),
            )
        };
        world.end();
        Report {
            seed: self.seed,
            violation,
            invocations,
            repeats,
            lasted: world.now(),
            truth: Arc::clone(truth),
        }
    }
}

/// What a future of the store itself, which never waits, answers.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    futures::FutureExt::now_or_never(future)
}

fn check_output(planned: &Planned, value: &Value) -> Result<(), String> {
    match value.status {
        Status::Cancelled if planned.cancel_at_ms.is_some() => return Ok(()),
        Status::Terminated if planned.terminate_at_ms.is_some() => return Ok(()),
        _ => {}
    }
    let (status, output) = (value.status, &value.output);
    if let Some(error) = &value.error
        && error.code == Code::POISON
    {
        return Ok(());
    }
    let Some(Ok(output)) = output.as_ref().map(|output| output.decode::<Vec<String>>()) else {
        return Err(format!("it ended as {status}: {:?}", value.error));
    };
    planned.script.check(&value.id, value.run, &output)?;
    planned.script.check_shown(value)
}

async fn outages(stage: Stage, chaos: Duration) {
    let mut dice = Dice::new(stage.seed, "outages");
    for _ in 0..stage.weather.climate.outages {
        stage
            .world
            .sleep(dice.millis(500, chaos.as_millis() as u64 / 2))
            .await;
        if stage.weather.is_fair() {
            return;
        }
        let lasts = dice.millis(200, 6_000);
        let now = stage.world.now();
        stage
            .truth
            .note("weather", format!("nobody takes requests for {lasts:?}"));
        stage.weather.begin_outage(now, now + lasts);
    }
}

/// Member records vanish, so that engines pull each other's partitions.
async fn flaps(stage: Stage, chaos: Duration) {
    let mut dice = Dice::new(stage.seed, "flaps");
    for _ in 0..stage.weather.climate.flaps {
        stage
            .world
            .sleep(dice.millis(100, chaos.as_millis() as u64 / 4))
            .await;
        if stage.weather.is_fair() {
            return;
        }
        let members = now(stage.truth.store.scan(Bucket::Members));
        let Some(Ok(members)) = members else {
            continue;
        };
        let members = futures::StreamExt::collect::<Vec<_>>(members).await;
        let keys: Vec<String> = members
            .into_iter()
            .flatten()
            .map(|record| record.key)
            .collect();
        if keys.is_empty() {
            continue;
        }
        let key = dice.pick(&keys);
        stage
            .truth
            .note("weather", format!("member {key} vanishes"));
        stage.weather.note(stage.world.now());
        // An answer of the store itself; a missing key is no error.
        let _ = stage.truth.store.delete(Bucket::Members, key).await;
    }
}
