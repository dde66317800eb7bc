//! `headwater check`: two builds that differ, against the journals that the first one wrote.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use crate::world::{Ran, World, alone, finish};

/// An example of this package, as it is built beside the tests.
fn example(name: &str) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_headwater")).parent().unwrap();
    let file = binaries.join("examples").join(name);
    assert!(
        file.exists(),
        "{} is not built: run `cargo build -p headwater-cmd-client --examples`",
        file.display()
    );
    file.to_str().unwrap().to_owned()
}

/// The first build, serving.
fn serve(world: &World) -> Child {
    Command::new(example("check_order_1"))
        .env_clear()
        .env("NATS_URL", world.server.url())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Orders that the first build has brought to their wait for a receipt; the last has it.
async fn orders(world: &World, ids: &[&str]) {
    let mut processor = serve(world);
    for id in ids {
        world
            .json(&["start", "order", "--id", id, "--input", "\"tea\""])
            .await;
    }
    for id in ids {
        world
            .until(&["status", id], |state| state["status"] == "waiting")
            .await;
    }
    let last = ids.last().unwrap();
    world
        .run(&["signal", last, "receipt", "--data", "\"no. 5\""])
        .await
        .expect(0);
    world.run(&["wait", last]).await.expect(0);
    processor.kill().await.unwrap();
}

/// Write what `export` prints into a folder.
async fn export(world: &World, folder: &Path, id: &str) -> PathBuf {
    let exported = world.run(&["export", id]).await.expect(0).stdout;
    let file = folder.join(format!("{id}.json"));
    std::fs::write(&file, exported).unwrap();
    file
}

async fn check(args: &[&str]) -> Ran {
    alone(&[&["check", "--build"], args].concat()).await
}

#[tokio::test]
async fn check_finds_a_build_that_decides_otherwise() {
    let world = World::start().await;
    orders(&world, &["a", "b", "done"]).await;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().to_str().unwrap();
    export(&world, folder.path(), "a").await;
    export(&world, folder.path(), "done").await;
    let (same, other) = (example("check_order_1"), example("check_order_2"));
    let difference = "step 1, name: \"pay\" in the journal, \"weigh\" in this build";

    // Files: no server is asked.
    check(&[&same, files]).await.expect(0).says(&[
        "agrees   a  order 1.0.0, 3 entries\n",
        "agrees   done  order 1.0.0, 4 entries, ended\n",
        "2 agree, 0 differ\n",
    ]);
    check(&[&other, files])
        .await
        .expect(1)
        .says(&[
            "DIFFERS  a  order 1.0.0\n",
            difference,
            "0 agree, 2 differ\n",
        ])
        .complains(&["error: the build does not pass"]);
    let report = check(&[&other, files, "--output", "json"]).await.expect(1);
    assert_eq!(report.error().0, "nondeterminism");
    let first = &report.json()["journals"][0];
    assert_eq!(
        (&first["invocation_id"], &first["verdict"]),
        (&"a".into(), &"differs".into())
    );
    assert_eq!(first["difference"][0]["program"], "\"weigh\"");

    // Live ones: those that have not ended.
    let live = |build| world.command(&["check", "--build", build, "--live"]);
    finish(live(&same))
        .await
        .expect(0)
        .says(&["  b  order", "2 agree, 0 differ\n"]);
    finish(live(&other))
        .await
        .expect(1)
        .says(&[difference, "0 agree, 2 differ\n"]);
    let mut elsewhere = live(&same);
    elsewhere.args(["--workflow", "other"]);
    finish(elsewhere)
        .await
        .expect(2)
        .complains(&["nothing to check"]);
}

#[tokio::test]
async fn any_processor_checks_files_that_its_environment_names() {
    let world = World::start().await;
    orders(&world, &["a", "done"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = export(&world, folder.path(), "a").await;
    for (build, code, says) in [
        ("check_order_1", 0, "1 agree, 0 differ\n"),
        (
            "check_order_2",
            1,
            "\"weigh\" in this build\n0 agree, 1 differ\n",
        ),
    ] {
        let mut asked = Command::new(example(build));
        asked
            .env_clear()
            .env("HEADWATER_CHECK", &file)
            .kill_on_drop(true);
        finish(asked).await.expect(code).says(&[says]);
    }
}

#[tokio::test]
async fn history_shows_every_entry_as_it_is_stored() {
    let world = World::start().await;
    orders(&world, &["done"]).await;
    world.run(&["history", "done"]).await.expect(0).says(&[
        "    1  {\"run\":{\"step\":1,\"name\":\"pay\"}}\n",
        "    3  {\"signal\":{\"step\":2,\"name\":\"receipt\"}}\n",
    ]);
    let entries = world.json(&["history", "done"]).await;
    assert_eq!(entries.as_array().unwrap().len(), 4);
    assert_eq!(entries[1]["done"]["value"], "tea");
}

#[tokio::test]
async fn a_build_that_does_not_answer_has_not_passed() {
    let file = format!("{}/no-journal.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, "{}").unwrap();
    check(&["/bin/true", &file])
        .await
        .expect(2)
        .complains(&["/bin/true ended", "Processor::connect"]);
    check(&["/usr/bin/yes", &file, "--timeout", "100ms"])
        .await
        .expect(2)
        .complains(&["/usr/bin/yes has not answered within 100ms"]);
    check(&[&example("check_order_1"), &file])
        .await
        .expect(1)
        .says(&["UNREADABLE", "not a Headwater value"]);
}
