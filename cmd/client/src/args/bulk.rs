//! The arguments of what can be told to many invocations at once.

use clap::Args;
use headwater::{client::Filter, wire::InvocationId};

use crate::exit::Problem;

/// To whom.
#[derive(Debug, Args)]
#[group(id = "whom", required = true, multiple = false)]
pub(crate) struct Whom {
    /// Invocation id
    pub(crate) id: Option<InvocationId>,
    /// Every invocation that fits, for example "status=waiting and created<2h ago"
    #[arg(long = "where", value_name = "FILTER", value_parser = filter)]
    pub(crate) filter: Option<Filter>,
}

impl Whom {
    /// The one that is meant where there is no filter.
    pub(crate) fn one(&self) -> Result<&InvocationId, Problem> {
        let missing = || Problem::usage("give an invocation id, or --where");
        self.id.as_ref().ok_or_else(missing)
    }
}

/// How the many of `--where` are told.
#[derive(Debug, Args)]
pub(crate) struct Pace {
    /// Tell nobody, only show who would be told
    #[arg(long, conflicts_with = "id")]
    pub(crate) dry_run: bool,
    /// At most so many a second [default: as fast as it goes]
    #[arg(long, value_name = "N", conflicts_with = "id", value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| error.to_string())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("use a positive number, for example 50 or 0.5".to_owned()),
    }
}
