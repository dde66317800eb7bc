//! Subjects of which a stream has messages, asked at its leader.

use std::collections::HashMap;

use headwater_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::link::{ADMIN_TIMEOUT, Link};

#[derive(Serialize)]
struct Request<'a> {
    subjects_filter: &'a str,
    offset: usize,
}

#[derive(Deserialize)]
struct Info {
    state: State,
    #[serde(default)]
    total: usize,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

impl Link {
    /// The subjects that fit the filter and their counts of messages. The server tells 100,000
    /// in one answer; of more it may leave out one that is written between two answers.
    pub(crate) async fn subjects(
        &self,
        stream: &str,
        filter: &str,
    ) -> Result<HashMap<String, u64>, StoreError> {
        let verb = format!("STREAM.INFO.{stream}");
        let (mut all, mut offset) = (HashMap::new(), 0);
        loop {
            let request = Request {
                subjects_filter: filter,
                offset,
            };
            let info: Info = self.api(&verb, &request, ADMIN_TIMEOUT).await??;
            let subjects = info.state.subjects;
            let told = subjects.len();
            offset += told;
            all.extend(subjects);
            if told == 0 || offset >= info.total {
                return Ok(all);
            }
        }
    }
}
