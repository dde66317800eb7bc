//! State that others can see, from the workflow's side: key-value pairs, search attributes, a
//! status; and patches.
//!
//! A workflow keeps its state in memory, so reading and changing it is no step. Each change is
//! noted in the journal with what it results in, and the invocation writes that into its value. A
//! replay begins with what the run began with and makes the same changes.

use std::collections::BTreeMap;

use headwater_wire::{
    Code, Entry, Failure, Payload,
    failure::cut,
    journal::Of,
    limits::{self, NAME_BYTES_MAX},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    context::Context,
    shared::{Shared, State},
};
use crate::{Error, Result, error::payload_error, program::ProgramInfo};

type Pairs = BTreeMap<String, Payload>;

/// What a workflow shows of itself, as it is now, and the patches that it asked for.
pub(super) struct Visible {
    kv: Pairs,
    search: Pairs,
    status: Payload,
    patches: BTreeMap<String, bool>,
}

impl Visible {
    pub(super) fn of(info: &ProgramInfo) -> Self {
        let carried = &info.carried;
        let status = carried.status.as_ref().map(|status| status.value.clone());
        Self {
            kv: carried.kv.clone(),
            search: carried.search.clone(),
            status: status.unwrap_or_default(),
            patches: BTreeMap::new(),
        }
    }

    fn pairs(&self, of: Of) -> &Pairs {
        match of {
            Of::Kv => &self.kv,
            Of::Search => &self.search,
        }
    }

    /// Whether the limits let this key have this value.
    fn check(&self, of: Of, key: &str, value: &Payload) -> Result<(), Failure> {
        if key.is_empty() || key.len() > NAME_BYTES_MAX {
            let reason = format!("{} key has 1 to {NAME_BYTES_MAX} bytes", named(of));
            return Err(Failure::fatal(Code::DECODE, reason));
        }
        let pairs = self.pairs(of);
        let others = pairs.iter().filter(|(other, _)| *other != key);
        let bytes = others.map(bytes_of_pair).sum::<usize>() + key.len() + value.bytes().len();
        let keys = pairs.len() + usize::from(!pairs.contains_key(key));
        match of {
            Of::Kv => {
                let value = value.bytes().len();
                within("KV_VALUE_BYTES_MAX", value, limits::KV_VALUE_BYTES_MAX)?;
                within("KV_KEYS_MAX", keys, limits::KV_KEYS_MAX)?;
                within("KV_BYTES_MAX", bytes, limits::KV_BYTES_MAX)?;
                let state = bytes + self.status.bytes().len();
                within("STATE_BYTES_MAX", state, limits::STATE_BYTES_MAX)
            }
            Of::Search => {
                within("SEARCH_KEYS_MAX", keys, limits::SEARCH_KEYS_MAX)?;
                within("SEARCH_BYTES_MAX", bytes, limits::SEARCH_BYTES_MAX)
            }
        }
    }

    fn check_status(&self, value: &Payload) -> Result<(), Failure> {
        let status = value.bytes().len();
        let most = limits::CUSTOM_STATUS_BYTES_MAX;
        within("CUSTOM_STATUS_BYTES_MAX", status, most)?;
        let state = status + self.kv.iter().map(bytes_of_pair).sum::<usize>();
        within("STATE_BYTES_MAX", state, limits::STATE_BYTES_MAX)
    }
}

fn bytes_of_pair((key, value): (&String, &Payload)) -> usize {
    key.len() + value.bytes().len()
}

fn named(of: Of) -> &'static str {
    match of {
        Of::Kv => "a kv",
        Of::Search => "a search",
    }
}

fn within(limit: &str, has: usize, most: usize) -> Result<(), Failure> {
    if has <= most {
        return Ok(());
    }
    let message = format!("the state of the workflow would pass the limit {limit}: {has} > {most}");
    Err(Failure::fatal(Code::TOO_LARGE, message))
}

impl State {
    /// Give a key a value. Answers whether the key is new.
    fn set(&mut self, of: Of, key: &str, value: Payload) -> Result<bool, Failure> {
        let before = self.visible.pairs(of).get(key);
        if before == Some(&value) {
            return Ok(false);
        }
        let is_new = before.is_none();
        self.visible.check(of, key, &value)?;
        self.change(of, key, Some(value));
        Ok(is_new)
    }

    /// Answers whether the key was there.
    fn remove(&mut self, of: Of, key: &str) -> bool {
        let was_there = self.visible.pairs(of).contains_key(key);
        if was_there {
            self.change(of, key, None);
        }
        was_there
    }

    fn change(&mut self, of: Of, key: &str, value: Option<Payload>) {
        let pairs = match of {
            Of::Kv => &mut self.visible.kv,
            Of::Search => &mut self.visible.search,
        };
        match &value {
            Some(value) => pairs.insert(key.to_owned(), value.clone()),
            None => pairs.remove(key),
        };
        let key = key.to_owned();
        self.note(Entry::Set { of, key, value });
    }

    /// Change a number; `start`: what a key that is not there counts as.
    fn calculate(
        &mut self,
        key: &str,
        start: f64,
        by: impl FnOnce(f64) -> f64,
    ) -> Result<f64, Failure> {
        let now = match self.visible.search.get(key) {
            Some(value) => number(key, value)?,
            None => start,
        };
        let result = by(now);
        if !result.is_finite() {
            let message = format!("search attribute {key:?} would no longer be a finite number");
            return Err(Failure::fatal(Code::FAILED, message));
        }
        self.set(Of::Search, key, shortest(result)?)?;
        Ok(result)
    }

    fn set_status(&mut self, value: Option<Payload>) -> Result<(), Failure> {
        let status = value.clone().unwrap_or_default();
        if self.visible.status != status {
            self.visible.check_status(&status)?;
            self.visible.status = status;
            self.note(Entry::CustomStatus { value });
        }
        Ok(())
    }
}

/// A number, also one that stands in a text.
fn number(key: &str, value: &Payload) -> Result<f64, Failure> {
    let text = || value.decode::<String>().ok()?.trim().parse().ok();
    let number = value.decode::<f64>().ok().or_else(text);
    number.ok_or_else(|| {
        let message = format!("search attribute {key:?} is not a number");
        Failure::fatal(Code::DECODE, message)
    })
}

/// Whole numbers are written as such.
fn shortest(number: f64) -> Result<Payload, Failure> {
    /// From here on not every whole number is one of these.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation)] // it is whole and in range
    let payload = match number.fract() == 0.0 && number.abs() < WHOLE_MAX {
        true => Payload::encode(&(number as i64)),
        false => Payload::encode(&number),
    };
    payload.map_err(Failure::from)
}

/// Not under the lock: this runs code of the user.
fn decode<T: DeserializeOwned>(what: &str, value: Option<Payload>) -> Result<Option<T>> {
    let decode = |value: Payload| value.decode().map_err(|e| payload_error(what, e));
    value.map(decode).transpose().map_err(Error::from_failure)
}

fn encode(what: &str, value: &impl Serialize) -> Result<Payload> {
    Payload::encode(value).map_err(|error| Error::from_failure(payload_error(what, error)))
}

impl Context {
    /// The key-value pairs of this invocation: they last through continue-as-new and beyond the
    /// end, and clients can read them. At most `KV_KEYS_MAX` of `KV_VALUE_BYTES_MAX`.
    #[must_use]
    pub fn kv(&self) -> Kv<'_> {
        Kv(&self.shared)
    }

    /// The search attributes of this invocation: small values by which it is found and that
    /// lists show. They last as the key-value pairs do. At most `SEARCH_KEYS_MAX`.
    #[must_use]
    pub fn search(&self) -> Search<'_> {
        Search(&self.shared)
    }

    /// [`Search::set`].
    pub fn enrich(&self, key: &str, value: impl Serialize) -> Result<usize> {
        self.search().set(key, value)
    }

    /// Say how far the workflow is, for clients to show or to wait for. It lasts through
    /// continue-as-new and beyond the end; each change has a version. At most
    /// `CUSTOM_STATUS_BYTES_MAX`.
    pub fn set_status(&self, status: impl Serialize) -> Result<()> {
        let status = encode("custom status", &status)?;
        let set = self.shared.state().set_status(Some(status));
        set.map_err(Error::from_failure)
    }

    /// Say nothing any more: the status is `null`.
    pub fn reset_status(&self) {
        // Nothing is never too large.
        let _ = self.shared.state().set_status(None);
    }

    /// What the workflow said last; none if nothing.
    pub fn status<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let status = self.shared.state().visible.status.clone();
        let status = Some(status).filter(|status| !status.is_null());
        decode("custom status", status)
    }

    /// Whether to do as a change of the workflow's code says: true in runs that get here for the
    /// first time with the changed code, and then always in them; false in runs that were here
    /// before it. So a build with the change can finish what an older one began.
    ///
    /// The answer is the same for the whole run. Once no run from before is left, the call and
    /// the old code can go, and nothing else has to be done. An id over `NAME_BYTES_MAX` is cut.
    #[must_use]
    pub fn patched(&self, id: impl Into<String>) -> bool {
        let id = cut(&id.into(), NAME_BYTES_MAX).to_owned();
        let mut state = self.shared.state();
        if let Some(known) = state.visible.patches.get(&id) {
            return *known;
        }
        let recorded = self.shared.info.patches.contains(&id);
        let is_new = !recorded && !state.replaying;
        if is_new {
            state.note(Entry::Patch { id: id.clone() });
        }
        state.visible.patches.insert(id, recorded || is_new);
        recorded || is_new
    }
}

/// The key-value pairs of an invocation. Made by [`Context::kv`].
///
/// Everything here acts at once and awaits nothing; what was set in a turn is stored with it.
pub struct Kv<'a>(&'a Shared);

impl Kv<'_> {
    /// The value of a key. Errors if it does not fit the type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let value = self.0.state().visible.kv.get(key).cloned();
        decode(&format!("kv {key:?}"), value)
    }

    /// Give a key a value. Errors, with nothing changed, if a limit would be passed.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<()> {
        let value = encode(&format!("kv {key:?}"), &value)?;
        let set = self.0.state().set(Of::Kv, key, value);
        set.map(drop).map_err(Error::from_failure)
    }

    /// Answers whether the key was there.
    pub fn remove(&self, key: &str) -> bool {
        self.0.state().remove(Of::Kv, key)
    }

    /// Remove them all.
    pub fn clear(&self) {
        let mut state = self.0.state();
        let keys: Vec<String> = state.visible.kv.keys().cloned().collect();
        for key in keys {
            state.remove(Of::Kv, &key);
        }
    }

    /// The keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.0.state().visible.kv.keys().cloned().collect()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.state().visible.kv.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every key with its value.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Payload> {
        self.0.state().visible.kv.clone()
    }
}

/// The search attributes of an invocation. Made by [`Context::search`].
///
/// Everything here acts at once and awaits nothing; what was set in a turn is stored with it.
pub struct Search<'a>(&'a Shared);

impl Search<'_> {
    /// The value of an attribute. Errors if it does not fit the type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let value = self.0.state().visible.search.get(key).cloned();
        decode(&format!("search attribute {key:?}"), value)
    }

    /// The values of some attributes, in the order of the keys.
    #[must_use]
    pub fn mget(&self, keys: &[&str]) -> Vec<Option<Payload>> {
        let state = self.0.state();
        let values = keys.iter().map(|key| state.visible.search.get(*key));
        values.map(Option::<&Payload>::cloned).collect()
    }

    /// Every attribute with its value.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Payload> {
        self.0.state().visible.search.clone()
    }

    /// Give an attribute a value. Answers 1 if it is new, else 0. Errors, with nothing changed,
    /// if a limit would be passed.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<usize> {
        let value = encode(&format!("search attribute {key:?}"), &value)?;
        let set = self.0.state().set(Of::Search, key, value);
        set.map(usize::from).map_err(Error::from_failure)
    }

    /// [`Search::set`] one after another, up to the first error. Answers how many are new.
    pub fn set_all<K: AsRef<str>, V: Serialize>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<usize> {
        let set = |(key, value): (K, V)| self.set(key.as_ref(), value);
        pairs.into_iter().map(set).sum()
    }

    /// Remove attributes. Answers how many were there.
    pub fn del(&self, keys: &[&str]) -> usize {
        let mut state = self.0.state();
        let removed = keys.iter().filter(|key| state.remove(Of::Search, key));
        removed.count()
    }

    /// Add to a number; one that is not there counts as 0. Answers the sum.
    pub fn incr(&self, key: &str, by: f64) -> Result<f64> {
        let sum = self.0.state().calculate(key, 0.0, |now| now + by);
        sum.map_err(Error::from_failure)
    }

    /// Multiply a number; one that is not there counts as 1. Answers the product.
    pub fn mult(&self, key: &str, by: f64) -> Result<f64> {
        let product = self.0.state().calculate(key, 1.0, |now| now * by);
        product.map_err(Error::from_failure)
    }
}
