//! What is run, and at which concurrency. The same on every product.

use std::fmt;

use crate::error::PeersError;

/// Where the steps of a workload run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    /// In the process of the workflow.
    Local,
    /// Elsewhere: a worker, another service.
    Remote,
}

/// A workflow of steps in sequence. Its input and its answer is their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: Steps,
    pub(crate) steps: u32,
}

const HELLO: Workload = Workload {
    name: "hello",
    kind: Steps::Local,
    steps: 1,
};
pub(crate) const CHAIN10: Workload = Workload {
    name: "chain10",
    kind: Steps::Local,
    steps: 10,
};
pub(crate) const REMOTE10: Workload = Workload {
    name: "remote10",
    kind: Steps::Remote,
    steps: 10,
};

impl Workload {
    /// What the workflow is called, on every product.
    pub(crate) fn workflow(self) -> &'static str {
        match self.kind {
            Steps::Local => LOCAL,
            Steps::Remote => REMOTE,
        }
    }
}

/// The workflow of local steps.
pub(crate) const LOCAL: &str = "local";
/// The workflow of remote steps.
pub(crate) const REMOTE: &str = "remote";
/// The remote step: it answers its input.
pub(crate) const NOOP: &str = "noop";

/// What is called to see that an installation works.
pub(crate) const PROBES: [Workload; 2] = [
    HELLO,
    Workload {
        name: "remote1",
        kind: Steps::Remote,
        steps: 1,
    },
];

/// One workload with so many invocations in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) workload: Workload,
    pub(crate) concurrency: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.workload.name, self.concurrency)
    }
}

/// Everything that is measured, in the order of the table.
const CELLS: [(Workload, usize); 4] = [(HELLO, 256), (CHAIN10, 256), (CHAIN10, 1), (REMOTE10, 256)];

/// The cells whose workload or name is among `only`; all, if that is empty.
pub(crate) fn cells(only: &[String]) -> Result<Vec<Cell>, PeersError> {
    let all = CELLS.map(|(workload, concurrency)| Cell {
        workload,
        concurrency,
    });
    let is_meant = |cell: &Cell, name: &str| name == cell.workload.name || name == cell.to_string();
    if let Some(name) = only
        .iter()
        .find(|name| !all.iter().any(|cell| is_meant(cell, name)))
    {
        let names = all.map(|cell| cell.to_string()).join(", ");
        return Err(PeersError::Unknown(name.clone(), names));
    }
    let is_wanted = |cell: &Cell| only.is_empty() || only.iter().any(|name| is_meant(cell, name));
    Ok(all.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_chosen_by_workload_or_name() {
        let names = |only: &[&str]| -> Vec<String> {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            cells(&only).unwrap().iter().map(Cell::to_string).collect()
        };
        assert_eq!(names(&[]).len(), CELLS.len());
        assert_eq!(names(&["chain10"]), ["chain10@256", "chain10@1"]);
        assert_eq!(names(&["hello@256"]), ["hello@256"]);
        let error = cells(&["hello@2".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("hello@2") && error.contains("remote10@256"));
    }
}
