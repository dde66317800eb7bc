//! Commands to and from protobuf.

use super::{
    Asker, Cancel, Channel, Command, DecodeError, Outcome, Retention, Signal, Start, Submit,
    Ticket, need, need_text, optional_text, or_null, partition,
};
use crate::{
    Code, InvocationId, Payload, Timestamp,
    ask::{Heartbeat, Hook},
    fork::Fork,
    lifecycle::{Delete, Pause, Terminate},
    names::TimerId,
    pb,
    runs::Prune,
    signal_box::{Await, Unawait},
};

impl From<Command> for pb::command::Kind {
    fn from(command: Command) -> Self {
        match command {
            Command::Start(start) => Self::Start(start.into()),
            Command::Outcome(outcome) => Self::Outcome(outcome.into()),
            Command::Signal(signal) => Self::Signal(signal.into()),
            Command::TimerFired(TimerId { run, step, attempt }) => {
                Self::TimerFired(pb::TimerFired {
                    run: Some(run.into()),
                    step,
                    attempt,
                })
            }
            Command::Cancel(Cancel { id, reason }) => Self::Cancel(pb::Cancel { id, reason }),
            Command::Resume { id } => Self::Resume(pb::Resume { id }),
            Command::Submit(Submit { invocation, start }) => Self::Submit(pb::Submit {
                invocation: invocation.into(),
                start: Some(start.into()),
            }),
            Command::Grant(ticket) => Self::Grant(pb::Grant {
                ticket: Some(ticket.into()),
            }),
            Command::Release(ticket) => Self::Release(pb::Release {
                ticket: Some(ticket.into()),
            }),
            Command::Terminate(Terminate { id, reason, code }) => Self::Terminate(pb::Terminate {
                id,
                reason,
                code: code.map_or_else(String::new, |code| code.as_str().to_owned()),
            }),
            Command::Pause(Pause { id, reason }) => Self::Pause(pb::Pause { id, reason }),
            Command::Delete(Delete { id, force }) => Self::Delete(pb::Delete { id, force }),
            Command::Heartbeat(beat) => Self::Heartbeat(pb::Heartbeat {
                run: Some(beat.run.into()),
                step: beat.step,
                attempt: beat.attempt,
                number: beat.number,
                details: Some(beat.details.into()),
            }),
            Command::Hook(hook) => Self::Hook(pb::Hook {
                id: hook.id,
                name: hook.name,
                input: Some(hook.input.into()),
                asker: hook.asker.map(Into::into),
            }),
            Command::Await(wait) => Self::Await(pb::Await {
                invocation: wait.invocation.into(),
                queue: wait.queue,
                partition: u32::from(wait.partition.0),
                run: Some(wait.run.into()),
                step: wait.step,
            }),
            Command::Unawait(wait) => Self::Unawait(pb::Unawait {
                invocation: wait.invocation.into(),
                run: Some(wait.run.into()),
                step: wait.step,
            }),
            Command::Prune(prune) => Self::Prune(pb::Prune {
                id: prune.id,
                keep_last: prune.keep_last,
                ended_before_micros: prune.ended_before.map_or(0, Timestamp::as_micros),
            }),
        }
    }
}

impl TryFrom<pb::command::Kind> for Command {
    type Error = DecodeError;
    fn try_from(kind: pb::command::Kind) -> Result<Self, DecodeError> {
        use pb::command::Kind;
        Ok(match kind {
            Kind::Start(start) => Self::Start(start.try_into()?),
            Kind::Outcome(outcome) => Self::Outcome(outcome.try_into()?),
            Kind::Signal(signal) => Self::Signal(signal.try_into()?),
            Kind::TimerFired(timer) => Self::TimerFired(TimerId {
                run: need(timer.run, "timer_fired.run")?.into(),
                step: timer.step,
                attempt: timer.attempt,
            }),
            Kind::Cancel(cancel) => Self::Cancel(Cancel {
                id: cancel.id,
                reason: cancel.reason,
            }),
            Kind::Resume(resume) => Self::Resume { id: resume.id },
            Kind::Submit(submit) => Self::Submit(Submit {
                invocation: InvocationId::new(submit.invocation)?,
                start: need(submit.start, "submit.start")?.try_into()?,
            }),
            Kind::Grant(grant) => Self::Grant(need(grant.ticket, "grant.ticket")?.into()),
            Kind::Release(release) => Self::Release(need(release.ticket, "release.ticket")?.into()),
            Kind::Terminate(terminate) => Self::Terminate(Terminate {
                id: terminate.id,
                reason: terminate.reason,
                code: optional_text(terminate.code).map(Code::new),
            }),
            Kind::Pause(pause) => Self::Pause(Pause {
                id: pause.id,
                reason: pause.reason,
            }),
            Kind::Delete(delete) => Self::Delete(Delete {
                id: delete.id,
                force: delete.force,
            }),
            Kind::Heartbeat(beat) => Self::Heartbeat(Heartbeat {
                run: need(beat.run, "heartbeat.run")?.into(),
                step: beat.step,
                attempt: beat.attempt,
                number: beat.number,
                details: or_null(beat.details)?,
            }),
            Kind::Hook(hook) => Self::Hook(Hook {
                id: need_text(hook.id, "hook.id")?,
                name: need_text(hook.name, "hook.name")?,
                input: or_null(hook.input)?,
                asker: hook.asker.map(TryInto::try_into).transpose()?,
            }),
            Kind::Await(wait) => Self::Await(Await {
                invocation: InvocationId::new(wait.invocation)?,
                queue: need_text(wait.queue, "await.queue")?,
                partition: partition(wait.partition, "await.partition (in range)")?,
                run: need(wait.run, "await.run")?.into(),
                step: wait.step,
            }),
            Kind::Unawait(wait) => Self::Unawait(Unawait {
                invocation: InvocationId::new(wait.invocation)?,
                run: need(wait.run, "unawait.run")?.into(),
                step: wait.step,
            }),
            Kind::Prune(prune) => Self::Prune(Prune {
                id: prune.id,
                keep_last: prune.keep_last,
                ended_before: (prune.ended_before_micros != 0)
                    .then(|| Timestamp::from_micros(prune.ended_before_micros)),
            }),
        })
    }
}

impl From<Signal> for pb::Signal {
    fn from(signal: Signal) -> Self {
        Self {
            id: signal.id,
            name: signal.name,
            data: Some(signal.data.into()),
            channel: pb::Channel::from(signal.channel).into(),
            reply_to: signal.reply_to.unwrap_or_default(),
            keep_ms: signal.keep_ms.unwrap_or_default(),
        }
    }
}

impl TryFrom<pb::Signal> for Signal {
    type Error = DecodeError;
    fn try_from(signal: pb::Signal) -> Result<Self, DecodeError> {
        let channel = pb::Channel::try_from(signal.channel)
            .map_err(|_| DecodeError::Missing("signal.channel (that this build knows)"))?;
        Ok(Self {
            id: need_text(signal.id, "signal.id")?,
            name: need_text(signal.name, "signal.name")?,
            data: need(signal.data, "signal.data")?.try_into()?,
            channel: channel.into(),
            reply_to: optional_text(signal.reply_to),
            keep_ms: (signal.keep_ms > 0).then_some(signal.keep_ms),
        })
    }
}

impl From<Channel> for pb::Channel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Signal => Self::Signal,
            Channel::Event => Self::Event,
            Channel::Queue => Self::Queue,
            Channel::Update => Self::Update,
        }
    }
}

impl From<pb::Channel> for Channel {
    fn from(channel: pb::Channel) -> Self {
        match channel {
            pb::Channel::Signal => Self::Signal,
            pb::Channel::Event => Self::Event,
            pb::Channel::Queue => Self::Queue,
            pb::Channel::Update => Self::Update,
        }
    }
}

impl From<Ticket> for pb::Ticket {
    fn from(ticket: Ticket) -> Self {
        Self {
            key: ticket.key,
            number: ticket.number,
        }
    }
}

impl From<pb::Ticket> for Ticket {
    fn from(ticket: pb::Ticket) -> Self {
        Self {
            key: ticket.key,
            number: ticket.number,
        }
    }
}

impl From<Asker> for pb::Asker {
    fn from(asker: Asker) -> Self {
        let kind = match asker {
            Asker::Request(id) => pb::asker::Kind::Request(id),
            Asker::Parent {
                invocation,
                run,
                step,
                queue,
                partition,
            } => pb::asker::Kind::Parent(pb::Parent {
                invocation: invocation.into(),
                run: Some(run.into()),
                step,
                queue,
                partition: u32::from(partition.0),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<pb::Asker> for Asker {
    type Error = DecodeError;
    fn try_from(asker: pb::Asker) -> Result<Self, DecodeError> {
        match need(asker.kind, "start.asker.kind")? {
            pb::asker::Kind::Request(id) => {
                Ok(Self::Request(need_text(id, "start.asker.request")?))
            }
            pb::asker::Kind::Parent(parent) => Ok(Self::Parent {
                invocation: InvocationId::new(parent.invocation)?,
                run: need(parent.run, "start.asker.parent.run")?.into(),
                step: parent.step,
                queue: parent.queue,
                partition: partition(parent.partition, "start.asker.parent.partition (in range)")?,
            }),
        }
    }
}

impl From<Start> for pb::Start {
    fn from(start: Start) -> Self {
        Self {
            workflow: start.workflow,
            version: start.version.unwrap_or_default(),
            input: Some(start.input.into()),
            asker: Some(start.asker.into()),
            reply_to: start.reply_to.unwrap_or_default(),
            ticket: start.ticket.map(Into::into),
            granted: start.granted,
            retention_seconds: match start.retention {
                Some(Retention::Seconds(seconds)) => seconds,
                _ => 0,
            },
            retain_forever: start.retention == Some(Retention::Forever),
            new_id: start.new_id,
            result_ttl_ms: start.result_ttl_ms.unwrap_or_default(),
            search: start.search.into_iter().map(attribute).collect(),
            signal: start.signal.map(|signal| (*signal).into()),
            fork: start.fork.map(|fork| (*fork).into()),
            paused: start.paused,
            replace: start.replace,
        }
    }
}

impl From<Fork> for pb::Fork {
    fn from(fork: Fork) -> Self {
        Self {
            invocation: fork.invocation.into(),
            run: Some(fork.run.into()),
            step: fork.step,
        }
    }
}

impl TryFrom<pb::Fork> for Fork {
    type Error = DecodeError;
    fn try_from(fork: pb::Fork) -> Result<Self, DecodeError> {
        Ok(Self {
            invocation: InvocationId::new(fork.invocation)?,
            run: need(fork.run, "fork.run")?.into(),
            step: fork.step,
        })
    }
}

fn attribute((key, value): (String, Payload)) -> pb::Attribute {
    pb::Attribute {
        key,
        value: Some(value.into()),
    }
}

impl TryFrom<pb::Attribute> for (String, Payload) {
    type Error = DecodeError;
    fn try_from(attribute: pb::Attribute) -> Result<Self, DecodeError> {
        Ok((attribute.key, or_null(attribute.value)?))
    }
}

impl TryFrom<pb::Start> for Start {
    type Error = DecodeError;
    fn try_from(start: pb::Start) -> Result<Self, DecodeError> {
        Ok(Self {
            workflow: need_text(start.workflow, "start.workflow")?,
            version: optional_text(start.version),
            input: or_null(start.input)?,
            asker: need(start.asker, "start.asker")?.try_into()?,
            reply_to: optional_text(start.reply_to),
            ticket: start.ticket.map(Into::into),
            granted: start.granted,
            new_id: start.new_id,
            result_ttl_ms: (start.result_ttl_ms > 0).then_some(start.result_ttl_ms),
            search: start
                .search
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            signal: match start.signal {
                Some(signal) => Some(Box::new(signal.try_into()?)),
                None => None,
            },
            fork: match start.fork {
                Some(fork) => Some(Box::new(fork.try_into()?)),
                None => None,
            },
            paused: start.paused,
            replace: start.replace,
            retention: match (start.retain_forever, start.retention_seconds) {
                (true, _) => Some(Retention::Forever),
                (false, 0) => None,
                (false, seconds) => Some(Retention::Seconds(seconds)),
            },
        })
    }
}

impl From<Outcome> for pb::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            run: Some(outcome.run.into()),
            step: outcome.step,
            attempt: outcome.attempt,
            worker: outcome.worker,
            result: Some(match outcome.result {
                Ok(payload) => pb::outcome::Result::Ok(payload.into()),
                Err(failure) => pb::outcome::Result::Error(failure.into()),
            }),
        }
    }
}

impl TryFrom<pb::Outcome> for Outcome {
    type Error = DecodeError;
    fn try_from(outcome: pb::Outcome) -> Result<Self, DecodeError> {
        Ok(Self {
            run: need(outcome.run, "outcome.run")?.into(),
            step: outcome.step,
            attempt: outcome.attempt,
            result: match need(outcome.result, "outcome.result")? {
                pb::outcome::Result::Ok(payload) => Ok(payload.try_into()?),
                pb::outcome::Result::Error(failure) => Err(failure.try_into()?),
            },
            worker: outcome.worker,
        })
    }
}
