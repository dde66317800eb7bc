//! The whole run, from the first process to the verdict.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures::future::{join_all, try_join_all};
use headwater::{
    Client,
    wire::{InvocationId, Namespace},
};
use tokio::sync::watch;

use crate::{
    checks::{self, Check},
    cli::Options,
    clock::Clock,
    error::CrashError,
    evidence::Evidence,
    faults::Log,
    history::History,
    lane::Lane,
    logs, recovery, role,
    schedule::{Process, Schedule, ServerFault},
    servers::Servers,
    submit::Submissions,
    summary::{self, Times},
};

/// How often the progress is told.
const TELL: Duration = Duration::from_secs(10);

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// How long the queues are given to empty once the last workflow has ended: a timer that lost
/// its race, an acknowledgement on its way, a delivery that comes again.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// The last workflow is submitted at this part of the time.
const SUBMIT_PART: f64 = 0.98;

/// Workflows of which it is told why they stand still.
const TOLD: usize = 5;

/// Answers whether every check holds.
pub(crate) async fn run(options: &Options, folder: &Path) -> Result<bool, CrashError> {
    let length = Duration::from_secs(options.seconds);
    let seed = options.seed.unwrap_or_else(summary::new_seed);
    summary::announce(options, seed);
    let servers = Servers::start(options.servers, folder).await;
    let url = servers.url();
    let client = role::config(&url).client().await?;
    let history = History::watch(&client).await?;
    let lanes = Process::all().map(|process| Lane::start(process, &url, folder));
    let lanes = try_join_all(lanes).await?;
    let run = Run {
        options,
        folder,
        client,
        servers,
        history,
        submissions: Submissions::default(),
        log: Log::new(Clock::start()),
    };
    let schedule = Schedule::new(seed, length, options.servers);
    let (stop, stopped) = watch::channel(false);
    let lives = lanes
        .into_iter()
        .zip(Process::all())
        .map(|(lane, process)| {
            let blows = schedule.of(process);
            lane.run(blows, &run.log, stopped.clone())
        });
    // All of this runs here, not in tasks of its own: children die with the thread that
    // started them.
    let whole = async {
        let verdict = run.verdict(schedule.servers.clone(), length).await;
        // The lanes may have ended already.
        let _ = stop.send(true);
        verdict
    };
    let (verdict, _) = futures::join!(whole, join_all(lives));
    verdict
}

/// What the parts of a run share.
struct Run<'a> {
    options: &'a Options,
    folder: &'a Path,
    client: Client,
    servers: Servers,
    history: History,
    submissions: Submissions,
    log: Log,
}

impl Run<'_> {
    /// Submit, wait, look, tell.
    async fn verdict(
        &self,
        faults: Vec<ServerFault>,
        length: Duration,
    ) -> Result<bool, CrashError> {
        let (log, jobs) = (&self.log, self.options.workflows);
        log.clock.say("3 processors and 2 workers are at work");
        let submit = self.submissions.run(
            self.client.clone(),
            jobs,
            log.clock,
            length.mul_f64(SUBMIT_PART),
        );
        let work = async {
            let faults = async {
                self.servers.run(faults, log).await;
                log.clock.until(length).await;
            };
            let ((), ()) = futures::join!(submit, faults);
            let faults_over = log.clock.elapsed();
            log.clock.say("no more faults");
            let all_ended = self.all_ended().await;
            Times {
                faults_over,
                all_done: all_ended.then(|| log.clock.elapsed()),
            }
        };
        let times = tokio::select! {
            biased;
            times = work => times,
            () = self.tell() => return Err(CrashError::Interrupted),
        };
        let mut checks = vec![self.ended(&times).await];
        let queues = self.queues().await?;
        log.clock.say("looking at what there is");
        let evidence = self.evidence().await?;
        let (of_evidence, repeats) = checks::all(&evidence);
        checks.extend(of_evidence);
        checks.push(queues);
        checks.push(self.clients().await);
        checks.push(self.processes());
        let recoveries = recovery::measure(&evidence);
        checks.extend(recovery::within(&recoveries, self.options.recovery_max));
        self.keep_states(&checks).await;
        // Only a help for whoever looks into it.
        let _ = std::fs::write(self.folder.join("repeats"), summary::repeats(&repeats));
        summary::tell(&evidence, &times, &repeats, &recoveries, &self.submissions);
        Ok(summary::verdict(&checks))
    }

    async fn evidence(&self) -> Result<Evidence, CrashError> {
        Evidence::gather(
            &self.client,
            self.folder,
            &self.submissions,
            self.options.workflows,
            &self.history,
            &self.log,
        )
        .await
    }

    /// Tell the progress for ever.
    async fn tell(&self) {
        loop {
            tokio::time::sleep(TELL).await;
            let (submitted, ended) = (self.submissions.submitted(), self.history.ended());
            let line = format!("{submitted} workflows submitted, {ended} ended");
            self.log.clock.say(&line);
        }
    }

    /// Wait until all have ended; false: they have not in time.
    async fn all_ended(&self) -> bool {
        let (began, patience) = (Instant::now(), Duration::from_secs(self.options.patience));
        while self.history.ended() < self.options.workflows {
            if began.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        true
    }

    /// That all have ended in time; tells of some that have not why.
    async fn ended(&self, times: &Times) -> Check {
        let (ended, patience) = (self.history.ended(), self.options.patience);
        let mut failures = Vec::new();
        if times.all_done.is_none() {
            let open = self.options.workflows.saturating_sub(ended);
            failures.push(format!("{open} have not"));
            for id in self.history.open().into_iter().take(TOLD) {
                let why = match InvocationId::new(id.as_str()) {
                    Ok(key) => self.client.why(&key).await,
                    Err(error) => Err(error.into()),
                };
                let why = why.map_or_else(|error| error.to_string(), |lines| lines.join("; "));
                failures.push(format!("{id}: {why}"));
            }
        }
        let claim = "all workflows ended in time once the faults were over";
        Check::made(
            claim,
            format!("{ended} ended, {patience} s given"),
            failures,
        )
    }

    /// The queues are empty.
    async fn queues(&self) -> Result<Check, CrashError> {
        let names = Namespace::default();
        let streams = [names.commands_stream(), names.tasks_stream()];
        let began = Instant::now();
        let left = loop {
            let mut left = Vec::new();
            for stream in &streams {
                match self.servers.messages(stream).await {
                    Some(0) => {}
                    Some(count) => left.push(format!("{stream} holds {count} messages")),
                    None => left.push(format!("nobody tells of {stream}")),
                }
            }
            if left.is_empty() || began.elapsed() > DRAIN_PATIENCE {
                break left;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        };
        let seconds = began.elapsed().as_secs_f64();
        let letters = self.client.dead_letters(1, TOLD).await?;
        let dead = letters.into_iter().map(|dead| {
            let (subject, reason) = (dead.letter.subject, dead.letter.reason);
            format!("in DEAD_LETTERS: {subject}: {reason}")
        });
        let claim = "COMMANDS, TASKS and DEAD_LETTERS are empty";
        let seen = format!("after {seconds:.1} s");
        Ok(Check::made(
            claim,
            seen,
            left.into_iter().chain(dead).collect(),
        ))
    }

    /// What clients were told.
    async fn clients(&self) -> Check {
        let claim = "every client that waited was told the right result";
        let in_time = self.submissions.all_told(DRAIN_PATIENCE).await;
        let (told, errors) = (self.submissions.results(), self.submissions.errors());
        let seen = format!("{told} waited; {errors} calls failed and were tried again");
        let mut failures = self.submissions.wrong();
        failures.extend((!in_time).then(|| "some still wait".to_owned()));
        Check::made(claim, seen, failures)
    }

    /// What processes should not do.
    fn processes(&self) -> Check {
        let mut failures = self.log.what_was_unexpected();
        failures.extend(self.history.errors());
        let (lives, panics) = logs::panics(&self.folder.join("logs"));
        failures.extend(panics);
        let claim = "no process ended by itself or panicked, and every state could be read";
        Check::made(claim, format!("{lives} lives of 5 processes"), failures)
    }

    /// Keep the states of the invocations that a failed check is about.
    async fn keep_states(&self, checks: &[Check]) {
        for id in checks.iter().flat_map(|check| &check.about).take(50) {
            let Ok(key) = InvocationId::new(id.as_str()) else {
                continue;
            };
            if let Ok(state) = self.client.state(&key).await {
                let file = self
                    .folder
                    .join("states")
                    .join(format!("{}.json", key.key().as_str()));
                // Only a help for whoever looks into it.
                let _ = std::fs::write(file, &state.json);
            }
        }
    }
}
