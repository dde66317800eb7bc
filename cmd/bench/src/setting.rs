//! On which servers is measured.

/// The servers of one part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// One server with default sync: what the targets are set for.
    One,
    /// A cluster of three on this machine, three replicas.
    Cluster,
    /// One server that writes everything to the disk before it acknowledges it.
    SyncAlways,
    /// The same, and our processes know it: they commit in groups.
    GroupCommit,
}

impl Setting {
    /// What the names of its rows begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Cluster => "r3/",
            Self::SyncAlways => "sync/",
            Self::GroupCommit => "group/",
        }
    }

    /// Name of its folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Cluster => "cluster",
            Self::SyncAlways => "sync-always",
            Self::GroupCommit => "group-commit",
        }
    }

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::One => "one server, default sync",
            Self::Cluster => "a cluster of three on this machine, three replicas",
            Self::SyncAlways => "one server, sync_interval: always, single updates",
            Self::GroupCommit => "one server, sync_interval: always, group commit",
        }
    }

    /// Servers, and as many replicas of each stream.
    pub(crate) fn servers(self) -> usize {
        match self {
            Self::One | Self::SyncAlways | Self::GroupCommit => 1,
            Self::Cluster => 3,
        }
    }

    /// Whether its server syncs before each acknowledgement.
    pub(crate) fn syncs_always(self) -> bool {
        matches!(self, Self::SyncAlways | Self::GroupCommit)
    }

    /// Whether targets are set for it; else it is reported only.
    pub(crate) fn has_targets(self) -> bool {
        self == Self::One
    }
}
