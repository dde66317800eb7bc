//! Placing what is in hand: taken into the turn, known already, dropped by a fresh value,
//! refused, or kept for later.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use headwater_core::{
    Effect, Machine, Placement, Workflow,
    invocation::Mismatch,
    mutant::{Mutant, is_broken},
};
use headwater_store::{StoreError, Verdict};
use headwater_wire::{
    Code, Command, Failure, Value, command::Channel, limits, names::Address, turn::Root,
};

use super::{Actor, Loaded, Lost, load::SUSPECT_AFTER};
use crate::{
    emit::{Backoff, emit},
    registry::Found,
    router::Delivered,
};

/// When to look again at a command that could not be placed, if nothing happens before.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Whether a command may go into the turn that is being made.
enum Ready {
    Yes,
    /// Not now; a turn has to be stored first, or something has to come.
    No,
    /// Not here; it was given back.
    GivenBack,
}

impl Actor {
    /// Place everything in hand.
    pub(super) async fn place_all(&mut self) -> Result<(), Lost> {
        let mut later = VecDeque::new();
        if let Some(loaded) = &mut self.loaded {
            loaded.machine_mut().tidy(self.shared.env.now());
        }
        while let Some(mut delivered) = self.queue.pop_front() {
            if self.is_too_old(&delivered) {
                continue;
            }
            let Some(loaded) = &self.loaded else {
                later.push_back(delivered);
                continue;
            };
            if let Some(to) = self.forward_to(&delivered) {
                let command = Box::new(delivered.command.clone());
                let forward = vec![Effect::Command { to, command }];
                emit(&self.shared, forward).await;
                self.answer(&delivered, Verdict::Ack).await;
                continue;
            }
            let machine = loaded.machine();
            let placement = match machine.turn_is_full() {
                true => Placement::Wait,
                false => {
                    let delivery = &delivered.delivery;
                    machine.place(&delivered.command, delivery.seq, delivery.stored_at)
                }
            };
            // A turn that is not stored yet must not decide that something is dropped or told. Nor
            // that it makes no sense: to a box that is full, another makes room.
            let placement = match placement {
                Placement::Drop(_)
                | Placement::Tell(_)
                | Placement::Foreign(_)
                | Placement::Supersede
                    if machine.has_turn() =>
                {
                    Placement::Wait
                }
                placement => placement,
            };
            // By an old value that would be dropped or refused which belongs to a newer one.
            let is_final = matches!(
                placement,
                Placement::Drop(_) | Placement::Tell(_) | Placement::Foreign(_)
            );
            let stale = is_final && self.fresh_at < delivered.received;
            if stale && !is_broken(Mutant::StaleDrop) && !self.refresh().await {
                return Err(self.lost(delivered, &mut later));
            }
            match placement {
                Placement::Take => self.take(delivered, &mut later).await?,
                Placement::TakeInOrder { from_seq } => {
                    if self.is_first(&delivered, from_seq).await {
                        self.take(delivered, &mut later).await?;
                    } else if self.refresh().await {
                        // What waits must not keep out what it waits for.
                        delivered.room = None;
                        later.push_back(delivered);
                    } else {
                        return Err(self.lost(delivered, &mut later));
                    }
                }
                Placement::Taken if is_broken(Mutant::AckTaken) => {
                    self.answer(&delivered, Verdict::Ack).await;
                }
                // Its writer has it, and says so all along: should it die, this comes again.
                Placement::Taken if self.is_outrun(&delivered.root) => {
                    tracing::debug!(key = %self.address.key, "let go of local work that another engine is at");
                }
                Placement::Taken => self.hold(delivered).await,
                Placement::Drop(reason) => {
                    self.shared.metrics.dropped.inc();
                    self.tell_dropped(&delivered.command, reason);
                    self.answer(&delivered, Verdict::Ack).await;
                }
                Placement::Tell(_) if is_broken(Mutant::SilentRefusal) => {
                    self.answer(&delivered, Verdict::Ack).await;
                }
                Placement::Supersede => self.supersede(delivered).await,
                Placement::Tell(tell) => {
                    emit(&self.shared, tell).await;
                    match self.rests_on(&delivered.root) {
                        // It has brought a signal.
                        true => self.hold(delivered).await,
                        false => self.answer(&delivered, Verdict::Ack).await,
                    }
                }
                Placement::Foreign(reason) => {
                    self.shared
                        .give_up(&delivered.delivery, reason.to_owned())
                        .await;
                }
                Placement::Wait => {
                    // What waits must not keep others out.
                    delivered.room = None;
                    later.push_back(delivered);
                }
            }
        }
        while later.len() > limits::WAITING_COMMANDS_MAX
            && let Some(delivered) = later.pop_back()
        {
            self.give_back(delivered).await;
        }
        self.look_again = match later.is_empty() {
            true => None,
            false => Some(self.shared.env.elapsed() + LOOK_AGAIN),
        };
        self.queue = later;
        Ok(())
    }

    /// An event that nobody waits for may be a mistake of whoever raised it.
    fn tell_dropped(&self, command: &Command, reason: &str) {
        let key = &self.address.key;
        match (command, self.loaded.as_ref()) {
            (Command::Signal(event), Some(Loaded::Invocation(invocation)))
                if event.channel == Channel::Event =>
            {
                let invocation_id = &invocation.value().id;
                tracing::warn!(%invocation_id, event = event.name, reason, "dropped an event");
            }
            _ => tracing::debug!(%key, command = command.name(), reason, "dropped"),
        }
    }

    /// Where a command belongs that went to another task queue than its invocation's: its sender
    /// could not know.
    fn forward_to(&self, delivered: &Delivered) -> Option<Address> {
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return None;
        };
        let is_start = matches!(delivered.command, Command::Start(_));
        let to = invocation.address();
        (!is_start && invocation.is_stored() && to.queue != self.shared.config.queue).then_some(to)
    }

    /// Whether this engine has the workflow of the invocation in its version.
    pub(super) fn has_workflow(&self) -> bool {
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return false;
        };
        self.workflow_of(invocation.value()).is_some()
    }

    /// The workflow of an invocation in its version, if this engine has it.
    fn workflow_of(&self, value: &Value) -> Option<Arc<dyn Workflow>> {
        let registry = &self.shared.registry;
        match registry.find(&value.workflow, Some(&value.version)) {
            Found::Here(_, workflow) => Some(Arc::clone(workflow)),
            _ => None,
        }
    }

    /// What is in hand is to be placed anew, by a value that is read again.
    fn lost(&mut self, delivered: Delivered, later: &mut VecDeque<Delivered>) -> Lost {
        self.queue.push_front(delivered);
        self.queue.append(later);
        Lost
    }

    /// A command held for longer than the retention may have been taken, and its value may
    /// have expired since: let it come again, if it still exists.
    fn is_too_old(&self, delivered: &Delivered) -> bool {
        let held = self.shared.env.elapsed().saturating_sub(delivered.received);
        held >= self.shared.config.retention.max(limits::RETENTION_MIN)
    }

    /// Take a command into the turn, if the machine is able to act on it.
    async fn take(
        &mut self,
        delivered: Delivered,
        later: &mut VecDeque<Delivered>,
    ) -> Result<(), Lost> {
        match self.make_ready(&delivered).await {
            Ok(Ready::Yes) => {}
            Ok(Ready::No) => {
                later.push_back(delivered);
                return Ok(());
            }
            Ok(Ready::GivenBack) => {
                self.give_back(delivered).await;
                return Ok(());
            }
            Err(Lost) => return Err(self.lost(delivered, later)),
        }
        if let Command::Delete(_) = delivered.command {
            // It takes away what the effects of the last turn are made of.
            self.settle().await;
        }
        let now = self.shared.env.now();
        let Some(loaded) = &mut self.loaded else {
            later.push_back(delivered);
            return Ok(());
        };
        let command = delivered.command.clone();
        if let Command::Outcome(outcome) = &command
            && outcome.result.as_ref().is_err_and(|error| !error.is_final)
        {
            self.shared.metrics.retries.inc();
        }
        loaded
            .machine_mut()
            .take(command, delivered.delivery.seq, now);
        self.keep(delivered, later);
        Ok(())
    }

    /// Hold what was taken. A start has only brought a signal: once that is stored, it is placed
    /// again, and its asker told that the id is in use.
    fn keep(&mut self, mut delivered: Delivered, later: &mut VecDeque<Delivered>) {
        match delivered.command {
            Command::Start(_) => {
                delivered.room = None;
                later.push_back(delivered);
            }
            _ => self.held.push(delivered),
        }
    }

    /// See that an invocation has its program before it acts.
    async fn make_ready(&mut self, delivered: &Delivered) -> Result<Ready, Lost> {
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return Ok(Ready::Yes);
        };
        if !invocation.needs_program_for(&delivered.command) {
            return Ok(Ready::Yes);
        }
        if invocation.has_turn() {
            // What was parked in this very turn is stored before it is resumed.
            let resumes = matches!(delivered.command, Command::Resume { .. });
            return Ok(match invocation.value().parked {
                Some(_) if !resumes => Ready::Yes,
                _ => Ready::No,
            });
        }
        // Its program was stopped in this memory, which keeps no pages: read it again.
        if invocation.pages() != self.pages.len() {
            return Err(Lost);
        }
        let suspected = self.cold && delivered.delivery.deliveries > SUSPECT_AFTER;
        if suspected && self.has_workflow() && self.suspect().await? {
            return Ok(Ready::Yes);
        }
        Ok(match self.attach().await {
            // What it has decided comes first.
            Attached::Yes if self.has_more() => Ready::No,
            Attached::Yes | Attached::Parked => Ready::Yes,
            Attached::NotHere => Ready::GivenBack,
        })
    }

    fn has_more(&self) -> bool {
        match &self.loaded {
            // What was deferred waits for the command that resumes it.
            Some(Loaded::Invocation(i)) => i.has_more() && i.value().parked.is_none(),
            _ => false,
        }
    }

    /// Store that the handling of what came again and again is begun once more. True if that
    /// is enough: the invocation is parked.
    pub(super) async fn suspect(&mut self) -> Result<bool, Lost> {
        let now = self.shared.env.now();
        let Some(invocation) = self.loaded.as_mut().and_then(Loaded::invocation) else {
            return Ok(false);
        };
        let crashes = invocation.suspect_crash();
        let give_up = crashes > limits::CRASHES_MAX;
        if give_up {
            let message = format!(
                "handling it has ended its engine {} times; mend the workflow, then resume it",
                limits::CRASHES_MAX
            );
            let reason = Failure::fatal(Code::POISON, message);
            let difference = Vec::new();
            invocation.park(Mismatch { reason, difference }, now);
        }
        self.commit().await?;
        Ok(give_up)
    }

    /// Replay the program of the invocation in hand.
    pub(super) async fn attach(&mut self) -> Attached {
        let now = self.shared.env.now();
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return Attached::Yes;
        };
        let value = invocation.value();
        let Some(workflow) = self.workflow_of(value) else {
            tracing::warn!(
                invocation_id = %value.id, workflow = %value.workflow, version = %value.version,
                "this engine does not have the workflow in this version; its commands are given back"
            );
            return Attached::NotHere;
        };
        let program = workflow.instantiate(invocation.program_info());
        let pages = std::mem::take(&mut self.pages);
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return Attached::Yes;
        };
        self.shared.registry.offer(invocation);
        match invocation.attach(program, &pages, now) {
            Ok(()) => Attached::Yes,
            Err(mismatch) => {
                self.shared.metrics.parked.inc();
                tracing::error!(invocation_id = %invocation.value().id, reason = %mismatch.reason, "parked");
                invocation.park(mismatch, now);
                self.pages = pages;
                Attached::Parked
            }
        }
    }

    /// Whether local work hangs on a command that another engine has in hand as well, and is ahead
    /// with: the swap that was lost here was won by a turn that rests on it.
    fn is_outrun(&self, root: &Root) -> bool {
        let (Some(loaded), Some(lost_at)) = (&self.loaded, self.lost_at) else {
            return false;
        };
        let machine = loaded.machine();
        let last = machine.last_turn();
        let own = last.id.strip_prefix(self.shared.id.as_str());
        machine.revision() > lost_at
            && machine.is_anchor(root)
            && last.roots.contains(root)
            && !own.is_some_and(|rest| rest.starts_with('-'))
    }

    /// Whether the last turn rests on a command, or something hangs on it.
    fn rests_on(&self, root: &Root) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| {
            let machine = loaded.machine();
            machine.last_turn().roots.contains(root) || machine.is_anchor(root)
        })
    }

    /// Hold a command that was taken, until it may be acknowledged.
    async fn hold(&mut self, mut delivered: Delivered) {
        if let Command::Start(start) = &delivered.command
            && let Some(inbox) = &start.reply_to
            && let Some(Loaded::Invocation(invocation)) = &self.loaded
            && invocation.value().status.is_ended()
            && !invocation.has_turn()
        {
            let reply = invocation.reply(false).encode();
            self.shared.store.hint(inbox, reply).await;
        }
        delivered.room = None;
        let seq = delivered.delivery.seq;
        self.held.retain(|other| other.delivery.seq != seq);
        self.held.push(delivered);
    }

    /// Whether no earlier submission for this key is still untaken.
    async fn is_first(&self, delivered: &Delivered, from_seq: u64) -> bool {
        let mut from_seq = from_seq;
        let mut backoff = Backoff::new("looking for earlier submissions");
        loop {
            let Address { queue, key, .. } = &self.address;
            let first = self.shared.store.first_command(queue, key, from_seq);
            match first.await {
                Ok(Some((seq, _))) if seq >= delivered.delivery.seq => return true,
                Ok(Some((_, body))) if is_submission(&body) => return false,
                Ok(Some((seq, _))) => from_seq = seq + 1,
                // It was acknowledged, so another engine has taken it.
                Ok(None) => return false,
                Err(error @ StoreError::Refused(_)) => {
                    tracing::error!(%error, "cannot look for earlier submissions");
                    backoff.wait(&self.shared.env, &error).await;
                }
                Err(error) => backoff.wait(&self.shared.env, &error).await,
            }
        }
    }
}

/// How attaching a program went.
pub(super) enum Attached {
    Yes,
    Parked,
    NotHere,
}

fn is_submission(body: &[u8]) -> bool {
    matches!(Command::decode(body), Ok(Command::Submit(_)))
}
