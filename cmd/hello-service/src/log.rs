//! Plain lines on standard output, each with a UTC timestamp: `2024/11/10 22:00:00 text`.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Writes one line. It is flushed at once, so that a reader of a redirected log sees it; a reader
/// that has gone away (a closed pipe) does not stop the service.
pub fn line(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{} {text}", timestamp());
    let _ = out.flush();
}

/// The time now, as the lines begin with it.
#[must_use]
pub fn timestamp() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format_time(now.as_secs())
}

fn format_time(unix_secs: u64) -> String {
    i64::try_from(unix_secs)
        .ok()
        .and_then(|secs| Timestamp::from_second(secs).ok())
        .unwrap_or_default()
        .strftime("%Y/%m/%d %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_starts_with_the_time_in_utc() {
        assert_eq!(super::format_time(1_731_276_000), "2024/11/10 22:00:00");
    }
}
