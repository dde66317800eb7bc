//! What an acknowledgement of the server is worth: the facts, what they survive, and whether
//! that is enough for who demands it.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{
    SignedDuration,
    fmt::friendly::{Spacing, SpanPrinter},
};
use serde::Deserialize;

/// Copies from which on the loss of one server loses nothing and stops nothing.
const REPLICAS_SAFE: usize = 3;

/// How safe what the server acknowledges is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Copies of each stream; the least of all streams.
    pub replicas: usize,
    /// Kind of storage.
    pub storage: &'static str,
    /// When the server forces what it has written to the disk.
    pub sync: DiskSync,
    /// Version of the server that we are connected to.
    pub server_version: String,
    /// Name of the cluster, if it is one.
    pub cluster: Option<String>,
}

/// When the server forces what it has written to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SyncInterval {
    /// Before each acknowledgement.
    Always,
    /// This often; what was acknowledged since the last time is lost in a power cut.
    Every(Duration),
}

/// What is known of the server's [`SyncInterval`], and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskSync {
    /// Nothing, and nobody was asked.
    Unknown,
    /// Nothing: the monitoring address was asked in vain.
    Untold {
        /// The address.
        at: String,
        /// Why.
        reason: String,
    },
    /// What the operator says.
    Declared(SyncInterval),
    /// What the server says.
    Found {
        /// The interval.
        interval: SyncInterval,
        /// Monitoring address of the server that was asked.
        at: String,
    },
}

impl DiskSync {
    /// The interval, if there is any word of it.
    #[must_use]
    pub fn interval(&self) -> Option<SyncInterval> {
        match self {
            Self::Unknown | Self::Untold { .. } => None,
            Self::Declared(interval) | Self::Found { interval, .. } => Some(*interval),
        }
    }
}

impl Durability {
    /// Whether what is acknowledged outlives a power cut: of one server among three or more, or
    /// of any server that syncs before it acknowledges. Only with storage in files.
    #[must_use]
    pub fn survives_power_cut(&self) -> bool {
        let always = self.sync.interval() == Some(SyncInterval::Always);
        self.storage == "file" && (self.replicas >= REPLICAS_SAFE || always)
    }

    /// Copies, storage and sync, without what follows from them.
    #[must_use]
    pub fn facts(&self) -> String {
        let Self {
            replicas, storage, ..
        } = self;
        let plural = if *replicas == 1 { "" } else { "s" };
        let sync = match &self.sync {
            DiskSync::Unknown => "sync interval unknown".to_owned(),
            DiskSync::Untold { at, reason } => {
                format!("sync interval unknown (asked {at} in vain: {reason})")
            }
            DiskSync::Declared(interval) => format!("sync {interval} (declared)"),
            DiskSync::Found { interval, at } => match &self.cluster {
                None => format!("sync {interval} (found at {at})"),
                Some(cluster) => {
                    format!("sync {interval} (found at {at}, one server of the cluster {cluster})")
                }
            },
        };
        format!("{replicas} replica{plural}, {storage} storage, {sync}")
    }

    fn consequence(&self) -> &'static str {
        let copied = self.replicas >= REPLICAS_SAFE;
        match (self.sync.interval(), &self.sync) {
            _ if self.storage != "file" => "lost with the server's process; use file storage",
            (Some(SyncInterval::Always), _) if copied => {
                "survives the loss of a minority of servers, and a power cut"
            }
            _ if copied => {
                "survives the loss of a minority of servers, not a power cut of all at once"
            }
            (Some(SyncInterval::Always), _) => "survives a power cut, not the loss of the disk",
            (Some(SyncInterval::Every(_)), _) => {
                "survives a killed process, not a power cut; use three servers, or sync_interval: always"
            }
            (None, DiskSync::Untold { .. }) => {
                "survives a killed process, perhaps not a power cut; correct nats.monitor_url, or set nats.sync_interval"
            }
            (None, _) => {
                "survives a killed process, perhaps not a power cut; set nats.monitor_url or nats.sync_interval to know"
            }
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.facts(), self.consequence())
    }
}

/// A text that is no sync interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a sync interval: use \"always\", or a duration as the server's configuration has it, for example \"2m\" or \"10s\""
)]
pub struct SyncIntervalError(String);

impl FromStr for SyncInterval {
    type Err = SyncIntervalError;
    fn from_str(text: &str) -> Result<Self, SyncIntervalError> {
        if text == "always" {
            return Ok(Self::Always);
        }
        let duration = text.parse::<SignedDuration>().ok();
        duration
            .and_then(|duration| Duration::try_from(duration).ok())
            // The server takes zero for its default, not for always.
            .filter(|duration| !duration.is_zero())
            .map(Self::Every)
            .ok_or_else(|| SyncIntervalError(text.to_owned()))
    }
}

impl TryFrom<String> for SyncInterval {
    type Error = SyncIntervalError;
    fn try_from(text: String) -> Result<Self, SyncIntervalError> {
        text.parse()
    }
}

impl fmt::Display for SyncInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(duration) => {
                let printer = SpanPrinter::new().spacing(Spacing::None);
                write!(f, "every {}", printer.unsigned_duration_to_string(duration))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> DiskSync {
        DiskSync::Found {
            interval: text.parse().unwrap(),
            at: "http://a:8222".to_owned(),
        }
    }

    fn declared(text: &str) -> DiskSync {
        DiskSync::Declared(text.parse().unwrap())
    }

    fn of(replicas: usize, sync: DiskSync) -> Durability {
        Durability {
            replicas,
            storage: "file",
            sync,
            server_version: "2.15.1".to_owned(),
            cluster: (replicas > 1).then(|| "c".to_owned()),
        }
    }

    #[test]
    fn the_line_says_what_was_found_what_it_survives_and_the_mend() {
        let untold = DiskSync::Untold {
            at: "http://a:8222".to_owned(),
            reason: "connection refused".to_owned(),
        };
        for (durability, enough, line) in [
            (
                of(1, found("2m")),
                false,
                "1 replica, file storage, sync every 2m (found at http://a:8222): survives a killed process, not a power cut; use three servers, or sync_interval: always",
            ),
            (
                of(1, found("always")),
                true,
                "1 replica, file storage, sync always (found at http://a:8222): survives a power cut, not the loss of the disk",
            ),
            (
                of(1, declared("always")),
                true,
                "1 replica, file storage, sync always (declared): survives a power cut, not the loss of the disk",
            ),
            (
                of(2, declared("90s")),
                false,
                "2 replicas, file storage, sync every 1m30s (declared): survives a killed process, not a power cut; use three servers, or sync_interval: always",
            ),
            (
                of(1, DiskSync::Unknown),
                false,
                "1 replica, file storage, sync interval unknown: survives a killed process, perhaps not a power cut; set nats.monitor_url or nats.sync_interval to know",
            ),
            (
                of(1, untold.clone()),
                false,
                "1 replica, file storage, sync interval unknown (asked http://a:8222 in vain: connection refused): survives a killed process, perhaps not a power cut; correct nats.monitor_url, or set nats.sync_interval",
            ),
            (
                of(3, untold),
                true,
                "3 replicas, file storage, sync interval unknown (asked http://a:8222 in vain: connection refused): survives the loss of a minority of servers, not a power cut of all at once",
            ),
            (
                of(3, found("2m")),
                true,
                "3 replicas, file storage, sync every 2m (found at http://a:8222, one server of the cluster c): survives the loss of a minority of servers, not a power cut of all at once",
            ),
            (
                of(5, found("always")),
                true,
                "5 replicas, file storage, sync always (found at http://a:8222, one server of the cluster c): survives the loss of a minority of servers, and a power cut",
            ),
            (
                Durability {
                    storage: "memory",
                    ..of(3, declared("always"))
                },
                false,
                "3 replicas, memory storage, sync always (declared): lost with the server's process; use file storage",
            ),
        ] {
            assert_eq!(durability.to_string(), line);
            assert_eq!(durability.survives_power_cut(), enough, "{line}");
        }
    }

    #[test]
    fn an_interval_is_read_as_the_server_writes_it() {
        for (text, shown) in [
            ("always", "always"),
            ("2m", "every 2m"),
            ("10s", "every 10s"),
            ("2m0s", "every 2m"),
            ("1h30m", "every 1h30m"),
            ("500ms", "every 500ms"),
        ] {
            assert_eq!(text.parse::<SyncInterval>().unwrap().to_string(), shown);
        }
        for text in ["", "Always", "120", "0s", "-2m", "often", "2 parsecs"] {
            let error = text.parse::<SyncInterval>().unwrap_err().to_string();
            assert!(
                error.contains("\"always\"") && error.contains("\"2m\""),
                "{error}"
            );
        }
    }
}
