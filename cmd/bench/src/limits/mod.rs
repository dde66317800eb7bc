//! What the server does for a bare client: the limits that the product is held against. They
//! use streams of their own, in the product's configuration, and delete them.

mod cas;
mod ping_pong;

use async_nats::jetstream::Context;

use crate::{
    course::{Breadth, Plan},
    error::BenchError,
    report::LimitRow,
    server::Server,
    stats::median,
    usage::{Each, Pids},
    window::{Load, Window},
};

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Updates of one value with so many keys in flight.
    Updates {
        keys: usize,
        /// What it is called.
        name: &'static str,
    },
    /// The ping-pong with so many chains.
    PingPong {
        chains: usize,
        /// What it is called.
        name: &'static str,
    },
}

use Limit::{PingPong, Updates};

/// All limits, in the order of the table.
#[rustfmt::skip]
const LIMITS: [Limit; 5] = [
    Updates { keys: 256, name: "L1" },
    Updates { keys: 1, name: "L3" },
    PingPong { chains: 1, name: "L2@1" },
    PingPong { chains: 256, name: "L2@256" },
    PingPong { chains: 1_000, name: "L2@1000" },
];

impl Limit {
    /// Those that are measured at this breadth.
    pub(crate) fn of(breadth: Breadth) -> Vec<Self> {
        match breadth {
            Breadth::All | Breadth::Targets => LIMITS.to_vec(),
            Breadth::Writes => LIMITS[..1].to_vec(),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Updates { name, .. } | PingPong { name, .. } => name,
        }
    }
}

/// Measure a limit.
pub(crate) async fn measure(
    limit: Limit,
    server: &Server,
    plan: &Plan,
    pids: Pids,
) -> Result<LimitRow, BenchError> {
    let js = async_nats::jetstream::new(server.connect().await?);
    let mut windows = Vec::new();
    for _ in 0..plan.runs {
        windows.push(run(limit, &js, server.replicas, plan, pids).await?);
    }
    Ok(match limit {
        Updates { keys, name } => row(name, cas::WHAT, keys, &windows),
        PingPong { chains, name } => row(name, ping_pong::WHAT, chains, &windows),
    })
}

async fn run(
    limit: Limit,
    js: &Context,
    replicas: usize,
    plan: &Plan,
    pids: Pids,
) -> Result<Window, BenchError> {
    match limit {
        Updates { keys, name } => {
            let bucket = cas::Bucket::make(js, replicas).await?;
            let load = Load::of(name, (0..keys).map(|number| bucket.chain(number)));
            let window = load.measure(plan, pids).await?;
            bucket.delete().await?;
            Ok(window)
        }
        PingPong { chains, name } => {
            let table = ping_pong::Table::make(js, replicas).await?;
            let load = table.load(name.to_owned(), chains).await?;
            let window = load.measure(plan, pids).await?;
            table.delete().await?;
            Ok(window)
        }
    }
}

fn row(name: &str, what: &'static str, in_flight: usize, windows: &[Window]) -> LimitRow {
    let of = |figure: &dyn Fn(&Window) -> f64| {
        let mut figures: Vec<f64> = windows.iter().map(figure).collect();
        median(&mut figures).unwrap_or_default()
    };
    let cpu: Vec<Each<f64>> = windows.iter().map(|window| window.cpu_seconds).collect();
    LimitRow {
        name: name.to_owned(),
        what,
        in_flight,
        per_second: of(&Window::per_second),
        p50_ms: of(&|window| window.latency_ms(0.5)),
        p99_ms: of(&|window| window.latency_ms(0.99)),
        window_seconds: of(&|window| window.seconds),
        cpu_seconds: Each::merge(&cpu, median),
    }
}
