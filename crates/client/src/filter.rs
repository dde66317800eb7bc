//! What to list: conditions on the state of an invocation, all of which must hold.

mod matching;
mod parse;

use std::time::Duration;

use headwater_wire::{Status, Timestamp};

pub use parse::FilterError;

use crate::Cursor;

/// What to list: every condition must hold. Without conditions it is everything.
///
/// ```
/// use headwater_client::{Filter, Operator};
/// use headwater_wire::Status;
///
/// let written = Filter::parse("status=failed and search.total>=10").unwrap();
/// let built = Filter::new()
///     .status(Status::Failed)
///     .search("total", Operator::AtLeast, 10);
/// assert_eq!(written, built);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    conditions: Vec<Condition>,
    pub(crate) after: Option<Cursor>,
    pub(crate) limit: Option<usize>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Status(Choice<Status>),
    Text(TextField, Choice<Option<String>>),
    Time(TimeField, Operator, Moment),
    Search(String, Compare),
}

/// One of these, or none of these.
#[derive(Clone, Debug, PartialEq)]
struct Choice<T> {
    of: Vec<T>,
    negated: bool,
}

impl<T: PartialEq> Choice<T> {
    fn only(value: T) -> Self {
        Self {
            of: vec![value],
            negated: false,
        }
    }

    fn holds(&self, value: &T) -> bool {
        self.of.contains(value) != self.negated
    }
}

/// A search attribute against one value, or against several of which it has to be one.
#[derive(Clone, Debug, PartialEq)]
enum Compare {
    With(Operator, serde_json::Value),
    In(Vec<serde_json::Value>),
}

/// How a value is compared with the one of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextField {
    Id,
    Workflow,
    Version,
    Queue,
    Key,
    Parent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeField {
    Created,
    Updated,
    Ended,
}

/// A point in time, or one that moves with the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Filter {
    /// Everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Both this and what the other asks for. Cursor and limit stay.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.conditions.extend(other.conditions);
        self
    }

    /// Only of this status.
    #[must_use]
    pub fn status(self, status: Status) -> Self {
        self.with(Condition::Status(Choice::only(status)))
    }

    /// Only of this workflow.
    #[must_use]
    pub fn workflow(self, workflow: impl Into<String>) -> Self {
        let workflow = Choice::only(Some(workflow.into()));
        self.with(Condition::Text(TextField::Workflow, workflow))
    }

    /// Only those created before this time.
    #[must_use]
    pub fn created_before(self, time: Timestamp) -> Self {
        let (field, time) = (TimeField::Created, Moment::At(time));
        self.with(Condition::Time(field, Operator::Below, time))
    }

    /// Only those that ended before this time.
    #[must_use]
    pub fn ended_before(self, time: Timestamp) -> Self {
        let (field, time) = (TimeField::Ended, Moment::At(time));
        self.with(Condition::Time(field, Operator::Below, time))
    }

    /// Only those whose search attribute compares so. Numbers compare with numbers and texts with
    /// texts; whatever else is only the same or not. One that is not set is JSON `null`.
    #[must_use]
    pub fn search(
        self,
        attribute: impl Into<String>,
        operator: Operator,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        let compare = Compare::With(operator, value.into());
        self.with(Condition::Search(attribute.into(), compare))
    }

    /// At most so many, the newest.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only what comes after the end of another page.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }
}
