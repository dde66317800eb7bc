//! The life, or rather lives, of one processor or worker: what the schedule has for it, and a
//! new life after each death.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use tokio::sync::watch;

use crate::{
    child::Child,
    error::CrashError,
    faults::{Kind, Log},
    schedule::{At, Blow, Process},
};

/// A blow that comes so late is left out: the process was still coming up.
const LATE: Duration = Duration::from_secs(2);

/// Pause before a process that ended by itself is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// One process, and what it takes to start it again.
pub(crate) struct Lane {
    process: Process,
    url: String,
    folder: PathBuf,
    life: u32,
    child: Child,
    /// Id of the engine of this life, if it is one.
    engine: Option<String>,
}

impl Lane {
    /// Start its first life, until it takes work.
    pub(crate) async fn start(
        process: Process,
        url: &str,
        folder: &Path,
    ) -> Result<Self, CrashError> {
        let name = format!("{process}.1");
        let mut child = Child::spawn(process.role(), name, url, folder)?;
        let engine = child.await_ready().await?;
        Ok(Self {
            process,
            url: url.to_owned(),
            folder: folder.to_owned(),
            life: 1,
            child,
            engine,
        })
    }

    /// Go through the schedule, then live on until told to stop.
    pub(crate) async fn run(
        mut self,
        blows: Vec<At<Blow>>,
        log: &Log,
        mut stop: watch::Receiver<bool>,
    ) {
        self.introduce(log);
        for At { at, what } in blows {
            self.live_until(log.clock.until(at), log).await;
            if log.clock.elapsed() > at + LATE {
                let process = self.process;
                log.clock
                    .say(&format!("{process} is still coming up: spared"));
                continue;
            }
            match what {
                Blow::Kill(down) => self.kill(down, log).await,
                Blow::Pause(time) => self.pause(time, log).await,
            }
        }
        let stopped = async {
            // The sender is dropped at the end of the run at the latest.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        self.live_until(stopped, log).await;
    }

    async fn kill(&mut self, down: Duration, log: &Log) {
        let kind = match self.process {
            Process::Processor(_) => Kind::ProcessorKilled,
            Process::Worker(_) => Kind::WorkerKilled,
        };
        log.clock.say(&format!("kill -9 {}", self.child.name));
        let fault = log.begins(kind, &self.child.name);
        self.child.kill9().await;
        tokio::time::sleep(down).await;
        self.live_again(log).await;
        log.over(fault);
    }

    async fn pause(&mut self, time: Duration, log: &Log) {
        let (name, seconds) = (&self.child.name, time.as_secs_f64());
        log.clock.say(&format!("pause {name} for {seconds:.1} s"));
        let fault = log.begins(Kind::ProcessorPaused, name);
        self.child.signal(Signal::STOP);
        tokio::time::sleep(time).await;
        self.child.signal(Signal::CONT);
        log.over(fault);
        log.clock.say(&format!("{name} goes on, a zombie"));
    }

    /// Wait; should the process end by itself meanwhile, that is a finding, and it is started
    /// again.
    async fn live_until(&mut self, done: impl Future<Output = ()>, log: &Log) {
        let mut done = std::pin::pin!(done);
        loop {
            let status = tokio::select! {
                biased;
                () = &mut done => return,
                status = self.child.ended() => status,
            };
            let name = &self.child.name;
            log.unexpected(format!("{name} has ended by itself: {status}"));
            tokio::time::sleep(PAUSE).await;
            self.live_again(log).await;
        }
    }

    /// A new life, until it takes work.
    async fn live_again(&mut self, log: &Log) {
        self.life += 1;
        let name = format!("{}.{}", self.process, self.life);
        match Child::spawn(self.process.role(), name, &self.url, &self.folder) {
            Ok(child) => self.child = child,
            Err(error) => return log.unexpected(error.to_string()),
        }
        match self.child.await_ready().await {
            Ok(engine) => self.engine = engine,
            Err(error) => log.unexpected(error.to_string()),
        }
        self.introduce(log);
    }

    fn introduce(&self, log: &Log) {
        if let Some(engine) = &self.engine {
            log.is_engine(engine.clone(), &self.child.name);
        }
    }
}
