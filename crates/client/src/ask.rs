//! Asking a workflow: updates, which it takes and answers, and queries, which change nothing.

use std::{future::ready, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use headwater_store::Read;
use headwater_wire::{
    Code, Command, Failure, InvocationId, Payload,
    ask::{Answer, Query},
    command::{Channel, Signal},
    id::check_id,
    names::{Hint, check_name},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Client, ClientError};

/// An answer can be lost: the value is read this soon at first, then less and less often.
const READ_FIRST: Duration = Duration::from_millis(500);

/// A query can be lost: it is asked again after this time, so often.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASKS: u32 = 5;

/// What is told to an inbox in answer to this id.
fn answers(
    told: BoxStream<'static, Bytes>,
    id: String,
) -> BoxStream<'static, Result<Payload, Failure>> {
    let answer = move |body: Bytes| {
        let answer = Answer::decode(&body).ok();
        ready(answer.filter(|answer| answer.id == id))
    };
    told.filter_map(answer)
        .map(|answer| answer.result)
        .fuse()
        .boxed()
}

impl Client {
    /// Ask a workflow to do something, and wait for its answer: what waits for it is
    /// `Context::update`. It is kept until the workflow takes it, and taken once.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: the workflow refused it, or will never answer it.
    /// [`ClientError::NoAnswer`]: not in time; it may be taken and answered yet.
    pub async fn update<Q: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        id: &InvocationId,
        name: &str,
        request: &Q,
        timeout: Duration,
    ) -> Result<R, ClientError> {
        let request = Payload::encode(request)?;
        let answer = self.update_payload(id, name, request, None, timeout);
        Ok(answer.await?.decode()?)
    }

    /// [`Client::update`] with an encoded request and, to be repeatable, an id of the sender's:
    /// the same id is taken once, and each who sends it gets the answer.
    pub async fn update_payload(
        &self,
        id: &InvocationId,
        name: &str,
        request: Payload,
        update_id: Option<String>,
        timeout: Duration,
    ) -> Result<Payload, ClientError> {
        check_name(Channel::Update.as_str(), name)?;
        let inner = self.inner.as_ref();
        let deadline = inner.env.elapsed().saturating_add(timeout);
        let update_id = update_id.unwrap_or_else(|| inner.new_id());
        check_id(&update_id)?;
        // Its own: an id of the sender's is one of that invocation, another may have the same.
        let inbox = inner.store.new_inbox();
        let mut answers = answers(inner.store.listen(&inbox).await?, update_id.clone());
        let update = Signal {
            channel: Channel::Update,
            reply_to: Some(inbox),
            ..Signal::new(update_id.clone(), name, request.checked()?)
        };
        self.send(id, Command::Signal(update)).await?;
        let mut again = self.again(id, READ_FIRST).await?;
        loop {
            let left = deadline.saturating_sub(inner.env.elapsed());
            if left.is_zero() {
                return Err(no_answer(id, timeout));
            }
            tokio::select! {
                biased;
                Some(result) = answers.next() => return answered(id, name, result),
                () = again.wait(inner.env.as_ref(), left) => {
                    if let Some(result) = self.read_answer(id, &update_id).await? {
                        return answered(id, name, result);
                    }
                }
            }
        }
    }

    /// Ask a workflow about itself: `Context::on_query` answers. Nothing is done, and nothing is
    /// stored. It may go on, wait, be paused, or have ended.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: it has no query of this name, has not begun, is parked, or its
    /// answer is an error. [`ClientError::NoAnswer`]: no engine that has its workflow answers.
    pub async fn query<Q: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        id: &InvocationId,
        name: &str,
        input: &Q,
    ) -> Result<R, ClientError> {
        let answer = self.query_payload(id, name, Payload::encode(input)?);
        Ok(answer.await?.decode()?)
    }

    /// [`Client::query`] with encoded input, and the answer as it came.
    pub async fn query_payload(
        &self,
        id: &InvocationId,
        name: &str,
        input: Payload,
    ) -> Result<Payload, ClientError> {
        check_name("query", name)?;
        let inner = self.inner.as_ref();
        let data = input.checked()?;
        let (query_id, inbox) = (inner.new_id(), inner.store.new_inbox());
        let mut answers = answers(inner.store.listen(&inbox).await?, query_id.clone());
        for _ in 0..ASKS {
            match self.read_state(id, Read::Leader).await? {
                Some(state) => {
                    let query = Query {
                        id: query_id.clone(),
                        invocation: id.clone(),
                        queue: state.value.queue,
                        partition: state.value.partition,
                        name: name.to_owned(),
                        data: data.clone(),
                        reply_to: inbox.clone(),
                    };
                    let subject = inner.store.hint_subject(Hint::Query(&query.queue));
                    inner.store.hint(&subject, query.encode()).await;
                }
                None if self.start_is_pending(id).await? => {}
                None => return Err(ClientError::NotFound(id.clone())),
            }
            tokio::select! {
                biased;
                Some(result) = answers.next() => return answered(id, name, result),
                () = inner.env.sleep(ASK_AGAIN) => {}
            }
        }
        let timeout = ASK_AGAIN * ASKS;
        Err(no_answer(id, timeout))
    }

    /// The answer to an update, if it stands in the value, or will never stand there.
    async fn read_answer(
        &self,
        id: &InvocationId,
        update_id: &str,
    ) -> Result<Option<Result<Payload, Failure>>, ClientError> {
        let state = match self.read_state(id, Read::Leader).await {
            Ok(Some(state)) => state,
            // Its start may be under way; or an outage: wait on, the deadline decides.
            Ok(None) | Err(ClientError::Store(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let answers = state.value.answers;
        let own = answers.into_iter().find(|answer| answer.id == update_id);
        Ok(match own {
            Some(answer) => Some(answer.result),
            None if state.value.status.is_ended() => {
                let message = "the invocation has ended, and its answer is not known";
                Some(Err(Failure::fatal(Code::UNANSWERED, message)))
            }
            None => None,
        })
    }
}

fn no_answer(id: &InvocationId, timeout: Duration) -> ClientError {
    let id = id.clone();
    ClientError::NoAnswer { id, timeout }
}

fn answered(
    id: &InvocationId,
    name: &str,
    result: Result<Payload, Failure>,
) -> Result<Payload, ClientError> {
    result.map_err(|failure| ClientError::Refused {
        id: id.clone(),
        name: name.to_owned(),
        failure,
    })
}
