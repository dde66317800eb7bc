//! JSON that the user gives: in place, in a file, or on stdin.

use std::{fs::File, io::Read};

use headwater::{
    ClientError,
    wire::{Payload, limits::PAYLOAD_BYTES_MAX, payload::PayloadError},
};

use crate::exit::{Exit, Problem};

/// Bytes read at the most, so that an endless stdin is refused and not awaited.
const READ_BYTES_MAX: usize = 16 * PAYLOAD_BYTES_MAX;

/// Read `JSON`, `@file` or `-` as a payload. `flag` is named in errors.
pub(crate) fn read(flag: &str, given: &str) -> Result<Payload, Problem> {
    let text = match given.strip_prefix('@') {
        Some(file) => {
            let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
            read_text(file, opened)?
        }
        None if given == "-" => read_text("stdin", std::io::stdin().lock())?,
        None => given.to_owned(),
    };
    let payload = match Payload::from_json_text(&text) {
        Err(PayloadError::NotJson(error)) => {
            let message = format!(
                "{flag} is not valid JSON: {error}; a text needs quotes of its own, as in {flag} '\"World\"', and @file reads a file"
            );
            return Err(Problem::new(Exit::Usage, "decode", message));
        }
        parsed => parsed.and_then(Payload::checked),
    };
    Ok(payload.map_err(ClientError::Payload)?)
}

fn read_text(name: &str, from: impl Read) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(READ_BYTES_MAX).unwrap_or(u64::MAX);
    from.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(name, &error))?;
    if bytes.len() > READ_BYTES_MAX {
        let message = format!(
            "{name} has more than {READ_BYTES_MAX} bytes, and the limit PAYLOAD_BYTES_MAX is {PAYLOAD_BYTES_MAX} bytes; store the data elsewhere and pass a reference"
        );
        return Err(Problem::new(Exit::Usage, "too_large", message));
    }
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("{name} is not UTF-8, so it is no JSON");
        Problem::new(Exit::Usage, "decode", message)
    })
}

fn unreadable(name: &str, error: &std::io::Error) -> Problem {
    Problem::usage(format!(
        "{name} can't be read: {error}; after @ give the path of a file with JSON"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(given: &str) -> (String, String) {
        match read("--input", given).unwrap_err() {
            Problem::Error {
                exit,
                code,
                message,
            } => {
                assert_eq!(exit, Exit::Usage);
                (code.into_owned(), message)
            }
            Problem::ReaderGone => panic!("an error is told"),
        }
    }

    #[test]
    fn json_is_taken_from_the_argument_and_from_a_file() {
        assert_eq!(read("--input", "[1, 2]").unwrap().bytes(), b"[1, 2]");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("order.json");
        std::fs::write(&file, "{\"item\": 7}").unwrap();
        let given = format!("@{}", file.display());
        assert_eq!(read("--input", &given).unwrap().bytes(), b"{\"item\": 7}");
    }

    #[test]
    fn what_is_no_payload_is_refused_with_the_mend() {
        let (code, message) = refused("World");
        assert!(
            code == "decode" && message.contains("'\"World\"'"),
            "{message}"
        );
        let (code, message) = refused("@/nowhere/at/all");
        assert!(
            code == "usage" && message.contains("/nowhere/at/all"),
            "{message}"
        );
        let (code, message) = refused(&format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX)));
        assert!(
            code == "too_large" && message.contains("PAYLOAD_BYTES_MAX"),
            "{message}"
        );
    }

    #[test]
    fn an_endless_input_is_refused() {
        let error = read_text("stdin", std::io::repeat(b' ')).unwrap_err();
        assert!(matches!(error, Problem::Error { code, .. } if code == "too_large"));
        let error = read_text("stdin", &b"\xff"[..]).unwrap_err();
        assert!(matches!(error, Problem::Error { code, .. } if code == "decode"));
    }
}
