//! What clients do: start, signal and cancel a random mix of workflows, some twice, some early,
//! some late; and wait for what comes out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use headwater_client::{Client, ClientError, Ended, Prune};
use headwater_wire::{Code, InvocationId, Payload, command::Channel};

use crate::{
    cast::Stage,
    dice::Dice,
    script::{DONE, Script, WORKFLOW, answer_to, channel_of, data_of, named_signals},
    truth::Role,
};

/// Longest time that a client waits for an outcome: more than any world lasts.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// One invocation that is to be started.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its id; none: made by the client.
    pub id: Option<String>,
    /// Its partition key.
    pub key: Option<String>,
    /// What it does.
    pub script: Script,
    /// When it is started, in milliseconds.
    pub at_ms: u64,
    /// When another asks for the same id.
    pub rival_at_ms: Option<u64>,
    /// When the same asker asks again.
    pub again_at_ms: Option<u64>,
    /// Signals: name, number, when, and how often the same one is sent.
    pub signals: Vec<(String, u32, u64, u32)>,
    /// When it is asked how far it is.
    pub query_at_ms: Option<u64>,
    /// When it is cancelled.
    pub cancel_at_ms: Option<u64>,
    /// When it is terminated.
    pub terminate_at_ms: Option<u64>,
    /// When it is paused, and when it is resumed.
    pub pause_ms: Option<(u64, u64)>,
    /// When its earlier runs are forgotten but for so many.
    pub prune: Option<(u64, u32)>,
}

/// What is to be started in a world.
#[must_use]
pub fn plan(seed: u64, chaos_ms: u64) -> Vec<Planned> {
    let mut dice = Dice::new(seed, "plan");
    let mut ruler = Dice::new(seed, "life cycle");
    let rules = ruler.chance(0.5);
    let mut pruner = Dice::new(seed, "prune");
    let count = dice.between(2, 14);
    let mut all = Vec::new();
    for number in 0..count {
        let named = dice.chance(0.7);
        let script = Script::random(&mut dice, named);
        let at_ms = dice.below(chaos_ms * 2 / 3);
        let around = |dice: &mut Dice, before: u64, after: u64| {
            (at_ms + dice.between(0, before + after)).saturating_sub(before)
        };
        let mut signals = Vec::new();
        for (name, wanted) in script.wanted_signals() {
            for signal in 0..wanted {
                let repeats = if dice.chance(0.3) { 2 } else { 1 };
                let at = around(&mut dice, 2_000, 9_000);
                signals.push((name.clone(), signal, at, repeats));
            }
        }
        all.push(Planned {
            id: named.then(|| format!("order/{number}")),
            key: dice.chance(0.3).then(|| format!("key {}", dice.below(2))),
            rival_at_ms: (named && dice.chance(0.25)).then(|| around(&mut dice, 500, 3_000)),
            again_at_ms: (named && dice.chance(0.25)).then(|| around(&mut dice, 0, 9_000)),
            query_at_ms: (named && ruler.chance(0.4)).then(|| around(&mut ruler, 0, 9_000)),
            cancel_at_ms: (named && dice.chance(0.12)).then(|| around(&mut dice, 1_000, 9_000)),
            terminate_at_ms: (rules && named && ruler.chance(0.15))
                .then(|| around(&mut ruler, 500, 9_000)),
            pause_ms: (rules && named && ruler.chance(0.3)).then(|| {
                let at = around(&mut ruler, 500, 6_000);
                (at, at + ruler.between(0, 9_000))
            }),
            prune: (named && script.more_runs > 0 && pruner.chance(0.4)).then(|| {
                let keep = u32::from(pruner.chance(0.5));
                (around(&mut pruner, 0, 20_000), 1 + keep)
            }),
            script,
            at_ms,
            signals,
        });
    }
    all
}

/// Signals by their name alone: name, number, when, and how often the same one is sent.
#[must_use]
pub fn plan_named(seed: u64, chaos_ms: u64, plan: &[Planned]) -> Vec<(String, u32, u64, u32)> {
    let mut dice = Dice::new(seed, "names");
    let mut all = Vec::new();
    for (name, wanted) in named_signals(plan.iter().map(|planned| &planned.script)) {
        for number in 0..wanted {
            let repeats = if dice.chance(0.3) { 2 } else { 1 };
            all.push((name.clone(), number, dice.below(chaos_ms), repeats));
        }
    }
    all
}

/// What the clients were told.
#[derive(Default)]
pub struct Answers {
    /// Started for sure, by the index of the plan.
    pub started: Vec<(usize, InvocationId)>,
    /// What a client that waited was told, by the index of the plan.
    pub ended: Vec<(usize, Ended)>,
    /// Updates that came to no answer: whose, and what the client was told.
    pub unanswered: Vec<(InvocationId, String)>,
    /// Clients still at it.
    pub busy: usize,
}

/// The clients of a world.
#[derive(Clone)]
pub struct Clients {
    stage: Stage,
    client: Client,
    answers: Arc<Mutex<Answers>>,
}

impl Clients {
    /// Clients that share one process.
    #[must_use]
    pub fn new(stage: &Stage, name: &str, answers: &Arc<Mutex<Answers>>) -> Self {
        let life = stage.new_life(Role::Client, name);
        Self {
            stage: stage.clone(),
            client: Client::new(life.store, life.env),
            answers: Arc::clone(answers),
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Do what is planned for one invocation.
    pub fn perform(&self, index: usize, planned: &Planned, rival: &Self) {
        let request = format!("request {index}");
        self.go(self
            .clone()
            .start(index, planned.clone(), request.clone(), planned.at_ms));
        if let Some(at) = planned.rival_at_ms {
            let rivals = format!("rival of {index}");
            rival.go(rival.clone().start(index, planned.clone(), rivals, at));
        }
        if let Some(at) = planned.again_at_ms {
            rival.go(rival.clone().start(index, planned.clone(), request, at));
        }
        let Some(id) = planned
            .id
            .as_ref()
            .and_then(|id| InvocationId::new(id.as_str()).ok())
        else {
            return;
        };
        for (name, number, at, repeats) in &planned.signals {
            for repeat in 0..*repeats {
                let sender = if repeat == 0 { self } else { rival };
                let at = at + u64::from(repeat) * 700;
                sender.go(sender.clone().signal(id.clone(), name.clone(), *number, at));
            }
        }
        if let Some(at) = planned.query_at_ms {
            let most = planned.script.operations();
            rival.go(rival.clone().query(id.clone(), most, at));
        }
        if let Some(at) = planned.cancel_at_ms {
            rival.go(rival.clone().cancel(id.clone(), at));
        }
        if let Some(at) = planned.terminate_at_ms {
            rival.go(rival.clone().terminate(id.clone(), at));
        }
        if let Some((at, keep)) = planned.prune {
            rival.go(rival.clone().prune(id.clone(), at, keep));
        }
        if let Some((at, until)) = planned.pause_ms {
            rival.go(rival.clone().pause(id, at, until));
        }
    }

    /// Send a signal by its name alone, some of them twice.
    pub fn send_named(&self, signal: &(String, u32, u64, u32), rival: &Self) {
        let (name, number, at, repeats) = signal;
        for repeat in 0..*repeats {
            let sender = if repeat == 0 { self } else { rival };
            let at = at + u64::from(repeat) * 700;
            sender.go(sender.clone().signal_named(name.clone(), *number, at));
        }
    }

    fn go(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.answers().busy += 1;
        let clients = self.clone();
        self.stage.run(async move {
            future.await;
            clients.answers().busy -= 1;
        });
    }

    async fn wait_until(&self, at_ms: u64) {
        let at = Duration::from_millis(at_ms);
        let left = at.saturating_sub(self.stage.world.now());
        self.stage.world.sleep(left).await;
    }

    async fn again_soon(&self) {
        self.stage.world.sleep(Duration::from_millis(500)).await;
    }

    async fn start(self, index: usize, planned: Planned, request: String, at_ms: u64) {
        self.wait_until(at_ms).await;
        let mut handle = loop {
            let mut call = self
                .client
                .start(WORKFLOW)
                .input(&planned.script)
                .request(&request);
            if let Some(id) = &planned.id {
                call = call.id(id);
            }
            if let Some(key) = &planned.key {
                call = call.key(key);
            }
            if index.is_multiple_of(2) {
                call = call.expect_outcome();
            }
            match call.send().await {
                Ok(handle) => break handle,
                // Whether it was stored is not known, and its id is lost.
                Err(_) if planned.id.is_none() => return,
                Err(_) => self.again_soon().await,
            }
        };
        let id = handle.id().clone();
        self.answers().started.push((index, id.clone()));
        loop {
            match handle.wait(PATIENCE).await {
                Ok(ended) => return self.answers().ended.push((index, ended)),
                Err(ClientError::Timeout { .. }) => return,
                Err(_) => self.again_soon().await,
            }
        }
    }

    async fn signal(self, id: InvocationId, name: String, number: u32, at_ms: u64) {
        self.wait_until(at_ms).await;
        let signal_id = format!("{name}/{number}");
        let Ok(data) = data_of(&name, number) else {
            return;
        };
        let channel = channel_of(&name);
        if channel == Channel::Update {
            return self.update(&id, &name, data, signal_id).await;
        }
        loop {
            let id_of_sender = Some(signal_id.clone());
            let client = &self.client;
            let sent = client.send_on(channel, &id, &name, data.clone(), id_of_sender);
            match sent.await {
                Ok(_) => return,
                Err(_) => self.again_soon().await,
            }
        }
    }

    /// Asked until there is an answer, which is the right one, or the invocation has ended.
    async fn update(&self, id: &InvocationId, name: &str, data: Payload, update_id: String) {
        let Ok(expected) = answer_to(&data) else {
            return;
        };
        let told = loop {
            let (data, id_of_sender) = (data.clone(), Some(update_id.clone()));
            let client = &self.client;
            let answer = client.update_payload(id, name, data, id_of_sender, PATIENCE / 60);
            match answer.await {
                Ok(answer) => break answer.decode::<u64>().map_err(|error| error.to_string()),
                Err(ClientError::Refused { failure, .. }) if failure.code == Code::UNANSWERED => {
                    let told = format!("{update_id}: {failure}");
                    return self.answers().unanswered.push((id.clone(), told));
                }
                Err(ClientError::Refused { failure, .. }) => break Err(failure.to_string()),
                Err(_) => self.again_soon().await,
            }
        };
        if told != Ok(expected) {
            let what = format!("update {update_id} was answered {told:?}, not {expected}");
            self.violate(id, what);
        }
    }

    /// Ask how far it is: never further than its end, and nothing happens by it.
    async fn query(self, id: InvocationId, most: usize, at_ms: u64) {
        self.wait_until(at_ms).await;
        if let Ok(done) = self.client.query::<_, usize>(&id, DONE, &()).await
            && done > most
        {
            self.violate(&id, format!("{done} operations are done, it has {most}"));
        }
    }

    fn violate(&self, id: &InvocationId, what: String) {
        let (truth, now) = (&self.stage.truth, self.stage.world.now());
        truth.checks().violate(now, id.key().to_string(), what);
    }

    async fn signal_named(self, name: String, number: u32, at_ms: u64) {
        self.wait_until(at_ms).await;
        loop {
            let signal = self.client.signal_named(name.as_str(), &number);
            let signal = signal.id(format!("{name}/{number}")).keep("1 hour");
            match signal.await {
                Ok(_) => return,
                Err(_) => self.again_soon().await,
            }
        }
    }

    async fn cancel(self, id: InvocationId, at_ms: u64) {
        self.wait_until(at_ms).await;
        while self.client.cancel(&id, "changed my mind").await.is_err() {
            self.again_soon().await;
        }
    }

    async fn terminate(self, id: InvocationId, at_ms: u64) {
        self.wait_until(at_ms).await;
        loop {
            match self.client.terminate(&id, "enough").await {
                Ok(()) | Err(ClientError::AlreadyEnded { .. }) => return,
                Err(_) => self.again_soon().await,
            }
        }
    }

    async fn prune(self, id: InvocationId, at_ms: u64, keep: u32) {
        self.wait_until(at_ms).await;
        while self
            .client
            .prune(&id, &Prune::keep_last(keep))
            .await
            .is_err()
        {
            self.again_soon().await;
        }
    }

    /// Local steps that are cut off run again: that is told as bad weather.
    async fn pause(self, id: InvocationId, at_ms: u64, until_ms: u64) {
        self.wait_until(at_ms).await;
        loop {
            match self.client.pause(&id, "to look into it").await {
                Ok(()) => break,
                Err(ClientError::AlreadyEnded { .. }) => return,
                Err(_) => self.again_soon().await,
            }
        }
        self.wait_until(until_ms).await;
        self.stage.weather.note(self.stage.world.now());
        self.resume(id).await;
    }

    /// What an operator does with dead letters once all is well: publish them again.
    pub async fn redrive_all(self) {
        let store = Arc::clone(self.client.store());
        let mut from_seq = 0;
        loop {
            match store.dead_letters(from_seq, 100).await {
                Ok(letters) if letters.is_empty() => return,
                Ok(letters) => {
                    for letter in letters {
                        from_seq = letter.seq + 1;
                        while store.redrive(letter.seq).await.is_err() {
                            self.again_soon().await;
                        }
                    }
                }
                Err(_) => self.again_soon().await,
            }
        }
    }

    /// What an operator does with a parked or paused invocation.
    pub async fn resume(self, id: InvocationId) {
        while self.client.resume(&id).await.is_err() {
            self.again_soon().await;
        }
    }
}
