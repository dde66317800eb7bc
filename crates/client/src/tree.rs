//! An invocation with its children, and theirs.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use headwater_wire::{InvocationId, command::Asker};

use crate::{Client, ClientError, Filter, State};

/// An invocation with its children, and theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its state.
    pub state: State,
    /// Its children, in the order in which it asked for them.
    pub children: Vec<Tree>,
}

impl Tree {
    /// The invocation and all below it, each before its children, with its depth from 0.
    pub fn flatten(&self) -> Vec<(usize, &State)> {
        let mut flat = Vec::new();
        let mut open = vec![(0, self)];
        while let Some((depth, tree)) = open.pop() {
            flat.push((depth, &tree.state));
            let below = tree.children.iter().rev();
            open.extend(below.map(|child| (depth + 1, child)));
        }
        flat
    }
}

/// A parent: its id and the start of its first run. An id that was used again is another parent.
type Parent = (InvocationId, u64);

/// Children by their parent, and by the run and step that asked for each.
type Children = BTreeMap<Parent, BTreeMap<(u32, u32, InvocationId), State>>;

impl Client {
    /// An invocation with its children, and theirs, detached ones included, as far as they are
    /// kept. Reads all states: for people, not for programs.
    pub async fn tree(&self, id: &InvocationId) -> Result<Tree, ClientError> {
        let root = self.state(id).await?;
        let mut children = Children::new();
        let mut states = self.states(&Filter::new()).await?;
        while let Some(state) = states.try_next().await? {
            if let Asker::Parent {
                invocation,
                run,
                step,
                ..
            } = &state.value.asker
            {
                let place = (run.continued, *step, state.value.id.clone());
                let siblings = children.entry((invocation.clone(), run.start));
                siblings.or_default().insert(place, state);
            }
        }
        Ok(grow(root, &mut children))
    }
}

fn grow(state: State, children: &mut Children) -> Tree {
    let own = children.remove(&(state.value.id.clone(), state.value.run.start));
    let own = own.unwrap_or_default().into_values();
    let own: Vec<State> = own.collect();
    let children = own.into_iter().map(|child| grow(child, children)).collect();
    Tree { state, children }
}
