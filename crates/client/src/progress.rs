//! What activities tell while they run.

use futures::{StreamExt as _, stream::BoxStream};
use headwater_wire::{InvocationId, ask::Progress, names::Hint};

use crate::{Client, ClientError};

impl Client {
    /// What the activities of an invocation tell from now on (`ActivityContext::progress`), whether
    /// it has begun or not. Hints: one that comes while nobody listens, or while the connection is
    /// down, is lost. Of an attempt that is repeated the same may come again.
    ///
    /// It listens before this returns.
    pub async fn progress(
        &self,
        id: &InvocationId,
    ) -> Result<BoxStream<'static, Progress>, ClientError> {
        let store = self.store();
        let subject = store.hint_subject(Hint::Progress(&id.key()));
        let heard = store.listen(&subject).await?;
        Ok(heard
            .filter_map(async |body| Progress::decode(&body).ok())
            .boxed())
    }
}
