//! Updates: each is answered once, by the workflow or, if it comes to no answer, for it.
//!
//! The answer stands in the value for a while; the hint to who waits may be lost.

use headwater_wire::{
    Entry, Failure, Payload, Timestamp,
    ask::Answer,
    command::{Channel, Signal},
    journal::AnswerTo,
    limits::{ANSWERS_BYTES_MAX, ANSWERS_MAX},
    send::Sent,
    value::{Answered, BufferedSignal, OpenUpdate},
};

use super::Invocation;
use crate::{
    machine::{Effect, Placement},
    workflow::unanswered,
};

/// What a failure costs beside its message, about.
const FAILURE_BYTES: usize = 100;

impl Invocation {
    /// An update for one that has ended: its sender is told.
    pub(super) fn place_late_update(signal: &Signal) -> Placement {
        match &signal.reply_to {
            None => Placement::Drop("the invocation has ended"),
            Some(inbox) => Placement::Tell(vec![Effect::Send(Box::new(Sent::Answer {
                inbox: inbox.clone(),
                answer: Answer {
                    id: signal.id.clone(),
                    result: Err(has_ended()),
                },
            }))]),
        }
    }

    /// A step receives an update: it owes an answer from now on.
    pub(super) fn open_update(&mut self, step: u32, id: &str, reply_to: Option<String>) {
        let id = id.to_owned();
        self.value.updates.insert(step, OpenUpdate { id, reply_to });
    }

    /// The workflow's answer stands in the journal.
    pub(super) fn answer_decided(&mut self, entry: &Entry, now: Timestamp) {
        let Entry::Answer {
            to: AnswerTo::Update(step),
            result,
        } = entry
        else {
            return;
        };
        if let Some(update) = self.value.updates.remove(step) {
            self.answer(update, result.clone(), now);
        }
    }

    /// The run is over: whoever waits for its answer waits in vain. An update that no step has
    /// received yet is for the next run.
    pub(super) fn close_updates_of_run(&mut self, now: Timestamp) {
        for update in std::mem::take(&mut self.value.updates).into_values() {
            let why = unanswered("the run of the workflow ended without an answer");
            self.answer(update, Err(why), now);
        }
    }

    /// It ends: also those that no step has received are told.
    pub(super) fn close_updates(&mut self, now: Timestamp) {
        self.close_updates_of_run(now);
        let waiting = &mut self.value.signals.waiting;
        let updates = waiting.extract_if(.., |signal| signal.channel == Channel::Update);
        for BufferedSignal { id, reply_to, .. } in updates.collect::<Vec<_>>() {
            self.answer(OpenUpdate { id, reply_to }, Err(has_ended()), now);
        }
    }

    fn answer(&mut self, update: OpenUpdate, result: Result<Payload, Failure>, now: Timestamp) {
        let OpenUpdate { id, reply_to } = update;
        let bytes = size_of(&result);
        // Who is not told finds it in the value.
        if let Some(inbox) = reply_to
            && self.may_close(bytes)
        {
            let answer = Answer {
                id: id.clone(),
                result: result.clone(),
            };
            self.send(None, Sent::Answer { inbox, answer }, bytes);
        }
        let t = self.t(now);
        let answers = &mut self.value.answers;
        answers.push(Answered { id, t, result });
        let mut bytes: usize = answers.iter().map(|answer| size_of(&answer.result)).sum();
        while answers.len() > 1 && (answers.len() > ANSWERS_MAX || bytes > ANSWERS_BYTES_MAX) {
            bytes -= size_of(&answers.remove(0).result);
        }
    }
}

fn has_ended() -> Failure {
    unanswered("the invocation has ended")
}

fn size_of(result: &Result<Payload, Failure>) -> usize {
    match result {
        Ok(answer) => answer.bytes().len(),
        Err(failure) => FAILURE_BYTES + failure.message.len(),
    }
}
