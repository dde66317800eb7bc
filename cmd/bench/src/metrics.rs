//! What the engine process tells about itself.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    child::LOOK_PAUSE,
    error::{BenchError, Doing as _},
    http,
};

/// Invocations in memory.
const LIVE: &str = "headwater_engine_live";
/// Turns stored since the engine was started.
const TURNS: &str = "headwater_engine_turns_total";

/// Where the engine's metrics are.
pub(crate) struct Metrics {
    pub(crate) address: String,
}

/// Two of the engine's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    live: f64,
    turns: f64,
}

impl Metrics {
    /// Wait until the engine has stored so many turns since its start, and has nothing in
    /// memory any more.
    pub(crate) async fn await_empty(&self, turns: u32, stall: Duration) -> Result<(), BenchError> {
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let figures = self.read().await?;
            if figures.live == 0.0 && figures.turns >= f64::from(turns) {
                return Ok(());
            }
            if last.replace(figures) != Some(figures) {
                since = Instant::now();
            }
            if since.elapsed() > stall {
                return Err(BenchError::NoProgress {
                    name: format!("the engine, which should forget {}", figures.live),
                    bound: stall,
                });
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    async fn read(&self) -> Result<Figures, BenchError> {
        let page = http::page(&self.address, "/metrics").await;
        let page = page.unwrap_or_default();
        parse(&page)
            .ok_or_else(|| std::io::Error::other(format!("{:?} tells nothing", self.address)))
            .doing("reading the engine's metrics")
    }
}

fn parse(page: &str) -> Option<Figures> {
    let of = |name: &str| {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    };
    Some(Figures {
        live: of(LIVE)?,
        turns: of(TURNS)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_the_page() {
        let page = "# TYPE headwater_engine_live gauge\nheadwater_engine_live 3\n\
                    headwater_engine_turns_total 70\n";
        let (live, turns) = (3.0, 70.0);
        assert_eq!(parse(page), Some(Figures { live, turns }));
        assert_eq!(parse("headwater_engine_live 3\n"), None);
    }
}
