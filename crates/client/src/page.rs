//! Lists: pages of states, newest first, and the one scan that everything that looks at all
//! invocations shares.

use std::{cmp::Reverse, collections::BTreeMap, fmt, str::FromStr};

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use headwater_store::Bucket;
use headwater_wire::{Key, Timestamp};

use crate::{
    Client, ClientError, Filter, State,
    inspect::{is_built_in, state},
};

/// A place in the list of all invocations: behind one of them. Stays valid whatever is started,
/// ends or expires meanwhile.
///
/// Its text is for whoever passes it on: `<microseconds of the creation>/<key>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    created_at: Timestamp,
    key: Key,
}

impl Cursor {
    /// The place behind a state.
    #[must_use]
    pub fn behind(state: &State) -> Self {
        Self {
            created_at: state.value.created_at,
            key: state.value.id.key(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.created_at.as_micros(), self.key)
    }
}

impl FromStr for Cursor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(micros, key)| {
            Some(Self {
                created_at: Timestamp::from_micros(micros.parse().ok()?),
                key: Key::parse(key).ok()?,
            })
        });
        parsed.ok_or_else(|| format!("{text:?} is not a cursor: give one that a list has told"))
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its states, the newest first.
    pub states: Vec<State>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<Cursor>,
}

impl Client {
    /// States by a filter, the newest first. Reads them all: for people, not for programs.
    pub async fn list(&self, filter: &Filter) -> Result<Page, ClientError> {
        let (states, next) = self.select(filter, |state| state).await?;
        Ok(Page { states, next })
    }

    /// What is kept of the states on a page, and where the next page begins.
    pub(crate) async fn select<T>(
        &self,
        filter: &Filter,
        keep: impl Fn(State) -> T,
    ) -> Result<(Vec<T>, Option<Cursor>), ClientError> {
        let limit = filter.limit.unwrap_or(usize::MAX);
        let mut found = BTreeMap::new();
        let mut more = false;
        let mut states = self.states(filter).await?;
        while let Some(state) = states.try_next().await? {
            let place = Cursor::behind(&state);
            if filter.after.as_ref().is_none_or(|after| place < *after) {
                found.insert(Reverse(place), keep(state));
            }
            // No more than a page is held, however many there are.
            if found.len() > limit {
                found.pop_last();
                more = true;
            }
        }
        let last = found.last_key_value().map(|(Reverse(place), _)| place);
        let next = last.filter(|_| more).cloned();
        Ok((found.into_values().collect(), next))
    }

    /// Every state that fits, in no order; cursor and limit are not looked at.
    pub(crate) async fn states(
        &self,
        filter: &Filter,
    ) -> Result<BoxStream<'static, Result<State, ClientError>>, ClientError> {
        let records = self.inner.store.scan(Bucket::State).await?;
        let (filter, now) = (filter.clone(), self.now());
        let states = records.filter_map(move |record| {
            let state = match record {
                Err(error) => Some(Err(error.into())),
                Ok(record) if is_built_in(&record.key) => None,
                Ok(record) => {
                    let key = record.key.clone();
                    match state(record) {
                        Ok(state) => {
                            let there = state.value.deleted_at.is_none();
                            (there && filter.fits(&state.value, now)).then_some(Ok(state))
                        }
                        // One that cannot be read must not hide the others.
                        Err(error) => {
                            tracing::warn!(key, %error, "left out of the list");
                            None
                        }
                    }
                }
            };
            std::future::ready(state)
        });
        Ok(states.boxed())
    }
}
