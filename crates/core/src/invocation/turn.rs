//! Making the turn: the new value, with what it rests on, what followed, and why it stands
//! where it stands.

use headwater_wire::{
    Status, Timestamp,
    command::Retention,
    failure::cut,
    journal::Lines,
    limits,
    turn::{EffectTag, LastTurn, Root},
    value::Wait,
};

use super::{
    Invocation,
    pending::{Pending, What},
};
use crate::{
    machine::Turn,
    mutant::{Mutant, is_broken},
};

impl Invocation {
    pub(super) fn make_turn(&mut self, now: Timestamp, id: String) -> Result<Turn, String> {
        if let Some(error) = self.draft.broken.take() {
            return Err(error);
        }
        let page = match self.draft.page.take() {
            None => self.turn_page(),
            page => page,
        };
        self.journal.entries += self.draft.lines.count();
        self.journal.tail.append(&self.draft.lines);
        self.draft.lines = Lines::default();
        let ended = self.value.status.is_ended();
        let ttl = match (ended, self.retention()) {
            (true, Retention::Seconds(_)) => self.retention().ttl(),
            _ => None,
        };
        if ttl.is_some() {
            self.expire_run_pages();
        }
        self.value.updated_at = now.max(self.value.updated_at);
        self.keep_sends();
        self.value.turn = LastTurn {
            number: self.value.turn.number + 1,
            id: id.clone(),
            roots: std::mem::take(&mut self.draft.roots),
            effects: std::mem::take(&mut self.draft.effects),
            partial: !ended
                && match self.program {
                    Some(_) => self.has_more(),
                    None => self.unfinished,
                },
        };
        let archive = self.name_archive(&id);
        if page.is_some() && is_broken(Mutant::PagedEffects) {
            self.value.turn.effects.clear();
        }
        self.forget_old_signals(self.value.updated_at);
        self.describe();
        self.draft.dirty = false;
        self.continued_by_last_turn = self.draft.continued_from.take().is_some();
        self.ended_by_last_turn = std::mem::take(&mut self.draft.ended);
        let value = self
            .encoder
            .encode(&self.value, &self.journal)
            .map_err(|error| error.to_string())?;
        Ok(Turn {
            expected: self.revision,
            value,
            ttl,
            page,
            archive,
            forgotten: std::mem::take(&mut self.draft.forgotten),
            id,
        })
    }

    /// The pages of this run are no longer needed.
    pub(super) fn expire_run_pages(&mut self) {
        let (first, last) = self.journal.run_pages().into_inner();
        let expire = EffectTag::ExpirePages(first, last);
        if first <= last && !self.draft.effects.contains(&expire) {
            self.draft.effects.push(expire);
        }
    }

    /// Committed entries that have grown past a page move to it; a function of the stored value
    /// alone, so that the page is the same whoever writes it.
    pub(super) fn turn_page(&mut self) -> Option<(u32, String)> {
        if self.journal.tail.bytes() < limits::PAGE_BYTES {
            return None;
        }
        self.journal.pages += 1;
        let page = self.journal.tail.to_page();
        self.journal.tail = Lines::default();
        Some((self.journal.pages, page))
    }

    /// A signal that is older than the retention cannot come again, unless something hangs on it.
    /// Of very many, those that came long ago are forgotten earlier: the value has a limit.
    pub(super) fn forget_old_signals(&mut self, now: Timestamp) {
        let epoch = self.value.epoch();
        let taken = &mut self.value.signals.taken;
        if taken.is_empty() {
            return;
        }
        let age = now.since(epoch).as_millis();
        let ms_ago = |time: std::time::Duration| {
            u64::try_from(age.saturating_sub(time.as_millis())).unwrap_or(u64::MAX)
        };
        let oldest = ms_ago(self.default_retention.max(limits::RETENTION_MIN));
        let recent = ms_ago(limits::SIGNALS_TAKEN_KEPT);
        let beyond = taken.len().saturating_sub(limits::SIGNALS_TAKEN_MAX);
        let (anchors, roots) = (&self.value.anchors, &self.value.turn.roots);
        let mut index = 0;
        taken.retain(|signal| {
            index += 1;
            let root = Root::Command(signal.seq);
            let forgotten = signal.t < oldest || (index <= beyond && signal.t < recent);
            !forgotten || roots.contains(&root) || anchors.values().any(|a| *a == root)
        });
    }

    /// Status, waits and the sentence that says why.
    fn describe(&mut self) {
        self.value.pending = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        self.value.waits = self
            .pending
            .iter()
            .take(limits::WAITS_LISTED_MAX)
            .map(|(step, pending)| wait(*step, pending))
            .collect();
        if !self.value.status.is_ended() && self.value.status != Status::Queued {
            let busy = self.pending.values().any(Pending::is_busy);
            self.value.status = match (&self.value.parked, busy || self.pending.is_empty()) {
                (Some(_), _) if self.is_paused() => Status::Paused,
                (Some(_), _) => Status::Parked,
                (None, true) => Status::Running,
                (None, false) => Status::Waiting,
            };
        }
        self.value.why = self.why();
    }

    fn why(&self) -> String {
        let value = &self.value;
        let message = value.error.as_ref().map(|error| error.message.as_str());
        match value.status {
            _ if value.deleted_at.is_some() => "deleted".to_owned(),
            _ if self.is_paused() => self.why_paused(),
            Status::Queued => match &value.ticket {
                Some(ticket) => format!(
                    "waits for its turn among the invocations of partition key {:?}",
                    ticket.key
                ),
                None => "waits for its turn".to_owned(),
            },
            Status::Parked => match &value.parked {
                Some(parked) => format!("parked: {}", parked.reason.message),
                None => "parked".to_owned(),
            },
            Status::Completed => "returned".to_owned(),
            Status::Failed => format!("failed: {}", message.unwrap_or_default()),
            Status::Cancelled | Status::Terminated => {
                format!("{}: {}", value.status, message.unwrap_or_default())
            }
            _ => self.why_waiting(),
        }
    }

    fn why_paused(&self) -> String {
        let Some(parked) = &self.value.parked else {
            return "paused".to_owned();
        };
        let reason = match parked.reason.message.as_str() {
            "" => "no reason was given",
            reason => reason,
        };
        let queued = match self.value.status {
            Status::Queued => "; its turn has not come either",
            _ => "",
        };
        format!("paused since {}: {reason}{queued}", parked.at)
    }

    /// The run before has ended here, and the next one is of another version.
    fn has_run_to_begin(&self) -> bool {
        self.value.run.continued > 0
            && self.program.is_none()
            && self.unfinished
            && self.journal.steps == 0
    }

    fn why_waiting(&self) -> String {
        let Some((step, pending)) = self.pending.first_key_value() else {
            return match self.has_run_to_begin() {
                true => format!(
                    "its next run waits for an engine that has version {}",
                    self.value.version
                ),
                false => "is being advanced".to_owned(),
            };
        };
        let mut why = pending.why(*step);
        if self.pending.len() > 1 {
            why.push_str(&format!(", and for {} more", self.pending.len() - 1));
        }
        why
    }
}

fn wait(step: u32, pending: &Pending) -> Wait {
    let (kind, name, topic) = match &pending.what {
        What::Run { name } => ("run", name.clone(), None),
        What::Activity { name, topic, .. } => ("activity", name.clone(), Some(topic.clone())),
        What::Timer => ("timer", String::new(), None),
        What::Signal { name, channel } => (channel.as_str(), name.clone(), None),
        What::Named { name } => ("named", name.clone(), None),
        What::Child(child) => ("child", child.id.as_str().to_owned(), None),
        What::Hook { name, .. } => ("hook", name.clone(), None),
    };
    let retries = pending.wake.is_some() && pending.what != What::Timer;
    Wait {
        step,
        kind: if retries { "retry" } else { kind }.to_owned(),
        name,
        topic,
        until: pending.due(),
        attempt: (pending.attempt > 1).then_some(pending.attempt),
        error: pending
            .error
            .as_ref()
            .map(|error| cut(error, limits::WAIT_ERROR_BYTES_MAX).to_owned()),
    }
}

impl Pending {
    /// A step is at work, or waits for somebody to work on it.
    fn is_busy(&self) -> bool {
        matches!(self.what, What::Run { .. } | What::Activity { .. }) && self.wake.is_none()
    }

    fn why(&self, step: u32) -> String {
        let mut why = match (&self.what, self.wake) {
            (What::Timer, Some(wake)) => format!("sleeps until {} (step {step})", wake.due),
            (What::Timer, None) => format!("sleeps (step {step})"),
            (What::Signal { name, channel }, _) => {
                format!("waits for {} {name:?} (step {step})", channel.as_str())
            }
            (What::Named { name }, _) => {
                format!("waits for signal {name:?}, whoever it is sent to (step {step})")
            }
            (What::Child(child), _) => format!("waits for child {} (step {step})", child.id),
            (What::Hook { to, name }, _) => {
                format!("waits for hook {name:?} of {to} (step {step})")
            }
            (What::Run { name }, None) => format!("runs step {step} {name:?}"),
            (What::Activity { name, topic, .. }, None) => format!(
                "waits for activity {name:?} (step {step}) from a worker of topic {topic:?}"
            ),
            (What::Run { name } | What::Activity { name, .. }, Some(wake)) => format!(
                "tries step {step} {name:?} again at {}, attempt {}",
                wake.due, self.attempt
            ),
        };
        if let Some(error) = &self.error {
            let error = cut(error, limits::WAIT_ERROR_BYTES_MAX);
            why.push_str(&format!("; last error: {error}"));
        }
        why
    }
}
