//! Who takes part: engines and workers, killed, paused, stopped and started again.

use std::{sync::Arc, time::Duration};

use headwater_core::workflow::async_workflow;
use headwater_engine::{Engine, EngineConfig, EngineMetrics, Registry};
use headwater_store::{Env, Store};
use headwater_worker::{Activities, Worker, WorkerConfig, WorkerMetrics};
use tokio::sync::Notify;

use crate::{
    dice::Dice,
    network::Network,
    script::{self, ACTIVITIES, Lab, Script, WORKFLOW},
    truth::{Party, Role, Truth},
    weather::Weather,
    world::{Pid, ProcessEnv, WORLD, World},
};

/// What everything in a world shares.
#[derive(Clone)]
pub struct Stage {
    /// The seed.
    pub seed: u64,
    /// Time and processes.
    pub world: Arc<World>,
    /// What happens.
    pub truth: Arc<Truth>,
    /// What goes wrong.
    pub weather: Arc<Weather>,
    /// How the engines behave.
    pub config: EngineConfig,
}

/// A process that lives.
pub struct Life {
    /// Its process.
    pub pid: Pid,
    /// Its name, for people.
    pub name: String,
    /// Its clock and randomness.
    pub env: Arc<dyn Env>,
    /// Its connection.
    pub store: Arc<dyn Store>,
}

impl Stage {
    /// A new process, with a connection and a clock of its own.
    pub fn new_life(&self, role: Role, name: &str) -> Life {
        let pid = self.world.new_process();
        let mut dice = Dice::new(self.seed, &format!("skew {pid}"));
        let most = (self.weather.climate.skew_max_ms * 1_000) as i64;
        let skew_micros = dice.between(0, 2 * most as u64) as i64 - most;
        let name = format!("{name}#{pid}");
        let party = Party {
            role,
            pid,
            name: name.clone(),
        };
        let env: Arc<dyn Env> = ProcessEnv::new(&self.world, pid, self.seed, skew_micros);
        let store: Arc<dyn Store> = Network::new(&self.world, &self.truth, &self.weather, party);
        self.truth.note(&name, "begins");
        self.weather.note(self.world.now());
        Life {
            pid,
            name,
            env,
            store,
        }
    }

    fn lab(&self, life: &Life) -> Lab {
        Lab {
            truth: Arc::clone(&self.truth),
            env: Arc::clone(&life.env),
            name: life.name.clone(),
        }
    }

    /// Start a process of this role; the notification asks it to stop.
    fn begin(&self, role: Role, name: &str) -> (Life, Arc<Notify>) {
        let life = self.new_life(role, name);
        let stop = Arc::new(Notify::new());
        let (stage, stopping) = (self.clone(), Arc::clone(&stop));
        let (env, store) = (Arc::clone(&life.env), Arc::clone(&life.store));
        let (lab, pid) = (self.lab(&life), life.pid);
        let running = async move {
            match role {
                Role::Worker => run_worker(store, env, lab, &stopping).await,
                _ => run_engine(&stage, store, env, lab, &stopping).await,
            }
            stage.truth.note("", format!("process {pid} has stopped"));
            stage.world.kill(pid);
        };
        self.world.spawn(pid, Box::pin(running));
        (life, stop)
    }

    /// Keep a process of this role alive until the end, through whatever the climate has for it.
    pub async fn look_after(self, role: Role, name: String) {
        let mut dice = Dice::new(self.seed, &format!("trouble of {name}"));
        loop {
            let (life, stop) = self.begin(role, &name);
            self.trouble(&life, &stop, &mut dice).await;
            self.truth.note(&life.name, "is gone");
            self.weather.note(self.world.now());
            if !self.weather.is_fair() {
                self.world.sleep(dice.millis(0, 8_000)).await;
            }
        }
    }

    /// Returns once the process is dead.
    async fn trouble(&self, life: &Life, stop: &Notify, dice: &mut Dice) {
        let climate = &self.weather.climate;
        loop {
            match climate.trouble_every_ms {
                Some((low, high)) if !self.weather.is_fair() => {
                    self.world.sleep(dice.millis(low, high)).await;
                }
                _ => std::future::pending().await,
            }
            if self.weather.is_fair() {
                continue;
            }
            self.weather.note(self.world.now());
            if dice.chance(climate.kill) {
                self.world.kill_after(life.pid, dice.below(120) as u32);
                self.world.sleep(dice.millis(1, 500)).await;
                self.world.kill(life.pid);
                return;
            }
            if dice.chance(climate.pause) {
                let pause = dice.millis(100, 12_000);
                self.truth
                    .note(&life.name, format!("is paused for {pause:?}"));
                self.world.pause(life.pid, pause);
                self.world.sleep(pause).await;
                self.weather.note(self.world.now());
            } else if dice.chance(climate.stop) {
                self.truth.note(&life.name, "is asked to stop");
                stop.notify_one();
                for _ in 0..30 {
                    self.world.sleep(Duration::from_millis(500)).await;
                    if !self.world.is_alive(life.pid) {
                        return;
                    }
                }
                self.world.kill(life.pid);
                return;
            }
        }
    }

    /// Run something that belongs to no process.
    pub fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(WORLD, Box::pin(future));
    }
}

async fn run_engine(
    stage: &Stage,
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    lab: Lab,
    stop: &Notify,
) {
    let workflow = async_workflow(move |ctx, script: Script| script::run(ctx, script, lab.clone()));
    let mut registry = Registry::default();
    // The name is valid, and the only one.
    let _ = registry.add(WORKFLOW, "1.0.0", workflow);
    let engine = Engine {
        store,
        env,
        config: stage.config.clone(),
        registry,
        metrics: EngineMetrics::default(),
        host: "sim".to_owned(),
        pid: 0,
    };
    match engine.start().await {
        Ok(handle) => {
            stop.notified().await;
            handle.stop().await;
        }
        Err(error) => {
            let what = format!("an engine does not start: {error}");
            let now = stage.world.now();
            stage.truth.checks().violate(now, "", what);
        }
    }
}

async fn run_worker(store: Arc<dyn Store>, env: Arc<dyn Env>, lab: Lab, stop: &Notify) {
    let mut activities = Activities::default();
    for name in ACTIVITIES {
        let lab = lab.clone();
        // The names are valid and differ.
        let _ = activities.add(name, move |ctx, work| lab.clone().activity(ctx, work));
    }
    let worker = Worker {
        store,
        env,
        config: WorkerConfig::default(),
        activities,
        metrics: WorkerMetrics::default(),
        host: "sim".to_owned(),
        pid: 0,
    };
    let handle = worker.start();
    stop.notified().await;
    handle.stop().await;
}
