//! From the effects that a value names to messages.

use std::time::Duration;

use headwater_wire::{
    Command, Status, Task, limits,
    names::{Address, TimerId},
    task::Reply,
    turn::EffectTag,
};

use super::{Invocation, pending::What};
use crate::machine::{Effect, address};

impl Invocation {
    /// Where its own commands go.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.value.queue, self.value.partition, &self.value.id)
    }

    pub(super) fn last_effects(&self) -> Vec<Effect> {
        let tags = self.value.turn.effects.iter();
        let mut effects = Vec::with_capacity(tags.len());
        for tag in tags {
            match *tag {
                EffectTag::Tasks(first, last) => {
                    let tasks = (first..=last).map(|step| EffectTag::Task(step, 1));
                    effects.extend(tasks.filter_map(|tag| self.effect(tag)));
                }
                tag => effects.extend(self.effect(tag)),
            }
        }
        effects
    }

    /// The message of an effect; none if it is no longer needed.
    fn effect(&self, tag: EffectTag) -> Option<Effect> {
        if !self.is_current(tag) {
            return None;
        }
        match tag {
            EffectTag::Task(step, attempt) => self.task(step, attempt),
            // Told one by one.
            EffectTag::Tasks(..) => None,
            EffectTag::Schedule(step, attempt) => Some(Effect::Schedule {
                to: self.address(),
                timer: self.timer_id(step, attempt),
                due: self.pending.get(&step)?.due()?,
            }),
            EffectTag::Unschedule(step, attempt) => Some(Effect::Unschedule {
                to: self.address(),
                timer: TimerId {
                    run: self.draft.continued_from.unwrap_or(self.value.run),
                    step,
                    attempt,
                },
            }),
            EffectTag::Release => {
                let ticket = self.value.ticket.clone()?;
                let key = headwater_wire::Key::of_key_queue(&self.value.queue, &ticket.key).ok()?;
                Some(Effect::Command {
                    to: Address {
                        key,
                        ..self.address()
                    },
                    command: Box::new(Command::Release(ticket)),
                })
            }
            EffectTag::UnscheduleOf(timer) => Some(Effect::Unschedule {
                to: self.address(),
                timer,
            }),
            EffectTag::Send(index) => self.sent(index),
            EffectTag::TellParent => self.tell_parent(),
            EffectTag::ExpirePages(first, last) => Some(Effect::ExpirePages {
                key: self.value.id.key(),
                pages: first..=last,
                ttl: self.page_ttl(),
            }),
        }
    }

    /// How long the journal of what is over lives. A page must not go before the value that counts
    /// it. Of one that is kept for good only the journals of earlier runs go.
    pub(super) fn page_ttl(&self) -> Duration {
        self.retention().ttl().unwrap_or(limits::RETENTION) + Duration::from_secs(60)
    }

    fn task(&self, step: u32, attempt: u32) -> Option<Effect> {
        let What::Activity {
            name,
            topic,
            input,
            options,
        } = &self.pending.get(&step)?.what
        else {
            return None;
        };
        let task = Task {
            invocation: self.value.id.clone(),
            queue: self.value.queue.clone(),
            partition: self.value.partition,
            run: self.value.run,
            step,
            attempt,
            activity: name.clone(),
            input: input.clone(),
            workflow: self.value.workflow.clone(),
            options: options.clone().unwrap_or_default(),
            heartbeat: self.beat_of(step),
        };
        Some(Effect::Task {
            topic: topic.clone(),
            task: Box::new(task),
        })
    }

    /// What a client that waits is told once it has ended.
    #[must_use]
    pub fn reply(&self, exists: bool) -> Reply {
        let ended = self.value.status.is_ended();
        let status = match self.value.status {
            status if ended => status.as_str(),
            Status::Queued => Status::Queued.as_str(),
            _ => "",
        };
        Reply {
            invocation: self.value.id.clone(),
            exists,
            status: status.to_owned(),
            output: self.value.output.clone(),
            error: self.value.error.clone(),
        }
    }
}
