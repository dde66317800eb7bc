//! Workflows in memory, with virtual time: for your tests.
//!
//! A [`World`] holds a store that behaves as JetStream does, and the real engine, worker and
//! client on it, on one thread. Its time goes on only when everyone waits, and then jumps to the
//! next thing that is due: a workflow that sleeps for a week is tested in milliseconds.
//! Activities are mocked by closures and made to fail; engines and workers are killed at will.
//!
//! ```
//! use std::time::Duration;
//! use headwater::{prelude::*, testing};
//!
//! const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
//!
//! async fn remind(ctx: Context, to: String) -> Result<String> {
//!     ctx.sleep(WEEK).await?;
//!     ctx.activity("mail", &to).await
//! }
//!
//! # fn main() -> testing::TestResult {
//! // #[test]
//! // fn reminds_after_a_week() -> testing::TestResult {
//! testing::run(|world| async move {
//!     world.mock("mail", |to: String| Ok(format!("sent to {to}")));
//!     world.fail("mail", 2, Error::msg("smtp is down"));
//!     let running = world.start(world.processor().workflow("remind", remind)?).await?;
//!     running.crash_engine_after(1);
//!
//!     let mut handle = world.client().start("remind").input("ada").send().await?;
//!     assert_eq!(handle.result::<String>(2 * WEEK).await?, "sent to ada");
//!     assert!(world.elapsed() >= WEEK);
//!     assert_eq!(world.attempts("mail"), 3);
//!     Ok(())
//! })
//! # }
//! ```
//!
//! This module needs the feature `testing`, as a dependency of tests:
//!
//! ```toml
//! [dev-dependencies]
//! headwater = { version = "…", features = ["testing"] }
//! ```
//!
//! What really happened to an invocation is replayed from its file by [`replay`].

mod crashing;
mod env;
mod faults;
mod replay;
mod running;
mod world;

use std::{future::Future, time::Duration};

pub use replay::{ReplayError, replay};
pub use running::Running;
pub use world::World;

/// What a test may return, so that it can use `?`.
pub type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Longer than anything a test waits for: once it is over, nothing will happen any more.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Run a test in a world of its own, and return what it returns.
///
/// Nothing in it may wait for the real world: there is no network, and time would run away.
///
/// # Panics
/// If the test waits for something that nothing in its world will ever do.
pub fn run<T, Fut>(test: impl FnOnce(World) -> Fut) -> T
where
    Fut: Future<Output = T>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap_or_else(|error| panic!("the runtime of a test cannot be started: {error}"));
    runtime.block_on(async {
        let world = World::new();
        let nothing_happens = world.sleep(FOREVER);
        tokio::select! {
            biased;
            result = test(world) => result,
            () = nothing_happens => panic!(
                "the test waits for something that nothing in its world will ever do"
            ),
        }
    })
}
