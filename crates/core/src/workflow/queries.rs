//! Queries: what a workflow answers about itself without anything being done or stored.

use std::{collections::BTreeMap, sync::Arc};

use headwater_wire::{Failure, Payload};
use serde::{Serialize, de::DeserializeOwned};

use super::{calls::guard, context::Context, shared::Shared};
use crate::{Error, error::payload_error};

/// Answers one query. User code: not to be run under the lock of the state.
pub(super) type Handler = Arc<dyn Fn(&Payload) -> Result<Payload, Failure> + Send + Sync>;

/// The queries of a program, by their names.
pub(super) type Handlers = BTreeMap<String, Handler>;

impl Context {
    /// Answer queries of this name (`Client::query`) from now on, also once the workflow has ended.
    /// Call it before the first await, so that there is no time without an answer.
    ///
    /// The closure is asked in a replay that is thrown away afterwards: it sees what the workflow
    /// had when it last stood still, and whatever it changes is gone. What it answers from is shared
    /// with the workflow, for example in an `Arc<Mutex<..>>`.
    ///
    /// ```
    /// # use headwater_core::{Context, Result};
    /// # use std::sync::{Arc, Mutex};
    /// async fn cart(ctx: Context, (): ()) -> Result<usize> {
    ///     let items = Arc::new(Mutex::new(Vec::<String>::new()));
    ///     let seen = Arc::clone(&items);
    ///     ctx.on_query("items", move |(): ()| Ok(seen.lock().unwrap().clone()));
    ///     while items.lock().unwrap().len() < 3 {
    ///         let item = ctx.queue("add").pop().await?;
    ///         items.lock().unwrap().push(item);
    ///     }
    ///     Ok(3)
    /// }
    /// ```
    pub fn on_query<Q, R>(
        &self,
        name: impl Into<String>,
        answer: impl Fn(Q) -> crate::Result<R> + Send + Sync + 'static,
    ) where
        Q: DeserializeOwned,
        R: Serialize,
    {
        let name = name.into();
        let what = format!("query {name:?}");
        let handler = move |data: &Payload| {
            let input = data
                .decode()
                .map_err(|error| payload_error(&format!("input of {what}"), error))?;
            let answer = answer(input).map_err(Error::into_failure)?;
            Payload::encode(&answer)
                .map_err(|error| payload_error(&format!("answer to {what}"), error))
        };
        let replaced = self.shared.state().queries.insert(name, Arc::new(handler));
        // Not under the lock: what it has captured may be anything.
        drop(replaced);
    }
}

impl Shared {
    /// The answer to a query; none: the workflow has none of this name.
    pub(super) fn query(&self, name: &str, data: &Payload) -> Option<Result<Payload, Failure>> {
        let handler = self.state().queries.get(name).cloned()?;
        Some(guard(|| handler(data)).and_then(|answer| answer))
    }

    /// What the queries hold may hold this in turn.
    pub(super) fn forget_queries(&self) {
        let queries = std::mem::take(&mut self.state().queries);
        let _ = guard(move || drop(queries));
    }
}
