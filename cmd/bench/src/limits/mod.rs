//! What the server does for a bare client: the limits that the product is held against. They
//! use streams of their own, in the product's configuration, and delete them.

mod cas;
mod ping_pong;

use crate::{
    cli::Plan,
    error::BenchError,
    report::{LimitRow, Report},
    server::Server,
    stats::median,
    usage::{Each, Pids},
    window::{Load, Window},
};

/// Chains of the ping-pong.
const CHAINS: [usize; 3] = [1, 256, 1_000];

/// Keys in flight of the updates: many, and one alone.
const KEYS: [(usize, &str); 2] = [(256, "L1"), (1, "L3")];

/// Measure all limits, and report each.
pub(crate) async fn measure(
    server: &Server,
    plan: &Plan,
    pids: Pids,
    report: &mut Report,
) -> Result<(), BenchError> {
    let client = server.connect().await?;
    let js = async_nats::jetstream::new(client);
    for (keys, name) in KEYS {
        let mut windows = Vec::new();
        for _ in 0..plan.runs {
            let bucket = cas::Bucket::make(&js).await?;
            let load = Load::of(name, (0..keys).map(|number| bucket.chain(number)));
            windows.push(load.measure(plan, pids).await?);
            bucket.delete().await?;
        }
        report.limit(row(name.to_owned(), cas::WHAT, keys, &windows));
    }
    for chains in CHAINS {
        let name = format!("L2@{chains}");
        let mut windows = Vec::new();
        for _ in 0..plan.runs {
            let table = ping_pong::Table::make(&js).await?;
            let load = table.load(name.clone(), chains).await?;
            windows.push(load.measure(plan, pids).await?);
            table.delete().await?;
        }
        report.limit(row(name, ping_pong::WHAT, chains, &windows));
    }
    Ok(())
}

fn row(name: String, what: &'static str, in_flight: usize, windows: &[Window]) -> LimitRow {
    let of = |figure: &dyn Fn(&Window) -> f64| {
        let mut figures: Vec<f64> = windows.iter().map(figure).collect();
        median(&mut figures).unwrap_or_default()
    };
    let cpu: Vec<Each<f64>> = windows.iter().map(|window| window.cpu_seconds).collect();
    LimitRow {
        name,
        what,
        in_flight,
        per_second: of(&Window::per_second),
        p50_ms: of(&|window| window.latency_ms(0.5)),
        p99_ms: of(&|window| window.latency_ms(0.99)),
        window_seconds: of(&|window| window.seconds),
        cpu_seconds: Each::merge(&cpu, median),
    }
}
