//! What ARCHITECTURE.md says must not be there, is not there.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every workspace package with its dependencies, those for tests and builds left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let of = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), of(package)))
        .collect()
}

#[test]
fn wire_and_core_depend_on_nothing_that_could_do_io() {
    let allowed: BTreeMap<&str, &[&str]> = [
        (
            "headwater-wire",
            &[
                "base64",
                "bytes",
                "croner",
                "jiff",
                "prost",
                "serde",
                "serde_json",
                "thiserror",
                "xxhash-rust",
            ][..],
        ),
        (
            "headwater-core",
            &[
                "futures",
                "headwater-wire",
                "rand_chacha",
                "rand_core",
                "serde",
                "thiserror",
                "uuid",
                "xxhash-rust",
            ][..],
        ),
    ]
    .into();
    let found = dependencies();
    for (package, allowed) in allowed {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let extra: Vec<_> = found[package].difference(&allowed).collect();
        assert!(
            extra.is_empty(),
            "{package} must stay pure; not on its allow-list: {extra:?}"
        );
    }
}

#[test]
fn nothing_points_back() {
    let layers: [&[&str]; 6] = [
        &["headwater-wire"],
        &["headwater-core"],
        &["headwater-store"],
        &[
            "headwater-nats",
            "headwater-engine",
            "headwater-worker",
            "headwater-client",
        ],
        &["headwater"],
        &[
            "headwater-cmd-processor",
            "headwater-cmd-client",
            "headwater-cmd-bench",
            "headwater-hello-service",
            "headwater-crash",
            "headwater-examples",
            "headwater-sim",
        ],
    ];
    let rank: BTreeMap<&str, usize> = layers
        .iter()
        .enumerate()
        .flat_map(|(rank, names)| names.iter().map(move |name| (*name, rank)))
        .collect();
    for (package, dependencies) in dependencies() {
        let Some(own) = rank.get(package.as_str()) else {
            assert_eq!(
                package, "headwater-testkit",
                "a package without a layer: {package}"
            );
            continue;
        };
        for dependency in &dependencies {
            if dependency == "headwater-hello-service" {
                continue; // the generated client of the demo's service
            }
            if let Some(other) = rank.get(dependency.as_str()) {
                assert!(other < own, "{package} must not depend on {dependency}");
            }
            assert!(
                dependency != "headwater-testkit" || package == "headwater-crash",
                "{package} uses the test kit outside tests"
            );
        }
    }
}

/// The rules of the design can be broken only where somebody asks for it by hand.
#[test]
fn no_package_turns_the_mutants_on() {
    for folder in ["crates", "cmd", "sim"] {
        let mut manifests = Vec::new();
        files(&root().join(folder), "toml", &mut manifests);
        for manifest in manifests {
            let text = std::fs::read_to_string(&manifest).unwrap();
            assert!(
                !text.contains("default = ["),
                "{} has default features",
                manifest.display()
            );
            assert!(
                !text.contains("features = [\"mutants"),
                "{} turns the mutants on",
                manifest.display()
            );
        }
    }
}

#[test]
fn only_the_nats_crate_names_async_nats() {
    let users: Vec<String> = dependencies()
        .into_iter()
        .filter(|(_, dependencies)| dependencies.contains("async-nats"))
        .map(|(package, _)| package)
        .filter(|package| package != "headwater-cmd-bench" && package != "headwater-testkit")
        .collect();
    assert_eq!(
        users,
        ["headwater-nats"],
        "the bench may, to measure the raw limits"
    );
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    files(folder, "rs", found);
}

fn files(folder: &Path, wanted: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, wanted, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == wanted)
        {
            found.push(path);
        }
    }
}

#[test]
fn subjects_are_spelled_in_one_place() {
    for package in ["core", "engine", "worker", "client", "headwater"] {
        let mut files = Vec::new();
        sources(&root().join("crates").join(package).join("src"), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for spelled in [
                "\"commands.",
                "\"tasks.",
                "\"timers.",
                "\"dead.",
                "\"ended.",
                "\"$KV",
                "\"$JS",
            ] {
                assert!(
                    !text.contains(spelled),
                    "{} spells {spelled} by hand; it belongs to headwater-wire",
                    file.display()
                );
            }
        }
    }
}
