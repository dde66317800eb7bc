//! The effects of the last turn, and the acknowledgement of what it rests on.

use headwater_core::{
    Effect,
    mutant::{Mutant, is_broken},
};
use headwater_store::{StoreError, Verdict};
use headwater_wire::{
    Command,
    names::{Address, TimerId},
    turn::Root,
};

use super::{Actor, Delivered, Loaded};
use crate::emit::emit;

/// With more commands waiting than this, to emit once more costs less than to look at them all.
const COMMANDS_LOOKED_AT: usize = 8;

impl Actor {
    /// See that the effects of the last turn are acknowledged.
    pub(super) async fn settle(&mut self) {
        let Some(loaded) = &self.loaded else {
            return;
        };
        let machine = loaded.machine();
        if self.settled {
            return;
        }
        let mut effects = machine.effects();
        effects.retain(|effect| {
            let proves = |d: &Delivered| machine.proves(&d.command, effect);
            !self.queue.iter().any(proves) && !self.held.iter().any(proves)
        });
        let needed = match effects.is_empty() {
            true => false,
            false if self.cold && is_broken(Mutant::NoSettling) => false,
            false if self.cold => !self.roots_are_gone().await,
            false => true,
        };
        if needed {
            let tasks = effects
                .iter()
                .filter(|effect| matches!(effect, Effect::Task { .. }))
                .count();
            self.shared.metrics.tasks.inc_by(tasks as u64);
            emit(&self.shared, effects).await;
        }
        self.settled = true;
    }

    /// Whether every command that the last turn rests on has been acknowledged, which nobody
    /// does before its effects are: asked after the value was read through the leader.
    async fn roots_are_gone(&self) -> bool {
        let Some(loaded) = &self.loaded else {
            return false;
        };
        let roots = &loaded.machine().last_turn().roots;
        let in_hand = |root: &Root| {
            let is = |d: &Delivered| d.root == *root;
            self.queue.iter().any(is) || self.held.iter().any(is)
        };
        if roots.is_empty() || roots.iter().any(in_hand) {
            return false;
        }
        let (mut seqs, mut timers) = (Vec::new(), Vec::new());
        for root in roots {
            match root {
                Root::Command(seq) => seqs.push(*seq),
                Root::Timer(timer) => timers.push(*timer),
            }
        }
        let commands = self.shared.store.any_in_commands(&seqs);
        let timers = self.any_to_fire(&timers);
        matches!(
            futures::future::join(commands, timers).await,
            (Ok(false), Ok(false))
        )
    }

    /// Whether one of these timers may have a schedule yet, or its command still be there.
    async fn any_to_fire(&self, timers: &[TimerId]) -> Result<bool, StoreError> {
        if timers.is_empty() {
            return Ok(false);
        }
        let Some(Loaded::Invocation(invocation)) = &self.loaded else {
            return Ok(false);
        };
        // Not the actor's: a command may have come by another partition.
        let (store, to) = (&self.shared.store, invocation.address());
        for timer in timers {
            // In this order: a schedule becomes a command.
            if store.is_scheduled(&to, *timer).await? {
                return Ok(true);
            }
        }
        let Address { queue, key, .. } = &to;
        let mut from = 0;
        for _ in 0..COMMANDS_LOOKED_AT {
            let Some((seq, body)) = store.first_command(queue, key, from).await? else {
                return Ok(false);
            };
            match Command::decode(&body) {
                Ok(Command::TimerFired(fired)) if timers.contains(&fired) => break,
                _ => from = seq + 1,
            }
        }
        Ok(true)
    }

    /// A command in hand that is a root of the last turn waits for its effects.
    pub(super) async fn settle_roots(&mut self) {
        let Some(loaded) = &self.loaded else {
            return;
        };
        let roots = &loaded.machine().last_turn().roots;
        if !self.settled && self.held.iter().any(|d| roots.contains(&d.root)) {
            self.settle().await;
        }
    }

    /// Acknowledge what was taken, anchors nothing, and whose effects are settled if it is a
    /// root of the last turn. There is no other path to an acknowledgement of a taken command.
    pub(super) async fn release_held(&mut self) {
        let Some(loaded) = &self.loaded else {
            return;
        };
        let machine = loaded.machine();
        if machine.has_turn() {
            return;
        }
        let mut kept = Vec::new();
        for delivered in std::mem::take(&mut self.held) {
            let unsettled = !self.settled && machine.last_turn().roots.contains(&delivered.root);
            if unsettled || machine.is_anchor(&delivered.root) {
                kept.push(delivered);
            } else {
                self.fired.retain(|root| *root != delivered.root);
                self.shared
                    .store
                    .answer(&delivered.delivery.token, Verdict::Ack)
                    .await;
            }
        }
        self.held = kept;
    }
}
