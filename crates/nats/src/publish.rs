//! Writes that a stream acknowledges.

use async_nats::{HeaderMap, HeaderValue, header};
use headwater_store::{Message, StoreError};
use headwater_wire::{dead::DeadLetter, names::header as ours};
use serde::Deserialize;

use crate::{
    errors::ApiError,
    group::{Lane, Write},
    link::{Link, unreadable},
};

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
    error: Option<ApiError>,
}

impl Link {
    /// Store a message, with others that come at the same time where that pays; answers its
    /// sequence.
    pub(crate) async fn publish(&self, lane: Lane, write: Write) -> Result<u64, StoreError> {
        match self.groups.get() {
            Some(groups) => groups.store(lane, write).await,
            None => self.publish_alone(write).await,
        }
    }

    /// Publish to a stream and await its acknowledgement; answers the sequence.
    pub(crate) async fn publish_alone(&self, write: Write) -> Result<u64, StoreError> {
        let Write {
            subject,
            headers,
            body,
        } = write;
        let answer = self.request(subject, headers, body, self.timeout).await?;
        let answer: Answer =
            serde_json::from_slice(&answer.payload).map_err(|error| unreadable(&error))?;
        match answer.error {
            Some(error) => Err(error.into()),
            None => Ok(answer.seq),
        }
    }

    /// Store a message of the engine, a worker or a client.
    pub(crate) async fn publish_message(&self, message: Message) -> Result<u64, StoreError> {
        let ns = &self.namespace;
        match message {
            Message::Command { to, body } => {
                let write = Write::new(ns.command_subject(&to), None, body);
                self.publish(Lane::Commands, write).await
            }
            Message::Task { topic, body } => {
                let write = Write::new(ns.task_subject(&topic), None, body);
                self.publish(Lane::Tasks, write).await
            }
            Message::Schedule {
                to,
                timer,
                due,
                body,
            } => {
                let mut headers = HeaderMap::new();
                headers.insert(header::NATS_SCHEDULE, format!("@at {due}"));
                headers.insert(header::NATS_SCHEDULE_TARGET, ns.command_subject(&to));
                let subject = ns.timer_subject(&to, timer);
                let write = Write::new(subject, Some(headers), body);
                self.publish(Lane::Commands, write).await
            }
            Message::Dead(letter) => {
                let subject = ns.dead_subject(&letter);
                let headers = dead_headers(&letter);
                let write = Write::new(subject, Some(headers), letter.payload);
                self.publish_alone(write).await
            }
        }
    }
}

fn dead_headers(letter: &DeadLetter) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (ours::REASON, letter.reason.as_str()),
        (ours::SUBJECT, letter.subject.as_str()),
        (ours::SEQUENCE, letter.seq.to_string().as_str()),
        (ours::DELIVERIES, letter.deliveries.to_string().as_str()),
        (ours::BY, letter.by.as_str()),
    ] {
        headers.insert(name, HeaderValue::from(escape(value)));
    }
    headers
}

/// A header can't hold line breaks (async-nats panics on them), and loses spaces at its ends.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let (first, last) = (0, text.len().saturating_sub(1));
    for (at, c) in text.char_indices() {
        let escape = c == '%' || c.is_ascii_control() || (c == ' ' && (at == first || at == last));
        if escape {
            escaped.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// What [`escape`] was given; anything else comes back as it is.
pub(crate) fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (code.filter(u8::is_ascii), part.get(2..)) {
            (Some(code), Some(rest)) => {
                unescaped.push(char::from(code));
                unescaped.push_str(rest);
            }
            _ => {
                unescaped.push('%');
                unescaped.push_str(part);
            }
        }
    }
    unescaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_goes_through_a_header() {
        for (text, header) in [
            ("", ""),
            ("no such kind", "no such kind"),
            ("100 %: «é»\nmend\r", "100 %25: «é»%0Amend%0D"),
            ("  two ends ", "%20 two ends%20"),
        ] {
            assert_eq!(escape(text), header);
            assert_eq!(unescape(header), text);
        }
        assert_eq!(unescape("50% off %é"), "50% off %é");
    }
}
