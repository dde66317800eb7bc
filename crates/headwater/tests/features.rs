//! docs/features.md has one row for each feature of the specification, and the tests that it
//! names exist.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rows that are not proven yet. May only become fewer.
const NOT_YET_MAX: usize = 0;

/// How the last cell of a row that is not proven yet begins.
const NOT_YET: &str = "`not yet`: ";

/// The IDs in the order of their rows: a letter, and how many of it there are.
const IDS: [(&str, u32); 3] = [("C", 7), ("F", 17), ("X", 41)];

struct Row {
    id: String,
    proof: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of tables whose first cell is an ID.
fn rows() -> Vec<Row> {
    let file = root().join("docs/features.md");
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let id = cells[0];
    if !is_id(id) {
        return None;
    }
    assert_eq!(cells.len(), 4, "{id} has another number of cells");
    assert!(cells.iter().all(|cell| !cell.is_empty()), "{id} lacks one");
    Some(Row {
        id: id.to_owned(),
        proof: cells[3].to_owned(),
    })
}

/// A capital letter and a number.
fn is_id(cell: &str) -> bool {
    let Some(number) = cell.strip_prefix(|first: char| first.is_ascii_uppercase()) else {
        return false;
    };
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The tests that a proof names, each with its file: `` `function` (file) ``.
fn tests_of(row: &Row) -> Vec<(String, String)> {
    let mut rest = row.proof.strip_prefix(NOT_YET).unwrap_or(&row.proof);
    let mut tests = Vec::new();
    while let Some((_, from_name)) = rest.split_once('`') {
        let (name, behind) = from_name.split_once('`').unwrap();
        let file = behind
            .strip_prefix(" (")
            .and_then(|behind| behind.split_once(')'));
        let Some((file, behind)) = file else {
            panic!("{}: no file in parentheses behind {name:?}", row.id);
        };
        tests.push((name.to_owned(), file.to_owned()));
        rest = behind;
    }
    tests
}

/// Whether a source has a function of this name with an attribute that makes it a test.
fn has_test(source: &str, name: &str) -> bool {
    let begins = format!("fn {name}(");
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    (0..lines.len()).any(|at| {
        let line = lines[at].strip_prefix("async ").unwrap_or(lines[at]);
        line.starts_with(&begins)
            && lines[..at]
                .iter()
                .rev()
                .take_while(|above| above.starts_with("#["))
                .any(|attribute| attribute.contains("test"))
    })
}

#[test]
fn every_feature_has_one_row() {
    let expected: Vec<String> = IDS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")))
        .collect();
    let found: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_test_that_a_row_names_exists() {
    for row in rows() {
        let tests = tests_of(&row);
        let is_proven = !row.proof.starts_with(NOT_YET);
        assert!(!is_proven || !tests.is_empty(), "{} names no test", row.id);
        for (name, file) in tests {
            let source = fs::read_to_string(root().join(&file))
                .unwrap_or_else(|error| panic!("{}: {file}: {error}", row.id));
            assert!(
                has_test(&source, &name),
                "{}: no test {name:?} in {file}",
                row.id
            );
        }
    }
}

#[test]
fn what_is_not_proven_yet_becomes_less() {
    let left: Vec<String> = rows()
        .into_iter()
        .filter(|row| row.proof.starts_with(NOT_YET))
        .map(|row| row.id)
        .collect();
    assert_eq!(
        left.len(),
        NOT_YET_MAX,
        "if they are fewer now, lower NOT_YET_MAX: {left:?}"
    );
}
