//! Making and storing turns.

use bytes::Bytes;
use futures::{FutureExt, future::poll_fn};
use headwater_core::{
    LogLevel, Machine, Turn,
    invocation::TimerRights,
    mutant::{Mutant, is_broken},
};
use headwater_store::{Bucket, Expect, StoreError, Ttl};
use headwater_wire::{
    Code, Failure, Status, Timestamp, limits, names::Hint, send::Sent, turn::Root,
};

use super::{Actor, Loaded, Lost, load::SUSPECT_AFTER, place::Attached};
use crate::emit::{Backoff, emit, put_page};

/// Log a line of a workflow with what says where it comes from.
macro_rules! log {
    ($level:ident, $value:expr, $message:expr) => {{
        let value = $value;
        tracing::$level!(
            target: "headwater::workflow",
            invocation_id = %value.id, workflow = %value.workflow, version = %value.version,
            run = %value.run, "{}", $message
        );
    }};
}

impl Actor {
    /// Let a new invocation's first local steps run before its first value is written, for a
    /// moment: most then need one write less. All they rest on is the stored start.
    pub(super) async fn run_ahead(&mut self) {
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return;
        };
        // After a loss somebody else may be at it: no step may run twice for that.
        if self.losses > 0 || !self.new_start || !invocation.may_run_before_first_value() {
            return;
        }
        invocation.release_locals(&|_| true);
        let mut next = poll_fn(|cx| invocation.poll_local(cx));
        let outcome = match (&mut next).now_or_never() {
            Some(outcome) => Some(outcome),
            None => tokio::select! {
                biased;
                outcome = &mut next => Some(outcome),
                () = self.shared.env.sleep(self.shared.config.first_value_delay) => None,
            },
        };
        if let Some(outcome) = outcome {
            self.shared.metrics.local_steps.inc();
            self.take_local(outcome);
        }
    }

    /// Store the turn that has been made and emit what follows. False if there was none.
    pub(super) async fn commit(&mut self) -> Result<bool, Lost> {
        if !self.loaded.as_ref().is_some_and(|l| l.machine().has_turn()) {
            return Ok(false);
        }
        self.settle().await;
        let (now, id) = (self.shared.env.now(), self.shared.turn_id());
        let Some(loaded) = &mut self.loaded else {
            return Ok(false);
        };
        let mut turn = match loaded.machine_mut().prepare(now, id) {
            Ok(turn) => turn,
            Err(error) => {
                tracing::error!(key = %self.address.key, error, "the turn cannot be encoded; this is a bug");
                let error = StoreError::Refused(error);
                Backoff::new("encoding a turn")
                    .wait(&self.shared.env, &error)
                    .await;
                return Err(Lost);
            }
        };
        if turn.value.len() > limits::VALUE_BYTES_MAX && !self.overflow {
            tracing::error!(key = %self.address.key, bytes = turn.value.len(), "the value would pass VALUE_BYTES_MAX; the invocation fails");
            self.overflow = true;
            return Err(Lost);
        }
        if is_broken(Mutant::ActFirst) {
            let effects = loaded.machine().effects();
            emit(&self.shared, effects).await;
        }
        if is_broken(Mutant::NextStepEarly)
            && let Some(invocation) = self.loaded.as_mut().and_then(Loaded::invocation)
        {
            invocation.release_locals(&|_| true);
            let _ = poll_fn(|cx| invocation.poll_local(cx)).now_or_never();
        }
        let verified = self.to_verify(&turn);
        let forgotten = std::mem::take(&mut turn.forgotten);
        let revision = self.swap(turn).await?;
        self.forget_parts(forgotten).await;
        self.overflow = false;
        if let Some(loaded) = &mut self.loaded {
            loaded.machine_mut().committed(revision);
        }
        self.after_commit().await;
        if let Some(stored) = verified {
            self.verify(&stored);
        }
        Ok(true)
    }

    /// An invocation whose value cannot be stored fails, with that reason.
    pub(super) fn fail_if_too_large(&mut self) {
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return;
        };
        if self.overflow && !invocation.has_turn() && !invocation.value().status.is_ended() {
            let message = format!(
                "its state would pass the limit VALUE_BYTES_MAX of {} bytes: keep inputs, results and signals small, and what is large elsewhere",
                limits::VALUE_BYTES_MAX
            );
            let roots: Vec<Root> = self.queue.iter().map(|delivered| delivered.root).collect();
            let now = self.shared.env.now();
            invocation.fail(Failure::fatal(Code::TOO_LARGE, message), &roots, now);
        }
    }

    /// Compare and swap, until the answer is known.
    async fn swap(&mut self, turn: Turn) -> Result<u64, Lost> {
        let shared = &self.shared;
        let key = &self.address.key;
        let mut backoff = Backoff::new("storing a turn");
        if let Some((number, page)) = turn.page {
            let page = Bytes::from(page);
            while let Err(error) =
                put_page(&shared.store, key, number, page.clone(), Ttl::Never).await
            {
                backoff.wait(&shared.env, &error).await;
            }
            // What the program is still to be replayed over is kept whole.
            if let Some(Loaded::Invocation(invocation)) = &self.loaded
                && invocation.needs_program()
                && invocation.has_page(number)
            {
                self.pages.push(page);
            }
        }
        if let Some(archive) = turn.archive {
            self.store_archive(archive).await;
        }
        let ttl = turn.ttl.map_or(Ttl::Never, Ttl::After);
        let value = Bytes::from(turn.value);
        let mut expect = Expect::Revision(turn.expected);
        let mut unknown = false;
        loop {
            let asked = shared.env.elapsed();
            let put = shared
                .store
                .put(Bucket::State, key.as_str(), value.clone(), expect, ttl);
            let error = match put.await {
                Ok(revision) => {
                    self.fresh_at = asked;
                    return Ok(revision);
                }
                // The same write may have landed before: then the value is the one written here.
                Err(StoreError::Conflict) if unknown => {
                    let revision = self.find_own(&value).await.ok_or(Lost)?;
                    self.fresh_at = asked;
                    return Ok(revision);
                }
                Err(StoreError::Conflict) => return Err(Lost),
                Err(error) => error,
            };
            if let StoreError::Unknown(_) = error {
                if is_broken(Mutant::UnknownIsSuccess) {
                    return Ok(turn.expected + 1);
                }
                if is_broken(Mutant::UnknownIsFailure) {
                    let now = self.read_record().await.map_or(0, |record| record.revision);
                    expect = Expect::Revision(now);
                }
                unknown = true;
                shared.metrics.swaps_unknown.inc();
            }
            backoff.wait(&shared.env, &error).await;
        }
    }

    /// The revision of the value, if it is byte for byte the one that was written here. It
    /// bears the id of the turn, so nobody else can have written it.
    async fn find_own(&self, value: &Bytes) -> Option<u64> {
        let record = self.read_record().await?;
        (record.value == *value).then_some(record.revision)
    }

    async fn after_commit(&mut self) {
        self.forget_taken_outcomes();
        self.shared.metrics.turns.inc();
        for delivered in &mut self.held {
            if delivered.room.take().is_some() {
                let waited = self.shared.env.now().since(delivered.delivery.stored_at);
                self.shared
                    .metrics
                    .turn_seconds
                    .observe(waited.as_secs_f64());
            }
        }
        let Some(loaded) = &mut self.loaded else {
            return;
        };
        let machine = loaded.machine_mut();
        let held = &self.held;
        let fired =
            |root: &&Root| matches!(root, Root::Timer(_)) && !held.iter().any(|d| d.root == **root);
        for root in machine.last_turn().roots.iter().filter(fired) {
            if !self.fired.contains(root) {
                self.fired.push(*root);
            }
        }
        self.fired
            .retain(|root| machine.is_anchor(root) || machine.last_turn().roots.contains(root));
        self.count();
        self.settled = false;
        self.cold = false;
        self.tell_logs();
        self.settle().await;
        self.tell_change().await;
        self.tell_end().await;
    }

    /// What the stored turn has begun and ended.
    fn count(&self) {
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return;
        };
        let (metrics, value) = (&self.shared.metrics, invocation.value());
        if value.turn.number == 1 {
            metrics.started.inc();
        }
        if invocation.continued_by_last_turn() {
            metrics.continued.inc();
        }
        let begins =
            |sent: &&Sent| matches!(sent, Sent::Command { command, .. } if command.begins_child());
        let children = value.sends.iter().filter(begins).count();
        metrics.children.inc_by(children as u64);
        if invocation.ended_by_last_turn() {
            metrics.ended.inc();
            if let Some(error) = &value.error {
                metrics.count_failure(&error.code);
            }
        }
    }

    /// The turn that was stored has taken them, or they are no longer wanted.
    fn forget_taken_outcomes(&mut self) {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        if let Some(Loaded::Invocation(invocation)) = &self.loaded {
            let run = invocation.value().run;
            outcomes
                .retain(|(of, outcome)| *of == run && invocation.wants_local(outcome, &|_| true));
            self.outcomes = outcomes;
        }
    }

    fn tell_logs(&mut self) {
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return;
        };
        for line in invocation.take_logs() {
            let value = invocation.value();
            match line.level {
                LogLevel::Debug => log!(debug, value, line.message),
                LogLevel::Info => log!(info, value, line.message),
                LogLevel::Warn => log!(warn, value, line.message),
                LogLevel::Error => log!(error, value, line.message),
            }
        }
    }

    /// Tell whoever waits for it that its status, or a key-value pair, has changed. A hint: the
    /// value is the truth.
    async fn tell_change(&mut self) {
        if let Some(Loaded::Invocation(invocation)) = &mut self.loaded
            && invocation.shows_more()
        {
            let store = &self.shared.store;
            let subject = store.hint_subject(Hint::Status(&self.address.key));
            store.hint(&subject, Bytes::new()).await;
        }
    }

    /// Tell whoever waits that it has ended. Hints: the value is the truth.
    async fn tell_end(&mut self) {
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return;
        };
        let value = invocation.value();
        if !invocation.ended_by_last_turn() {
            return;
        }
        match value.status {
            Status::Completed => tracing::info!("Execution completed successfully: {}", value.id),
            status => tracing::warn!(%status, why = value.why, "Execution ended: {}", value.id),
        }
        let reply = invocation.reply(false).encode();
        let store = &self.shared.store;
        if let Some(inbox) = &value.reply_to {
            store.hint(inbox, reply.clone()).await;
        }
        store
            .hint(&store.ended_subject(&self.address.key), reply)
            .await;
    }

    /// Let the local steps run that hang on what is in hand.
    pub(super) async fn start_locals(&mut self) -> Result<(), Lost> {
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return Ok(());
        };
        let anchored = |d: &&super::Delivered| invocation.is_anchor(&d.root);
        let anchor = self.held.iter().find(anchored);
        let anchored_here =
            anchor.is_some() && invocation.needs_program() && invocation.value().parked.is_none();
        if anchored_here || invocation.can_go_on() {
            let redelivered = anchor
                .or(self.held.first())
                .map_or(0, |d| d.delivery.deliveries);
            return self.revive(redelivered).await;
        }
        self.release_locals();
        Ok(())
    }

    /// What hangs on what is in hand may run; when stopping, nothing new begins.
    fn release_locals(&mut self) {
        let (held, fired) = (&self.held, &self.fired);
        if let Some(Loaded::Invocation(invocation)) = &mut self.loaded
            && !invocation.has_turn()
            && !self.shared.is_stopping()
        {
            let in_hand = |root: &Root| Self::in_hand(held, fired, root);
            let run = invocation.value().run;
            for (of, outcome) in std::mem::take(&mut self.outcomes) {
                if of == run && !invocation.has_more() && invocation.wants_local(&outcome, &in_hand)
                {
                    self.outcomes.push((of, outcome.clone()));
                    invocation.take_local(outcome, self.shared.env.now());
                }
            }
            if invocation.has_turn() {
                return;
            }
            invocation.release_locals(&in_hand);
        }
    }

    /// Replay the program, since work of it hangs on a command that came again.
    async fn revive(&mut self, deliveries: u64) -> Result<(), Lost> {
        let suspected = self.cold && deliveries > SUSPECT_AFTER && self.has_workflow();
        if suspected && self.suspect().await? {
            return Ok(());
        }
        if let Attached::NotHere = self.attach().await {
            for delivered in std::mem::take(&mut self.held) {
                self.give_back(delivered).await;
            }
            self.loaded = None;
            return Ok(());
        }
        self.release_locals();
        Ok(())
    }

    /// Whether the program goes on with what the last turn could not hold, or something else
    /// has to be stored.
    pub(super) fn go_on(&mut self) -> bool {
        match &mut self.loaded {
            Some(Loaded::Invocation(invocation)) => {
                if invocation.has_more() {
                    invocation.go_on(self.shared.env.now());
                }
                invocation.has_turn()
            }
            _ => false,
        }
    }

    /// Fire the timers that are due.
    pub(super) async fn fire_timers(&mut self) {
        let Some(due) = self.next_due() else {
            return;
        };
        let now = self.shared.env.now();
        if due > now {
            return;
        }
        // What follows rests on the timer's schedule, which may be an effect of the last turn.
        self.settle().await;
        let (held, fired) = (&self.held, &self.fired);
        if let Some(Loaded::Invocation(invocation)) = &mut self.loaded
            && !invocation.has_more()
        {
            let rights = TimerRights {
                scheduled: self.shared.pulls(invocation.value().partition),
                in_hand: &|root| Self::in_hand(held, fired, root),
            };
            invocation.fire_due(now, &rights);
        }
    }

    /// When the next timer is due that may be fired here.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return None;
        };
        let (held, fired) = (&self.held, &self.fired);
        invocation.next_due(&TimerRights {
            scheduled: self.shared.pulls(invocation.value().partition),
            in_hand: &|root| Self::in_hand(held, fired, root),
        })
    }
}
