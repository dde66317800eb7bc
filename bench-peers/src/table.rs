//! The table for people.

use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};

use crate::report::Line;

/// Columns that are text; the others are numbers.
const TEXT_COLUMNS: usize = 3;

const HEAD: [&str; 11] = [
    "workload",
    "durability",
    "product",
    "workflows/s",
    "steps/s",
    "p50 ms",
    "p99 ms",
    "failed",
    "ours÷theirs wf/s",
    "p50",
    "p99",
];

pub(crate) fn of(lines: &[Line]) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(cells(HEAD.map(str::to_owned)));
    for line in lines {
        table.add_row(cells(texts(line)));
    }
    format!(
        "\n{table}\n\nHeadwater's figure divided by theirs: workflows/s above 1 and latency below 1 \
         are better for Headwater.\nDurability: \"own defaults\" is each as it comes (Restate syncs \
         the disk, the others do not); a product's row comes again where its default is the same."
    )
}

fn texts(line: &Line) -> [String; HEAD.len()] {
    let (footing, row) = (line.footing, &line.row);
    let ratio = |figure: Option<f64>| {
        figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"))
    };
    let of = line.ratio.as_ref();
    [
        row.name.clone(),
        footing.name().to_owned(),
        row.system.name().to_owned(),
        format!("{:.1}", row.workflows_per_second),
        format!("{:.0}", row.steps_per_second),
        format!("{:.2}", row.p50_ms),
        format!("{:.2}", row.p99_ms),
        row.failed.to_string(),
        ratio(of.map(|of| of.workflows_per_second)),
        ratio(of.map(|of| of.p50)),
        ratio(of.map(|of| of.p99)),
    ]
}

fn cells(texts: [String; HEAD.len()]) -> Vec<Cell> {
    let cell = |(index, text): (usize, String)| {
        let alignment = match index < TEXT_COLUMNS {
            true => CellAlignment::Left,
            false => CellAlignment::Right,
        };
        Cell::new(text).set_alignment(alignment)
    };
    texts.into_iter().enumerate().map(cell).collect()
}
