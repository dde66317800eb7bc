//! Deleting an invocation with its children, and theirs.

use std::{collections::BTreeSet, time::Duration};

use futures::TryStreamExt;
use headwater_wire::{InvocationId, command::Asker};

use crate::{Client, ClientError, Filter, State, lifecycle::refuse_running};

/// What is deleted by [`Client::delete_tree`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletedTree {
    /// Invocations, the first one counted.
    pub invocations: usize,
    /// Entries of their journals.
    pub entries: u64,
    /// Key-value pairs.
    pub kv: usize,
    /// How many had not ended, and were ended for it.
    pub were_running: usize,
}

impl Client {
    /// Forget an invocation with its children, and theirs, detached ones included: as
    /// [`Client::delete`] for each. Without `force` nothing is deleted unless all have ended. With
    /// it those that go on are ended, each before its children are looked for: it starts no others.
    /// A child whose start no engine has taken yet is not seen, and stays.
    ///
    /// Returns when the requests are stored; with `force`, one that goes on is awaited, so an engine
    /// has to run. Reads all states once for each generation: for people, not for programs.
    /// Errors: [`ClientError::NotFound`], [`ClientError::StillRunning`] without `force`,
    /// [`ClientError::IsChild`] also with it, and [`ClientError::Unchanged`] if one is not ended
    /// within `timeout`: then its children are left, and it can be asked again.
    pub async fn delete_tree(
        &self,
        id: &InvocationId,
        force: bool,
        timeout: Duration,
    ) -> Result<DeletedTree, ClientError> {
        let deadline = self.inner.env.elapsed().saturating_add(timeout);
        let tree = self.tree(id).await?;
        self.refuse_child(&tree.state).await?;
        if !force {
            let all = tree.flatten();
            all.iter()
                .try_for_each(|(_, state)| refuse_running(state))?;
        }
        let mut deleted = DeletedTree::default();
        let mut generation = vec![tree.state];
        while !generation.is_empty() {
            for state in &generation {
                let one = self.send_delete(state, force).await?;
                deleted.invocations += 1;
                deleted.entries += one.entries;
                deleted.kv += one.kv;
                deleted.were_running += usize::from(one.was_running);
            }
            for state in generation
                .iter()
                .filter(|state| !state.value.status.is_ended())
            {
                let left = deadline.saturating_sub(self.inner.env.elapsed());
                self.wait_until_gone(state, left).await?;
            }
            generation = self.children_of(&generation).await?;
        }
        Ok(deleted)
    }

    async fn wait_until_gone(&self, state: &State, timeout: Duration) -> Result<(), ClientError> {
        let deadline = self.inner.env.elapsed().saturating_add(timeout);
        let (id, mut revision) = (&state.value.id, state.revision);
        loop {
            let left = deadline.saturating_sub(self.inner.env.elapsed());
            match self.wait_for_change(id, revision, left).await {
                Err(ClientError::NotFound(_)) => return Ok(()),
                // Another has its id.
                Ok(next) if next.value.run.start != state.value.run.start => return Ok(()),
                Ok(next) => revision = next.revision,
                Err(error) => return Err(error),
            }
        }
    }

    async fn children_of(&self, parents: &[State]) -> Result<Vec<State>, ClientError> {
        let parents = parents.iter().map(|state| &state.value);
        let parents: BTreeSet<_> = parents.map(|value| (&value.id, value.run.start)).collect();
        let mut children = Vec::new();
        let mut states = self.states(&Filter::new()).await?;
        while let Some(state) = states.try_next().await? {
            if let Asker::Parent {
                invocation, run, ..
            } = &state.value.asker
                && parents.contains(&(invocation, run.start))
            {
                children.push(state);
            }
        }
        Ok(children)
    }
}
