//! What is written: lines or JSON on stdout, errors on stderr. A reader that has gone away ends
//! the command in peace.

use std::{
    fmt::Display,
    io::{ErrorKind, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use headwater::wire::{Payload, Timestamp};
use serde::Serialize;

use crate::exit::Problem;

/// Longest preview of data or a reason in a table or journal line, in characters.
pub(crate) const PREVIEW_CHARS_MAX: usize = 120;

/// Form of the output. The variants have no doc comments: clap would spread every help page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Standard output in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub(crate) format: Format,
}

impl Out {
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One line, flushed: a reader of a pipe sees it at once.
    pub(crate) fn line(self, line: impl Display) -> Result<(), Problem> {
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        written.map_err(|error| of_stdout(&error))
    }

    pub(crate) fn lines(self, lines: &[String]) -> Result<(), Problem> {
        if lines.is_empty() {
            return Ok(());
        }
        self.line(lines.join("\n"))
    }

    /// One line that begins with the time, as the log of a process. What is logged goes on also
    /// if nobody reads it any more.
    pub(crate) fn log(self, line: impl Display) -> Result<(), Problem> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let now = strftime(Timestamp::from_micros(now), "%Y/%m/%d %H:%M:%S");
        match self.line(format_args!("{now} {line}")) {
            Err(Problem::ReaderGone) => Ok(()),
            logged => logged,
        }
    }

    /// One JSON value on one line.
    pub(crate) fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        let text = serde_json::to_string(value).map_err(|error| {
            Problem::other(
                "output",
                format!("the result can't be written as JSON: {error}"),
            )
        })?;
        self.line(text)
    }
}

fn of_stdout(error: &std::io::Error) -> Problem {
    match error.kind() {
        ErrorKind::BrokenPipe => Problem::ReaderGone,
        _ => Problem::other("output", format!("stdout can't be written: {error}")),
    }
}

/// Tell an error on stderr.
pub(crate) fn complain(format: Format, problem: &Problem) {
    #[derive(Serialize)]
    struct Told<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        code: &'a str,
        message: &'a str,
    }
    let Problem::Error { code, message, .. } = problem else {
        return;
    };
    let error = Body { code, message };
    let text = match format {
        Format::Text => {
            let lines: Vec<String> = message.lines().map(shown).collect();
            format!("error: {}", lines.join("\n"))
        }
        Format::Json => serde_json::to_string(&Told { error }).unwrap_or_default(),
    };
    // Without stderr there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A text of somebody else's on one line: control characters stand escaped, so that it breaks
/// neither lines nor terminals.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// The beginning of a text, on one line.
pub(crate) fn preview(text: &str) -> String {
    let line = shown(text);
    match line.char_indices().nth(PREVIEW_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Data on one line.
pub(crate) fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Json(raw) => shown(raw.get()),
        Payload::Other { encoding, bytes } => {
            format!("<{} bytes of {}>", bytes.len(), shown(encoding))
        }
    }
}

/// A time, in UTC.
pub(crate) fn time(time: Timestamp) -> String {
    strftime(time, "%Y-%m-%d %H:%M:%S")
}

/// A time with milliseconds, in UTC.
pub(crate) fn time_millis(time: Timestamp) -> String {
    strftime(time, "%Y-%m-%d %H:%M:%S%.3f")
}

fn strftime(time: Timestamp, format: &str) -> String {
    match jiff::Timestamp::from_microsecond(time.as_micros()) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => time.to_string(),
    }
}

/// Rows in aligned columns; the last column is not padded.
pub(crate) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].chars().count()]).max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.trim_end().to_owned()
    };
    let body = rows
        .iter()
        .map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(titles.to_vec())).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["a".to_owned(), "überall".to_owned(), "x".to_owned()],
            ["longer".to_owned(), String::new(), String::new()],
        ];
        let lines = table(["ID", "WHERE", "WHY"], &rows);
        assert_eq!(
            lines,
            ["ID      WHERE    WHY", "a       überall  x", "longer"]
        );
    }

    #[test]
    fn what_others_wrote_stays_on_its_line() {
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(preview(&"ü".repeat(500)).chars().count(), 121);
    }

    #[test]
    fn times_are_those_of_the_go_prototype() {
        let time = Timestamp::from_micros(1_731_276_060_123_000);
        assert_eq!(strftime(time, "%Y/%m/%d %H:%M:%S"), "2024/11/10 22:01:00");
        assert_eq!(time_millis(time), "2024-11-10 22:01:00.123");
    }
}
