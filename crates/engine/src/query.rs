//! Queries: answered from what is stored, by the engine that pulls the partition of the invocation.
//! Nothing is written, and no actor is asked. They are hints: who hears nothing asks again.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use headwater_core::Invocation;
use headwater_store::{Bucket, Read, Record, StoreError};
use headwater_wire::{
    Code, Failure, Payload, Value,
    ask::{Answer, Query},
    names::Hint,
};

use crate::{emit::Backoff, router::Shared};

/// Queries whose values are read at the same time; further ones wait.
const QUERIES_AT_ONCE: usize = 32;

/// Answer the queries of the task queue, until aborted.
pub(crate) async fn serve(shared: Arc<Shared>) {
    let subject = shared.store.hint_subject(Hint::Query(&shared.config.queue));
    let mut backoff = Backoff::new("listening for queries");
    loop {
        let error = match shared.store.listen(&subject).await {
            Ok(queries) => {
                queries
                    .for_each_concurrent(QUERIES_AT_ONCE, |body| answer(&shared, body))
                    .await;
                StoreError::Unavailable("the subscription has ended".to_owned())
            }
            Err(error) => error,
        };
        backoff.wait(&shared.env, &error).await;
    }
}

async fn answer(shared: &Shared, body: Bytes) {
    let query = match Query::decode(&body) {
        Ok(query) if shared.pulls(query.partition) => query,
        Ok(_) => return,
        Err(error) => return tracing::debug!(%error, "not a query"),
    };
    match ask(shared, &query).await {
        Ok(Some(result)) => {
            let id = query.id;
            let answer = Answer { id, result }.encode();
            shared.store.hint(&query.reply_to, answer).await;
        }
        // Another engine may have the workflow in that version.
        Ok(None) => {}
        Err(error) => {
            tracing::debug!(invocation_id = %query.invocation, %error, "a query is left to be asked again");
        }
    }
}

/// None: this engine does not have the workflow.
async fn ask(
    shared: &Shared,
    query: &Query,
) -> Result<Option<Result<Payload, Failure>>, StoreError> {
    let key = query.invocation.key();
    // Not from any replica: what was answered before is to be seen.
    let read = shared.store.get(Bucket::State, key.as_str(), Read::Leader);
    let Some(Record { value: bytes, .. }) = read.await? else {
        let message = format!("no invocation has the id {}", query.invocation);
        return Ok(Some(Err(Failure::fatal(Code::NOT_FOUND, message))));
    };
    let (value, journal) = match Value::decode(&bytes) {
        Ok(read) => read,
        Err(error) => {
            let failure = Failure::fatal(Code::DECODE, error.to_string());
            return Ok(Some(Err(failure)));
        }
    };
    let Some(workflow) = shared.registry.get(&value.workflow, &value.version) else {
        return Ok(None);
    };
    let pages = match journal.run_pages() {
        pages if pages.is_empty() => Vec::new(),
        pages => shared.store.pages(&key, pages).await?,
    };
    let (name, data) = (&query.name, &query.data);
    let answer = Invocation::query(&bytes, &pages, workflow.as_ref(), name, data);
    Ok(Some(answer))
}
