//! Why an invocation stands where it stands, with what the members tell.

use headwater_store::{Bucket, Read};
use headwater_wire::{
    Code, InvocationId, Key, Status, Value,
    command::Asker,
    key_queue::KeyQueueValue,
    member::{Member, Role},
    value::Wait,
};

use crate::{Client, ClientError};

impl Client {
    /// Why an invocation stands where it stands: one sentence first, then what bears on it.
    pub async fn why(&self, id: &InvocationId) -> Result<Vec<String>, ClientError> {
        let members = self.members().await?;
        let Some(state) = self.read_state(id, Read::Leader).await? else {
            return self.why_absent(id, &members).await;
        };
        let value = &state.value;
        let mut lines = vec![format!("{}: {}", value.status, value.why)];
        if value.status.is_ended() {
            return Ok(lines);
        }
        if let Some(parked) = &value.parked {
            if parked.reason.code == Code::PAUSED {
                lines.push(format!("`headwater resume {id}` lets it go on"));
                return Ok(lines);
            }
            lines.extend(parked.difference.iter().map(|d| {
                format!(
                    "step {}: {} is {} in the journal, {} in the program",
                    d.step, d.field, d.journal, d.program
                )
            }));
            lines.push(format!(
                "parked since {}; deploy a build that makes the same decisions, then `headwater resume {id}`",
                parked.at
            ));
        }
        if let (Status::Queued, Some(ticket)) = (value.status, &value.ticket) {
            lines.extend(self.why_queued(value, &ticket.key).await?);
        }
        let children = value.waits.iter().filter(|wait| wait.kind == "child");
        lines.extend(children.map(|wait| {
            let child = &wait.name;
            format!("`headwater why {child}` tells what the child waits for")
        }));
        lines.extend(no_engine(value, &members));
        lines.extend(
            value
                .waits
                .iter()
                .filter_map(|wait| no_worker(wait, &members)),
        );
        let backlog = self
            .inner
            .store
            .first_command(&value.queue, &id.key(), 0)
            .await?;
        if let Some((seq, _)) = backlog {
            lines.push(format!(
                "command {seq} for it is in COMMANDS, not yet acknowledged"
            ));
        }
        Ok(lines)
    }

    async fn why_absent(
        &self,
        id: &InvocationId,
        members: &[Member],
    ) -> Result<Vec<String>, ClientError> {
        if !self.start_is_pending(id).await? {
            return Err(ClientError::NotFound(id.clone()));
        }
        let mut lines = vec![
            "submitted: a command for it is in COMMANDS, no engine has taken it yet".to_owned(),
        ];
        if !members.iter().any(|member| member.role == Role::Engine) {
            lines.push("no engine is connected: start a processor".to_owned());
        }
        Ok(lines)
    }

    async fn why_queued(
        &self,
        value: &Value,
        partition_key: &str,
    ) -> Result<Vec<String>, ClientError> {
        let key = Key::of_key_queue(&value.queue, partition_key)?;
        let record = self
            .inner
            .store
            .get(Bucket::State, key.as_str(), Read::Leader)
            .await?;
        let Some(queue) = record.and_then(|r| KeyQueueValue::decode(&r.value).ok()) else {
            return Ok(Vec::new());
        };
        let mut lines = vec![format!("partition key {partition_key:?}: {}", queue.why)];
        if let Some(holder) = queue.holder {
            lines.push(match &value.asker {
                Asker::Parent { invocation, .. } if *invocation == holder.invocation => format!(
                    "the holder {invocation} is its parent: if that waits for it, neither goes \
                     on; cancel one, and give the child another partition key"
                ),
                _ => format!(
                    "`headwater why {}` tells what the holder waits for",
                    holder.invocation
                ),
            });
        }
        Ok(lines)
    }
}

/// What is missing among the engines for this invocation to go on.
fn no_engine(value: &Value, members: &[Member]) -> Option<String> {
    let mut engines = members
        .iter()
        .filter(|member| member.role == Role::Engine && member.queue == value.queue)
        .peekable();
    if engines.peek().is_none() {
        return Some(format!(
            "no engine of task queue {:?} is connected: start a processor",
            value.queue
        ));
    }
    let versions: Vec<&String> = engines
        .filter_map(|engine| engine.workflows.get(&value.workflow))
        .flatten()
        .collect();
    if versions.is_empty() {
        return Some(format!(
            "no connected engine has workflow {:?}",
            value.workflow
        ));
    }
    (!versions.contains(&&value.version)).then(|| {
        format!(
            "no connected engine has version {} of workflow {:?} (they have {versions:?})",
            value.version, value.workflow
        )
    })
}

fn no_worker(wait: &Wait, members: &[Member]) -> Option<String> {
    let topic = wait.topic.as_ref()?;
    (wait.until.is_none() && !members.iter().any(|member| member.takes(topic)))
        .then(|| format!("no worker of topic {topic:?} is connected"))
}
