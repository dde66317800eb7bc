//! What happened once, again: an exported invocation under a debugger.

use std::{fmt, fs, future::Future, path::Path};

use headwater_core::{
    Context, Error, Invocation,
    invocation::{CheckError, Checked},
    workflow::async_workflow,
};
use headwater_wire::value::Difference;
use serde::{Serialize, de::DeserializeOwned};

use crate::check::NO_PAGES;

/// Why an exported invocation is not decided again as it was. Shows the same for `{}` and `{:?}`,
/// since a test that fails by `?` shows the latter.
pub struct ReplayError {
    message: String,
    /// Field by field; empty if the file cannot be read.
    pub difference: Vec<Difference>,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ReplayError {}

/// Replay an exported invocation (`headwater export ID > order-7.json`) with a workflow function:
/// it runs from its beginning to where the invocation stands, with every outcome from the file.
/// Set a breakpoint in it. No step is run, no log line written.
///
/// ```no_run
/// # use headwater::{prelude::*, testing};
/// # async fn order(ctx: Context, item: String) -> Result<String> { Ok(item) }
/// # fn main() -> testing::TestResult {
/// testing::replay("tests/journals/order-7.json", order)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The file cannot be read, or the workflow decides otherwise than it says.
pub fn replay<F, Fut, In, Out, E>(
    file: impl AsRef<Path>,
    workflow: F,
) -> Result<Checked, ReplayError>
where
    F: Fn(Context, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, E>> + Send + 'static,
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + 'static,
    E: Into<Error> + 'static,
{
    let file = file.as_ref();
    let unreadable = |error: &dyn fmt::Display| ReplayError {
        message: format!("{} cannot be replayed: {error}", file.display()),
        difference: Vec::new(),
    };
    let bytes = fs::read(file).map_err(|error| unreadable(&error))?;
    let workflow = async_workflow(workflow);
    Invocation::check(&bytes, NO_PAGES, workflow.as_ref()).map_err(|error| match error {
        CheckError::Load(error) => unreadable(&error),
        CheckError::Differs(mismatch) => ReplayError {
            message: mismatch.reason.message,
            difference: mismatch.difference,
        },
    })
}
