//! Whether a state fits a filter.

use std::cmp::Ordering;

use headwater_wire::{Timestamp, Value, command::Asker};
use serde_json::{Number, Value as Json};

use super::{Compare, Condition, Filter, Moment, Operator, TextField, TimeField};

impl Filter {
    /// Whether every condition holds. Cursor and limit are the list's affair.
    pub(crate) fn fits(&self, value: &Value, now: Timestamp) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|condition| condition.holds(value, now))
    }
}

impl Condition {
    fn holds(&self, value: &Value, now: Timestamp) -> bool {
        match self {
            Self::Status(choice) => choice.holds(&value.status),
            Self::Text(field, choice) => choice.holds(&field.of(value)),
            Self::Time(field, operator, moment) => field
                .of(value)
                .is_some_and(|time| operator.takes(time.cmp(&moment.at(now)))),
            Self::Search(attribute, compare) => {
                let payload = value.search.get(attribute);
                let found = payload.and_then(|payload| payload.decode().ok());
                compare.holds(&found.unwrap_or(Json::Null))
            }
        }
    }
}

impl TextField {
    fn of(self, value: &Value) -> Option<String> {
        match self {
            Self::Id => Some(value.id.to_string()),
            Self::Workflow => Some(value.workflow.clone()),
            Self::Version => Some(value.version.clone()),
            Self::Queue => Some(value.queue.clone()),
            Self::Key => value.partition_key.clone(),
            Self::Parent => match &value.asker {
                Asker::Parent { invocation, .. } => Some(invocation.to_string()),
                Asker::Request(_) => None,
            },
        }
    }
}

impl TimeField {
    fn of(self, value: &Value) -> Option<Timestamp> {
        match self {
            Self::Created => Some(value.created_at),
            Self::Updated => Some(value.updated_at),
            Self::Ended => value.ended_at,
        }
    }
}

impl Moment {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => {
                let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(now.as_micros().saturating_sub(micros))
            }
        }
    }
}

impl Operator {
    fn takes(self, ordering: Ordering) -> bool {
        match self {
            Self::Is => ordering.is_eq(),
            Self::IsNot => ordering.is_ne(),
            Self::Below => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Above => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

impl Compare {
    fn holds(&self, found: &Json) -> bool {
        match self {
            Self::With(operator, wanted) => match compare(found, wanted) {
                Some(ordering) => operator.takes(ordering),
                None => *operator == Operator::IsNot,
            },
            Self::In(wanted) => wanted.iter().any(|one| is_same(found, one)),
        }
    }
}

fn is_same(a: &Json, b: &Json) -> bool {
    compare(a, b).is_some_and(Ordering::is_eq)
}

/// How two values stand to each other. None: they are of two kinds, or of one without an order.
fn compare(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => compare_numbers(a, b),
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

/// Whole numbers exactly, others as `f64`.
fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    let unsigned = number.as_u64().map(i128::from);
    unsigned.or_else(|| number.as_i64().map(i128::from))
}
