//! The lints that users are given for their workflows find what they are for.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{fs, path::Path, process::Command};

const MANIFEST: &str = r#"
[package]
name = "workflows"
version = "0.1.0"
edition = "2024"

[workspace]

[lints.clippy]
disallowed_methods = "deny"
disallowed_macros = "deny"
iter_over_hash_type = "deny"
"#;

/// Everything that only std is needed for.
const WORKFLOW: &str = r#"
use std::collections::HashMap;

pub fn workflow(all: HashMap<u32, u32>) -> u32 {
    let _ = std::time::Instant::now();
    let _ = std::time::SystemTime::now();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let _ = std::thread::spawn(|| ());
    let _ = std::env::var("HOME");
    let mut sum = 0;
    for (_, one) in &all {
        sum += one;
    }
    sum
}
"#;

#[test]
fn the_lints_for_workflows_find_what_does_not_replay() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    write("Cargo.toml", MANIFEST);
    write("src/lib.rs", WORKFLOW);
    let lints = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/workflow-lints/clippy.toml");
    fs::copy(lints, folder.path().join("clippy.toml")).unwrap();
    let clippy = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--quiet"])
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&clippy.stderr);
    assert!(!clippy.status.success(), "{told}");
    for mend in [
        "`std::time::Instant::now`",
        "`std::time::SystemTime::now`",
        "use ctx.now()",
        "use ctx.sleep(..)",
        "use ctx.run(..) or an activity",
        "read it in ctx.run(..)",
        "iteration over unordered hash-based type",
    ] {
        assert!(told.contains(mend), "{mend} is not in:\n{told}");
    }
    assert!(
        !told.contains("clippy.toml"),
        "an entry is of no use:\n{told}"
    );
}
