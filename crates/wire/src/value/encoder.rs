//! Encoding the values of one invocation again and again: what a run never changes is encoded
//! once and copied after that. It is about half of a small value, and most of the work.

use serde::Serialize;

use super::{JournalPart, Value, ValueError};
use crate::Run;

/// Writes the values of one invocation, byte for byte as [`Value::encode`] does.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    constant: Option<Constant>,
}

/// The fields that one run of an invocation never changes, as they are stored, by their places.
#[derive(Clone, Debug)]
struct Constant {
    run: Run,
    /// `format` to `version`.
    head: Vec<u8>,
    /// `partition_key` to `created_at`.
    place: Vec<u8>,
    input: Vec<u8>,
    /// `run` to `forked`.
    asked: Vec<u8>,
}

impl Constant {
    fn new(value: &Value) -> Result<Self, ValueError> {
        let mut head = Fields(b"{\"format\":".to_vec());
        head.put(&value.format)?;
        head.add("id", &value.id)?;
        head.add("workflow", &value.workflow)?;
        if !value.version.is_empty() {
            head.add("version", &value.version)?;
        }
        let mut place = Fields(Vec::new());
        place.add_some("partition_key", value.partition_key.as_ref())?;
        place.add("queue", &value.queue)?;
        place.add("partition", &value.partition)?;
        place.add("created_at", &value.created_at)?;
        let mut input = Fields(Vec::new());
        input.add("input", &value.input)?;
        let mut asked = Fields(Vec::new());
        asked.add("run", &value.run)?;
        asked.add_some("run_started_at", value.run_started_at.as_ref())?;
        asked.add("asker", &value.asker)?;
        asked.add_some("ticket", value.ticket.as_ref())?;
        asked.add_some("reply_to", value.reply_to.as_ref())?;
        asked.add_some("retention", value.retention.as_ref())?;
        asked.add_some("result_ttl_ms", value.result_ttl_ms.as_ref())?;
        asked.add_some("replaced", value.replaced.as_ref())?;
        asked.add_all("runs", value.runs.is_empty(), &value.runs)?;
        asked.add_some("forked", value.forked.as_ref())?;
        Ok(Self {
            run: value.run,
            head: head.0,
            place: place.0,
            input: input.0,
            asked: asked.0,
        })
    }
}

impl Encoder {
    /// The value as it is stored. All that are given to one encoder are of one invocation.
    pub fn encode(&mut self, value: &Value, journal: &JournalPart) -> Result<Vec<u8>, ValueError> {
        let constant = match self.constant.take() {
            Some(constant) if constant.run == value.run => constant,
            _ => Constant::new(value)?,
        };
        let Constant {
            head,
            place,
            input,
            asked,
            ..
        } = &constant;
        let known = head.len() + place.len() + input.len() + asked.len();
        let mut bytes = Fields(Vec::with_capacity(known + 512 + journal.tail.bytes()));
        bytes.0.extend_from_slice(head);
        bytes.add("status", &value.status)?;
        bytes.add("why", &value.why)?;
        bytes.add_all("waits", value.waits.is_empty(), &value.waits)?;
        bytes.add("pending", &value.pending)?;
        bytes.0.extend_from_slice(place);
        bytes.add("updated_at", &value.updated_at)?;
        bytes.add_some("ended_at", value.ended_at.as_ref())?;
        bytes.add_some("deleted_at", value.deleted_at.as_ref())?;
        bytes.0.extend_from_slice(input);
        bytes.add_some("output", value.output.as_ref())?;
        bytes.add_some("error", value.error.as_ref())?;
        bytes.add("search", &value.search)?;
        bytes.add_all("kv", value.kv.is_empty(), &value.kv)?;
        bytes.add_some("custom_status", value.custom_status.as_ref())?;
        bytes.0.extend_from_slice(asked);
        bytes.add_all("signals", value.signals.is_empty(), &value.signals)?;
        bytes.add_all("updates", value.updates.is_empty(), &value.updates)?;
        bytes.add_all("answers", value.answers.is_empty(), &value.answers)?;
        bytes.add_some("cancel", value.cancel.as_ref())?;
        bytes.add_some("parked", value.parked.as_ref())?;
        bytes.add_all("deferred", value.deferred.is_empty(), &value.deferred)?;
        let crashes = &value.suspected_crashes;
        bytes.add_all("suspected_crashes", *crashes == 0, crashes)?;
        bytes.add_all("anchors", value.anchors.is_empty(), &value.anchors)?;
        bytes.add_all("beats", value.beats.is_empty(), &value.beats)?;
        bytes.add("turn", &value.turn)?;
        bytes.add_all("sends", value.sends.is_empty(), &value.sends)?;
        journal.append_to(&mut bytes.0)?;
        self.constant = Some(constant);
        debug_assert_eq!(value.encode(journal).ok().as_ref(), Some(&bytes.0));
        Ok(bytes.0)
    }
}

/// Fields of a JSON object, one after another.
struct Fields(Vec<u8>);

impl Fields {
    fn put(&mut self, value: &impl Serialize) -> Result<(), ValueError> {
        Ok(serde_json::to_writer(&mut self.0, value)?)
    }

    /// The names need no escapes.
    fn add(&mut self, name: &str, value: &impl Serialize) -> Result<(), ValueError> {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.put(value)
    }

    fn add_some(&mut self, name: &str, value: Option<&impl Serialize>) -> Result<(), ValueError> {
        value.map_or(Ok(()), |value| self.add(name, value))
    }

    fn add_all(
        &mut self,
        name: &str,
        is_empty: bool,
        value: &impl Serialize,
    ) -> Result<(), ValueError> {
        match is_empty {
            true => Ok(()),
            false => self.add(name, value),
        }
    }
}
