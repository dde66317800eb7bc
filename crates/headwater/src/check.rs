//! Whether a build decides as stored journals say: to be asked before it is deployed. What it
//! would decide otherwise, an engine of that build would park.
//!
//! Every binary that calls [`Processor::connect`] and then [`Processor::run`] or
//! [`Processor::start`] can be asked. With `HEADWATER_CHECK` in its environment it connects to
//! nothing, replays the files that are named there, prints a line for each, and exits:
//!
//! ```text
//! headwater export order-7 > journals/order-7.json
//! HEADWATER_CHECK=journals ./my-processor
//! ```
//!
//! Several files and folders are separated as in `PATH`; of a folder it takes every `*.json`.
//! The exit code is 0 where all agree, 1 where one does not, 2 where there was nothing to check.
//! `headwater check --build ./my-processor` does this, of live invocations too. In a test, use
//! [`Processor::check`].

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use headwater_core::{
    Invocation,
    invocation::{CheckError, Checked},
};
use headwater_wire::{Failure, Value, value::Difference};
use serde::{Deserialize, Serialize};

use crate::Processor;

/// Files and folders to check, separated as in `PATH`.
pub const CHECK: &str = "HEADWATER_CHECK";
/// A file that the [`Report`] is written to, as JSON, instead of being printed.
pub const REPORT: &str = "HEADWATER_CHECK_REPORT";
/// Set: a workflow or version that the build lacks is no failure.
pub const ALLOW_MISSING: &str = "HEADWATER_CHECK_ALLOW_MISSING";

/// What a build says to stored journals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One for each journal.
    pub journals: Vec<Journal>,
}

/// What a build says to one journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// File that it stands in.
    pub file: PathBuf,
    /// Whose it is; empty if it cannot be read.
    pub invocation_id: String,
    /// Workflow.
    pub workflow: String,
    /// Version of the workflow.
    pub version: String,
    /// Whether the build decides as it says.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a build decides as a journal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Agrees {
        /// Entries that were replayed.
        entries: u64,
        /// It has ended, and would end the same.
        ended: bool,
    },
    /// It does not.
    Differs {
        /// What happens.
        reason: Failure,
        /// Field by field.
        difference: Vec<Difference>,
    },
    /// The build has no such workflow, or not in this version: the invocation would wait.
    Missing {
        /// Versions that it has.
        versions: Vec<String>,
        /// It has ended, so it waits for nothing.
        ended: bool,
    },
    /// The file cannot be read, or is no exported invocation.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// What a [`Report`] amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Every journal that could be checked agrees.
    Agrees = 0,
    /// At least one does not.
    Differs = 1,
    /// Nothing could be checked.
    Nothing = 2,
}

impl Report {
    /// What it amounts to. Missing versions of what has not ended are a failure unless allowed.
    #[must_use]
    pub fn conclusion(&self, allow_missing: bool) -> Conclusion {
        let fails = |journal: &Journal| match &journal.verdict {
            Verdict::Agrees { .. } => false,
            Verdict::Differs { .. } | Verdict::Unreadable { .. } => true,
            Verdict::Missing { ended, .. } => !ended && !allow_missing,
        };
        let agrees = |journal: &Journal| matches!(journal.verdict, Verdict::Agrees { .. });
        if self.journals.iter().any(fails) {
            Conclusion::Differs
        } else if self.journals.iter().any(agrees) {
            Conclusion::Agrees
        } else {
            Conclusion::Nothing
        }
    }

    fn count(&self, of: impl Fn(&Verdict) -> bool) -> usize {
        let journals = self.journals.iter();
        journals.filter(|journal| of(&journal.verdict)).count()
    }
}

/// A line for each journal, its differences indented below it, and their number at the end.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for journal in &self.journals {
            writeln!(f, "{journal}")?;
        }
        let agree = self.count(|verdict| matches!(verdict, Verdict::Agrees { .. }));
        let differ = self.count(|verdict| matches!(verdict, Verdict::Differs { .. }));
        let missing = self.count(|verdict| matches!(verdict, Verdict::Missing { .. }));
        let unreadable = self.count(|verdict| matches!(verdict, Verdict::Unreadable { .. }));
        write!(f, "{agree} agree, {differ} differ")?;
        for (number, what) in [(missing, "missing"), (unreadable, "unreadable")] {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            invocation_id,
            workflow,
            version,
            verdict,
        } = self;
        match verdict {
            Verdict::Agrees { entries, ended } => {
                let ended = if *ended { ", ended" } else { "" };
                write!(
                    f,
                    "agrees   {invocation_id}  {workflow} {version}, {entries} entries{ended}"
                )
            }
            Verdict::Differs { reason, difference } => {
                write!(f, "DIFFERS  {invocation_id}  {workflow} {version}")?;
                if difference.is_empty() {
                    write!(f, "\n    {}", reason.message)?;
                }
                difference.iter().try_for_each(|field| tell(f, field))
            }
            Verdict::Missing { versions, ended } => {
                let has = match versions.as_slice() {
                    [] => "no such workflow in this build".to_owned(),
                    versions => format!("this build has {}", versions.join(", ")),
                };
                let so = if *ended {
                    "ended, not checked"
                } else {
                    "it would wait"
                };
                write!(
                    f,
                    "MISSING  {invocation_id}  {workflow} {version}: {has}; {so}"
                )
            }
            Verdict::Unreadable { reason } => write!(f, "UNREADABLE  {}: {reason}", file.display()),
        }
    }
}

fn tell(f: &mut fmt::Formatter<'_>, difference: &Difference) -> fmt::Result {
    let Difference {
        step,
        field,
        journal,
        program,
    } = difference;
    match step {
        0 => write!(f, "\n    {field}")?,
        step => write!(f, "\n    step {step}, {field}")?,
    }
    write!(f, ": {journal} in the journal, {program} in this build")
}

impl Processor {
    /// Replay exported invocations with the workflows that are registered here. Of a folder every
    /// `*.json` is taken. Nothing is stored, sent or run: all outcomes come from the journals.
    ///
    /// ```
    /// use headwater::{check::Conclusion, prelude::*, testing};
    ///
    /// async fn greet(ctx: Context, name: String) -> Result<String> {
    ///     ctx.run("greet", || async { Ok::<_, Error>(format!("Hello, {name}!")) }).await
    /// }
    ///
    /// # fn main() -> testing::TestResult {
    /// testing::run(|world| async move {
    ///     let build = world.processor().workflow("greet", greet)?;
    ///     let report = build.check(&["no/such/file.json"]);
    ///     assert_eq!(report.conclusion(false), Conclusion::Differs, "{report}");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn check(&self, paths: &[impl AsRef<Path>]) -> Report {
        let mut report = Report::default();
        for path in paths {
            match files(path.as_ref()) {
                Ok(files) => {
                    let checked = files.into_iter().map(|file| self.check_file(file));
                    report.journals.extend(checked);
                }
                Err(error) => {
                    let reason = error.to_string();
                    report
                        .journals
                        .push(unreadable(path.as_ref().to_owned(), reason));
                }
            }
        }
        report
    }

    fn check_file(&self, file: PathBuf) -> Journal {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => return unreadable(file, error.to_string()),
        };
        let value = match Value::decode(&bytes) {
            Ok((value, _)) => value,
            Err(error) => return unreadable(file, error.to_string()),
        };
        let verdict = match self.registry.get(&value.workflow, &value.version) {
            Some(workflow) => match Invocation::check(&bytes, NO_PAGES, workflow.as_ref()) {
                Ok(Checked { entries, ended }) => Verdict::Agrees { entries, ended },
                Err(CheckError::Differs(mismatch)) => Verdict::Differs {
                    reason: mismatch.reason,
                    difference: mismatch.difference,
                },
                Err(CheckError::Load(error)) => return unreadable(file, error.to_string()),
            },
            None => Verdict::Missing {
                versions: self
                    .registry
                    .list()
                    .remove(&value.workflow)
                    .unwrap_or_default(),
                ended: value.status.is_ended(),
            },
        };
        Journal {
            file,
            invocation_id: value.id.to_string(),
            workflow: value.workflow,
            version: value.version,
            verdict,
        }
    }
}

/// An exported invocation has its pages in it.
pub(crate) const NO_PAGES: &[&[u8]] = &[];

fn unreadable(file: PathBuf, reason: String) -> Journal {
    Journal {
        file,
        invocation_id: String::new(),
        workflow: String::new(),
        version: String::new(),
        verdict: Verdict::Unreadable { reason },
    }
}

/// The file itself, or the `*.json` of a folder in the order of their names.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// What the environment of the process asks for.
pub(crate) struct Request {
    paths: OsString,
    report: Option<PathBuf>,
    allow_missing: bool,
}

impl Request {
    pub(crate) fn from_env() -> Option<Self> {
        Some(Self {
            paths: std::env::var_os(CHECK)?,
            report: std::env::var_os(REPORT).map(PathBuf::from),
            allow_missing: std::env::var_os(ALLOW_MISSING).is_some(),
        })
    }

    /// Check, tell, and end the process: it was started for nothing else.
    pub(crate) fn answer(&self, build: &Processor) -> ! {
        let paths: Vec<PathBuf> = std::env::split_paths(&self.paths).collect();
        let report = build.check(&paths);
        let told = match &self.report {
            None => tell_stdout(&report),
            Some(file) => write_json(&report, file),
        };
        let code = match told {
            Ok(()) => report.conclusion(self.allow_missing) as i32,
            Err(error) => {
                tracing::error!(%error, "the report of the check cannot be written");
                Conclusion::Nothing as i32
            }
        };
        std::process::exit(code);
    }
}

fn tell_stdout(report: &Report) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{report}")
}

fn write_json(report: &Report, file: &Path) -> std::io::Result<()> {
    fs::write(file, serde_json::to_vec(report)?)
}
