//! An invocation as one file: to keep, to send, to replay with another build.

use bytes::Bytes;
use headwater_wire::{InvocationId, journal::Lines, value::JournalPart};

use crate::{Client, ClientError, State};

impl Client {
    /// An invocation as one JSON document: its value as it is stored, with the journal's pages
    /// put before the recent entries. What `headwater check` and `testing::replay` read.
    pub async fn export(&self, id: &InvocationId) -> Result<Bytes, ClientError> {
        let state = self.state(id).await?;
        self.export_state(&state).await
    }

    /// [`Client::export`] of a state that was read before. Its pages are read now.
    pub async fn export_state(&self, state: &State) -> Result<Bytes, ClientError> {
        let unreadable = |reason: String| ClientError::Unreadable {
            id: state.value.id.to_string(),
            reason,
        };
        let mut lines = Lines::default();
        for page in self.pages(state).await? {
            lines.append(&Lines::from_page(&page).map_err(|e| unreadable(e.to_string()))?);
        }
        lines.append(&state.journal.tail);
        let journal = JournalPart {
            steps: state.journal.steps,
            entries: state.journal.entries,
            tail: lines,
            ..JournalPart::default()
        };
        let whole = state.value.encode(&journal);
        Ok(whole.map_err(|e| unreadable(e.to_string()))?.into())
    }
}
