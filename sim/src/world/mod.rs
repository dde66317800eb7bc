//! The world of one seed: an executor on one thread, a virtual clock, and processes that can be
//! killed and paused at any await point.
//!
//! Whatever is ready runs in an order drawn from the seed; when nothing is ready, the clock jumps
//! to the next thing that is due. So a minute costs nothing, and the same seed gives the same run.

mod env;
mod executor;

pub use env::ProcessEnv;
pub use executor::{Pid, Stop, WORLD, World};
