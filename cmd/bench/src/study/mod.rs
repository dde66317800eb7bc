//! What is not a load: each looks at one property of an installation.

mod cold_read;
mod idle;
mod long;
mod memory;

pub(crate) use cold_read::ColdRead;
pub(crate) use idle::Idle;
pub(crate) use long::Long;
pub(crate) use memory::Memory;

use crate::{
    bench, course::Course, error::BenchError, installation::Installation, report::Part, traffic,
};

/// One of the studies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Study {
    /// What an engine pays to read an invocation that it does not know.
    ColdRead,
    /// A step late in a long invocation beside one early in it.
    Long,
    /// What an installation sends that has nothing to do.
    Idle,
    /// What sleeping workflows cost the engine.
    Memory,
}

impl Study {
    /// In this order: the last leaves its sleepers behind.
    pub(crate) const ALL: [Self; 4] = [Self::ColdRead, Self::Long, Self::Idle, Self::Memory];

    /// What `--only` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ColdRead => "cold-read",
            Self::Long => "long",
            Self::Idle => "idle",
            Self::Memory => "memory",
        }
    }
}

/// Make a study, and keep what it finds in the part.
pub(crate) async fn run(
    study: Study,
    course: &Course,
    installation: &mut Installation,
    part: &mut Part,
) -> Result<(), BenchError> {
    if study == Study::Memory {
        // What earlier loads have left in the engine's memory is not the sleepers'.
        installation.start_roles().await?;
    }
    let bench = bench::bench(course, installation).await?;
    let metrics = installation.metrics()?;
    match study {
        Study::ColdRead => part.cold_reads = cold_read::measure(&bench).await?,
        Study::Long => part.long = Some(long::measure(&bench).await?),
        Study::Idle => part.idle = Some(idle::measure(&bench, metrics).await?),
        Study::Memory => part.memory = memory::measure(&bench, metrics).await?,
    }
    match study {
        Study::ColdRead | Study::Long => traffic::forget_values(&bench.js).await,
        Study::Idle | Study::Memory => Ok(()),
    }
}
