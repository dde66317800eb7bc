//! State that others can see: key-value pairs, search attributes, custom status, patches.
//!
//! The program folds its changes by itself; here what each results in is written into the value.

use headwater_wire::{
    Entry,
    journal::{Carried, Of},
    value::CustomStatus,
};

use super::Invocation;

impl Invocation {
    /// A change of state stands in the journal.
    pub(super) fn state_decided(&mut self, entry: &Entry) {
        match entry {
            Entry::Set { of, key, value } => {
                let pairs = match of {
                    Of::Kv => &mut self.value.kv,
                    Of::Search => &mut self.value.search,
                };
                match value {
                    Some(value) => pairs.insert(key.clone(), value.clone()),
                    None => pairs.remove(key),
                };
                self.shows_more |= *of == Of::Kv;
            }
            Entry::CustomStatus { value } => {
                let before = self.value.custom_status.as_ref();
                // A version is used once, also if nothing is said any more.
                self.value.custom_status = Some(CustomStatus {
                    version: before.map_or(0, |status| status.version) + 1,
                    value: value.clone().unwrap_or_default(),
                });
                self.shows_more = true;
            }
            Entry::Patch { id } => {
                self.patches.insert(id.clone());
            }
            _ => {}
        }
    }

    /// Whether what clients can wait for has changed since the last call.
    pub fn shows_more(&mut self) -> bool {
        std::mem::take(&mut self.shows_more)
    }

    /// A run begins with the state as it is now.
    pub(super) fn carry_state(&mut self) {
        let carried = Carried {
            kv: self.value.kv.clone(),
            search: self.value.search.clone(),
            status: self.value.custom_status.clone(),
        };
        if !carried.is_empty() {
            self.push(&Entry::Carried(carried.clone()));
        }
        self.carried = carried;
    }
}
