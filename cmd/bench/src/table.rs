//! Tables for people.

use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};

use crate::{
    report::{Part, WorkloadRow},
    targets::TargetRow,
    usage::PROCESSES,
};

pub(crate) fn print(part: &Part) {
    let processes = PROCESSES.map(|(_, name)| name).join("/");
    println!("\n# {}", part.setup);
    if !part.limits.is_empty() {
        println!(
            "\nRaw limits: a bare client on the same server (CPU: {processes})\n{}",
            limits(part)
        );
    }
    if !part.workloads.is_empty() {
        println!(
            "\nWorkloads (CPU and peak memory: {processes})\n{}",
            workloads(part)
        );
        println!(
            "Messages: stored, counted by the server. Bytes: stored records, added up by a subscription during the warm-up."
        );
    }
    if !part.targets.is_empty() {
        println!("\nTargets\n{}", targets(part));
    }
    if !part.missing.is_empty() {
        println!("Not measured: {}", part.missing.join("; "));
    }
}

fn limits(part: &Part) -> Table {
    let mut table = table(
        &[
            "limit",
            "what",
            "in flight",
            "per s",
            "p50 ms",
            "p99 ms",
            "CPU s",
        ],
        2,
    );
    for row in &part.limits {
        table.add_row(cells(
            &[
                row.name.clone(),
                row.what.to_owned(),
                row.in_flight.to_string(),
                format!("{:.0}", row.per_second),
                format!("{:.3}", row.p50_ms),
                format!("{:.3}", row.p99_ms),
                row.cpu_seconds.display(1),
            ],
            2,
        ));
    }
    table
}

fn workloads(part: &Part) -> Table {
    let head = [
        "workload",
        "at",
        "workflows/s",
        "steps/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU s",
        "peak MB",
        "msgs/wf",
        "msgs/step",
        "B/wf",
        "B/step",
    ];
    let mut table = table(&head, 1);
    for row in &part.workloads {
        table.add_row(cells(&workload(row), 1));
    }
    table
}

fn workload(row: &WorkloadRow) -> [String; 13] {
    let bytes =
        |bytes: Option<f64>| bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.0}"));
    [
        row.workload.to_owned(),
        row.concurrency.to_string(),
        format!("{:.0}", row.workflows_per_second),
        format!("{:.0}", row.steps_per_second),
        format!("{:.2}", row.p50_ms),
        format!("{:.2}", row.p99_ms),
        format!("{:.1}", row.max_ms),
        row.cpu_seconds.display(1),
        row.peak_mb.display(0),
        format!("{:.2}", row.stored_messages_per_workflow.total()),
        format!("{:.2}", row.stored_messages_per_step),
        bytes(row.stored_bytes_per_workflow.map(|bytes| bytes.total())),
        bytes(row.stored_bytes_per_step),
    ]
}

fn targets(part: &Part) -> Table {
    let mut table = table(&["name", "what", "from", "figure", "target", "verdict"], 3);
    for row in &part.targets {
        table.add_row(cells(&target(row), 3));
    }
    table
}

fn target(row: &TargetRow) -> [String; 6] {
    let sign = row.better.sign();
    let aim = row.target.map(|target| format!("{sign} {target}"));
    let verdict = row.verdict.map(|verdict| verdict.to_string());
    [
        row.name.clone(),
        row.what.to_owned(),
        row.from.clone(),
        format!("{:.2}", row.ratio),
        aim.unwrap_or_else(|| "-".to_owned()),
        verdict.unwrap_or_else(|| "reported".to_owned()),
    ]
}

/// A table whose first columns are text, the others numbers.
fn table(head: &[&str], text_columns: usize) -> Table {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(cells(&head, text_columns));
    table
}

fn cells(texts: &[String], text_columns: usize) -> Vec<Cell> {
    let cell = |(index, text): (usize, &String)| {
        let alignment = match index < text_columns {
            true => CellAlignment::Left,
            false => CellAlignment::Right,
        };
        Cell::new(text).set_alignment(alignment)
    };
    texts.iter().enumerate().map(cell).collect()
}
