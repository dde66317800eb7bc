//! What operators do with what others have started, by the binary on a real server.

// Tests of a real process run on the real clock; their helpers are tests too, which clippy
// does not see.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]
// Shared with other tests, which use what this one does not.
#[allow(dead_code)]
mod world;

use std::process::Stdio;

use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn what_fits_a_filter_is_told_at_once() {
    let world = World::start().await;
    let processor = world.processor().await;
    for name in ["a1", "a2", "a3"] {
        world.json(&["start", "approve", "--id", name]).await;
    }
    world.json(&["start", "--id", "h1", "--wait"]).await;
    let waiting = ["list", "--where", "status=waiting and created<1s ago"];
    let all_wait = |rows: &Value| rows.as_array().unwrap().len() == 3;
    world.until(&waiting, all_wait).await;

    let filter = ["--where", "workflow in (approve, hello_workflow)"];
    let dry = [&["cancel", "--dry-run"][..], &filter].concat();
    world.run(&dry).await.expect(0).says(&[
        "Would cancel a1 (waiting)\n",
        "Left alone: h1 (completed), it has ended\n",
        "3 would be told, 1 left alone, 0 failed\n",
    ]);
    let report = world.json(&dry).await;
    assert_eq!(
        (&report["dry_run"], &report["sent"]),
        (&true.into(), &3.into())
    );
    assert_eq!(
        report["invocations"][0]["result"], "skipped",
        "h1 is the newest"
    );
    assert_eq!(world.json(&waiting).await.as_array().unwrap().len(), 3);

    let signal = ["signal", "--where", "id=a1", "approval", "--data", "7"];
    world
        .run(&signal)
        .await
        .expect(0)
        .says(&["Signal sent to a1\n", "1 were told"]);
    let ended = world.json(&["wait", "a1"]).await;
    assert_eq!(ended["output"]["answer"], 7);

    let cancel = [
        &["cancel", "--rate", "100", "--reason", "late"][..],
        &filter,
    ]
    .concat();
    let report = world.json(&cancel).await;
    assert_eq!(
        (&report["sent"], &report["skipped"]),
        (&2.into(), &2.into())
    );
    for name in ["a2", "a3"] {
        world.run(&["wait", name]).await.expect(1).says(&["late"]);
    }
    let resume = ["resume", "--where", "status=parked"];
    world
        .run(&resume)
        .await
        .expect(0)
        .says(&["0 were told, 0 left alone"]);
    processor.stop().await;
}

#[tokio::test]
async fn lists_go_on_and_trees_figures_and_depths_are_told() {
    let world = World::start().await;
    let processor = world.processor().await;
    for name in ["h1", "h2", "h3"] {
        world.json(&["start", "--id", name, "--wait"]).await;
    }
    world.json(&["start", "approve", "--id", "a1"]).await;
    let metrics = world
        .until(&["metrics"], |figures| figures["by_status"]["waiting"] == 1)
        .await;
    assert_eq!(metrics["invocations"], 4);
    assert_eq!(
        (&metrics["live"], &metrics["by_status"]["completed"]),
        (&1.into(), &3.into())
    );
    world
        .run(&["metrics"])
        .await
        .expect(0)
        .says(&["Invocations: 4\n", "  completed: 3\n"]);

    let page = ["list", "--status", "completed", "--limit", "2"];
    let rows = world.json(&page).await;
    assert_eq!(
        (&rows[0]["invocation_id"], &rows[1]["invocation_id"]),
        (&"h3".into(), &"h2".into())
    );
    let cursor = rows[1]["cursor"].as_str().unwrap();
    let next = format!("(more: --after {cursor}, ");
    world.run(&page).await.expect(0).says(&[&next]);
    let rows = world
        .json(&[&page[..], &["--after", cursor]].concat())
        .await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["invocation_id"], "h1");

    let tree = world.json(&["tree", "a1"]).await;
    assert_eq!(
        (&tree["status"], &tree["children"]),
        (&"waiting".into(), &Value::Array(vec![]))
    );
    world
        .run(&["tree", "a1"])
        .await
        .expect(0)
        .says(&["a1  approve  waiting  "]);
    world.run(&["tree", "nobody"]).await.expect(3);

    processor.stop().await;
    world.json(&["start", "approve", "--id", "a2"]).await;
    let depths = world.json(&["depths"]).await;
    let expected = serde_json::json!({"kind": "commands", "name": "default", "messages": 1});
    assert_eq!(depths[0], expected);
    world
        .run(&["depths"])
        .await
        .expect(0)
        .says(&["KIND", "commands  1         default"]);
}

#[tokio::test]
async fn a_result_is_had_from_another_process_before_the_end_and_after_it() {
    let world = World::start().await;
    let processor = world.processor().await;
    world.json(&["start", "approve", "--id", "a1"]).await;
    let mut early = world.command(&["wait", "a1", "--output", "json"]);
    early.stdout(Stdio::piped());
    let early = early.spawn().unwrap();
    world
        .until(&["status", "a1"], |status| status["status"] == "waiting")
        .await;
    world
        .json(&["signal", "a1", "approval", "--data", "7"])
        .await;
    let early = early.wait_with_output().await.unwrap();
    let ended: Value = serde_json::from_slice(&early.stdout).unwrap();
    assert_eq!(ended["output"]["answer"], 7);
    assert_eq!(world.json(&["wait", "a1"]).await, ended);
    processor.stop().await;
}

#[tokio::test]
async fn runs_are_listed_read_and_pruned() {
    let world = World::start().await;
    let processor = world.processor().await;
    let start = ["start", "rounds", "--id", "r", "--input", "1", "--wait"];
    world.json(&start).await;
    let numbers = |rows: &Value| -> Vec<u64> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["number"].as_u64().unwrap()).collect()
    };
    let rows = world.json(&["runs", "r"]).await;
    assert_eq!(numbers(&rows), [1, 2, 3, 4, 5]);
    assert_eq!(rows[0]["status"], "continued_as_new");
    assert_eq!(
        (&rows[4]["status"], &rows[4]["entries"]),
        (&"completed".into(), &2.into())
    );
    world
        .run(&["runs", "r"])
        .await
        .expect(0)
        .says(&["RUN", "continued_as_new", "completed"]);
    for number in ["2", "5"] {
        let history = world
            .run(&["history", "r", "--run", number])
            .await
            .expect(0);
        history.says(&[&format!("round-{number}"), "done"]);
    }
    world
        .run(&["prune", "r", "--older-than", "1h"])
        .await
        .expect(0)
        .says(&["0 runs"]);
    let pruned = world.json(&["prune", "r", "--keep-last", "2"]).await;
    assert_eq!(
        (&pruned["runs"], &pruned["entries"]),
        (&3.into(), &6.into())
    );
    world
        .until(&["runs", "r"], |rows| numbers(rows) == [4, 5])
        .await;
    let gone = world.run(&["history", "r", "--run", "2"]).await.expect(3);
    gone.complains(&["no run 2 of r", "headwater runs"]);
    let report = world.json(&["prune", "--where", "workflow=rounds"]).await;
    assert_eq!(report["sent"], 1);
    world
        .until(&["runs", "r"], |rows| numbers(rows) == [5])
        .await;
    processor.stop().await;
}

#[tokio::test]
async fn an_invocation_is_forked_from_a_step() {
    let world = World::start().await;
    let processor = world.processor().await;
    let start = ["start", "hello_workflow", "--id", "h", "--wait"];
    let first = world.json(&start).await;
    let forked = world
        .json(&["fork", "h", "--from-step", "1", "--id", "again"])
        .await;
    assert_eq!(
        (&forked["fork_of"], &forked["from_step"]),
        (&"h".into(), &1.into())
    );
    let again = world.json(&["wait", "again"]).await;
    assert_eq!(again["output"], first["output"]);
    let known = ["fork", "h", "--from-step", "1", "--id", "again"];
    world.run(&known).await.expect(6);
    let far = ["fork", "h", "--from-step", "99"];
    world
        .run(&far)
        .await
        .expect(2)
        .complains(&["step 99 is none"]);
    world
        .run(&["fork", "none", "--from-step", "1"])
        .await
        .expect(3);
    processor.stop().await;
}
