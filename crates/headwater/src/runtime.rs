//! The runtime that suits a processor.

use std::{io, thread::available_parallelism};

use tokio::runtime::{Builder, Runtime};

/// A tokio runtime for a processor: on this many threads, by default on half of the cores, since
/// the NATS server, or another processor, needs the rest. One thread carries a processor far: its
/// work is many small pieces, and each that goes from one core to another costs as much as itself.
/// To use more cores, start more processors, or give this more threads if local steps compute.
///
/// ```
/// let runtime = headwater::runtime(None)?;
/// runtime.block_on(async { /* Processor::connect(…).await?.run().await */ });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The operating system refuses threads or polling.
pub fn runtime(threads: Option<usize>) -> io::Result<Runtime> {
    let cores = || available_parallelism().map_or(1, usize::from);
    let threads = threads.unwrap_or_else(|| cores() / 2).max(1);
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}
