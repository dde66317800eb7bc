//! Events that workflows tell.

use futures::{StreamExt as _, stream::BoxStream};
use headwater_wire::{
    Payload,
    names::{Hint, check_name},
};

use crate::{Client, ClientError};

impl Client {
    /// What workflows emit under this topic from now on. Hints: one that comes while nobody
    /// listens, or while the connection is down, is lost.
    ///
    /// It listens before this returns.
    pub async fn events(&self, topic: &str) -> Result<BoxStream<'static, Payload>, ClientError> {
        check_name("topic", topic)?;
        let store = self.store();
        let heard = store
            .listen(&store.hint_subject(Hint::Event(topic)))
            .await?;
        let events = heard.filter_map(async |body| {
            let text = std::str::from_utf8(&body).ok()?;
            Payload::from_json_text(text).ok()
        });
        Ok(events.boxed())
    }
}
