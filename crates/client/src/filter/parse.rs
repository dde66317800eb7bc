//! Filters as people write them: `status=failed and search.total>=10 and created<2h ago`.

use std::time::Duration;

use headwater_wire::{Status, Timestamp, duration};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::Value as Json;

use super::{Choice, Compare, Condition, Filter, Moment, Operator, TextField, TimeField};

/// How the field of a search attribute begins.
const SEARCH: &str = "search.";

/// A text that is no filter, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a filter: {0}")]
pub struct FilterError(String);

fn wrong<T>(message: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError(message.into()))
}

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Operator(Operator),
    Open,
    Comma,
    Close,
}

impl Token {
    fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    fn shown(&self) -> String {
        match self {
            Self::Word(text) => format!("{text:?}"),
            Self::Quoted(text) => format!("the text {text:?}"),
            Self::Operator(operator) => format!("{:?}", operator.symbol()),
            Self::Open => "\"(\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::Close => "\")\"".to_owned(),
        }
    }
}

/// What a field is compared with. Quoted, it is a text whatever it looks like.
#[derive(Clone, Debug)]
struct Operand {
    text: String,
    quoted: bool,
}

impl Operator {
    const ALL: [Self; 6] = [
        Self::IsNot,
        Self::AtMost,
        Self::AtLeast,
        Self::Is,
        Self::Below,
        Self::Above,
    ];

    fn symbol(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Filter {
    /// Read a filter: conditions with `and` between them.
    ///
    /// | field | operators | compared with |
    /// |---|---|---|
    /// | `status` | `=` `!=` `in` | a status |
    /// | `id` `workflow` `version` `queue` `key` `parent` | `=` `!=` `in` | a text; `null`: there is none |
    /// | `created` `updated` `ended` | `=` `!=` `<` `<=` `>` `>=` | `2026-11-21`, `2026-11-21T08:30:00Z`, `2h ago`, `1 week ago` |
    /// | `search.<attribute>` | all | a number, `true`, `false`, `null` (not set), else a text |
    ///
    /// In quotes (`"…"` or `'…'`) anything is a text, and may hold spaces, commas and `and`.
    /// `in` takes a list: `status in (failed, cancelled)`. One that has not ended fits no
    /// condition on `ended`.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut tokens = Tokens {
            tokens: tokens(text)?,
            next: 0,
        };
        let mut filter = Self::new();
        loop {
            filter = filter.with(tokens.condition()?);
            match tokens.take() {
                None => return Ok(filter),
                Some(token) if token.is_word("and") => {}
                Some(token) => {
                    return wrong(format!(
                        "expected \"and\" or the end, not {}",
                        token.shown()
                    ));
                }
            }
        }
    }
}

impl std::str::FromStr for Filter {
    type Err = FilterError;
    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '"' | '\'' => match rest[1..].find(first) {
                Some(end) => (Token::Quoted(rest[1..=end].to_owned()), end + 2),
                None => return wrong(format!("the quote {first} is not closed")),
            },
            _ => match Operator::ALL.iter().find(|o| rest.starts_with(o.symbol())) {
                Some(operator) => (Token::Operator(*operator), operator.symbol().len()),
                None => word(rest)?,
            },
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn word(rest: &str) -> Result<(Token, usize), FilterError> {
    let ends = |c: char| c.is_whitespace() || "=!<>(),\"'".contains(c);
    let end = rest.find(ends).unwrap_or(rest.len());
    match end {
        0 => wrong("\"!\" alone is no operator: use !="),
        end => Ok((Token::Word(rest[..end].to_owned()), end)),
    }
}

struct Tokens {
    tokens: Vec<Token>,
    next: usize,
}

impl Tokens {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn condition(&mut self) -> Result<Condition, FilterError> {
        let field = match self.take() {
            Some(Token::Word(field) | Token::Quoted(field)) => field,
            Some(token) => return wrong(format!("expected a field, not {}", token.shown())),
            None => return wrong("a condition is missing, for example status=failed"),
        };
        match self.take() {
            Some(Token::Operator(operator)) => {
                let operand = self.operand()?;
                compared(&field, operator, &operand)
            }
            Some(token) if token.is_word("in") => one_of(&field, &self.list()?),
            _ => wrong(format!(
                "after {field:?} an operator is missing: use = != < <= > >= or in (…)"
            )),
        }
    }

    /// One quoted text, or words up to the next `and`.
    fn operand(&mut self) -> Result<Operand, FilterError> {
        let mut words: Vec<String> = Vec::new();
        while let Some(token) = self.tokens.get(self.next) {
            match token {
                Token::Quoted(text) if words.is_empty() => {
                    let text = text.clone();
                    self.next += 1;
                    return Ok(Operand { text, quoted: true });
                }
                Token::Word(word) if !token.is_word("and") => words.push(word.clone()),
                _ => break,
            }
            self.next += 1;
        }
        match words.is_empty() {
            true => wrong("a value is missing; in quotes it may be anything, also empty"),
            false => Ok(Operand {
                text: words.join(" "),
                quoted: false,
            }),
        }
    }

    fn list(&mut self) -> Result<Vec<Operand>, FilterError> {
        if self.take() != Some(Token::Open) {
            return wrong("after \"in\" a list is missing: use in (a, b)");
        }
        let mut operands = Vec::new();
        loop {
            operands.push(self.operand()?);
            match self.take() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(operands),
                _ => return wrong("the list after \"in\" is not closed: use in (a, b)"),
            }
        }
    }
}

/// What a field stands for.
enum Field {
    Status,
    Text(TextField),
    Time(TimeField),
    Search(String),
}

fn field(name: &str) -> Result<Field, FilterError> {
    Ok(match name {
        "status" => Field::Status,
        "id" => Field::Text(TextField::Id),
        "workflow" => Field::Text(TextField::Workflow),
        "version" => Field::Text(TextField::Version),
        "queue" => Field::Text(TextField::Queue),
        "key" => Field::Text(TextField::Key),
        "parent" => Field::Text(TextField::Parent),
        "created" => Field::Time(TimeField::Created),
        "updated" => Field::Time(TimeField::Updated),
        "ended" => Field::Time(TimeField::Ended),
        _ => match name.strip_prefix(SEARCH).filter(|name| !name.is_empty()) {
            Some(attribute) => Field::Search(attribute.to_owned()),
            None => {
                return wrong(format!(
                    "{name:?} is not a field: use status, id, workflow, version, queue, key, parent, created, updated, ended or search.<attribute>"
                ));
            }
        },
    })
}

fn compared(name: &str, operator: Operator, to: &Operand) -> Result<Condition, FilterError> {
    let negated = match operator {
        Operator::Is => Some(false),
        Operator::IsNot => Some(true),
        _ => None,
    };
    Ok(match (field(name)?, negated) {
        (Field::Search(attribute), _) => {
            Condition::Search(attribute, Compare::With(operator, to.json()))
        }
        (Field::Time(field), _) => Condition::Time(field, operator, to.moment()?),
        (Field::Status, Some(negated)) => {
            let of = vec![to.status()?];
            Condition::Status(Choice { of, negated })
        }
        (Field::Text(field), Some(negated)) => {
            let of = vec![to.text()];
            Condition::Text(field, Choice { of, negated })
        }
        (Field::Status | Field::Text(_), None) => {
            return wrong(format!(
                "{name} has no order, so {} does not fit: use = != or in",
                operator.symbol()
            ));
        }
    })
}

fn one_of(name: &str, list: &[Operand]) -> Result<Condition, FilterError> {
    let negated = false;
    Ok(match field(name)? {
        Field::Status => {
            let of: Result<_, _> = list.iter().map(Operand::status).collect();
            Condition::Status(Choice { of: of?, negated })
        }
        Field::Text(field) => {
            let of = list.iter().map(Operand::text).collect();
            Condition::Text(field, Choice { of, negated })
        }
        Field::Search(attribute) => {
            let of = list.iter().map(Operand::json).collect();
            Condition::Search(attribute, Compare::In(of))
        }
        Field::Time(_) => return wrong(format!("{name} is a time: use < <= > or >=")),
    })
}

impl Operand {
    fn status(&self) -> Result<Status, FilterError> {
        self.text.parse().map_err(FilterError)
    }

    /// None: `null`, so there must be none.
    fn text(&self) -> Option<String> {
        let is_null = !self.quoted && self.text == "null";
        (!is_null).then(|| self.text.clone())
    }

    fn json(&self) -> Json {
        let text = || Json::String(self.text.clone());
        if self.quoted {
            return text();
        }
        match serde_json::from_str(&self.text) {
            Ok(scalar @ (Json::Number(_) | Json::Bool(_) | Json::Null)) => scalar,
            _ => text(),
        }
    }

    fn moment(&self) -> Result<Moment, FilterError> {
        let text = self.text.as_str();
        if let Ok(time) = text.parse() {
            return Ok(Moment::At(time));
        }
        if let Some(midnight) = midnight(text) {
            return Ok(Moment::At(midnight));
        }
        ago(text).map(Moment::Ago).ok_or_else(|| {
            FilterError(format!(
                "{text:?} is not a time: use 2026-11-21, 2026-11-21T08:30:00Z or for example 2h ago"
            ))
        })
    }
}

/// The beginning of a day, in UTC.
fn midnight(text: &str) -> Option<Timestamp> {
    let day: Date = text.parse().ok()?;
    let zoned = day.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

/// `2h ago`, `1.5 days ago`.
fn ago(text: &str) -> Option<Duration> {
    let length = text.strip_suffix("ago")?.trim_end();
    duration::parse(length).ok()
}

#[cfg(test)]
mod tests;
