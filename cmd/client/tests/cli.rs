//! The binary as its users run it, on a real server.

// Tests of a real process run on the real clock; their helpers are tests too, which clippy
// does not see.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod check;
mod usage;
mod world;

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::world::{World, finish};

#[tokio::test]
async fn an_unknown_id_is_exit_code_3() {
    let world = World::start().await;
    let commands: [&[&str]; 13] = [
        &["status", "nobody"],
        &["wait", "nobody"],
        &["inspect", "nobody"],
        &["history", "nobody"],
        &["export", "nobody"],
        &["why", "nobody"],
        &["watch", "nobody"],
        &["cancel", "nobody"],
        &["signal", "nobody", "go"],
        &["enqueue", "nobody", "items"],
        &["raise", "nobody", "now"],
        &["update", "nobody", "pay"],
        &["query", "nobody", "state"],
    ];
    for args in commands {
        world
            .run(args)
            .await
            .expect(3)
            .complains(&["error: no invocation has the id nobody", "headwater list"]);
    }
    let ran = world.run(&["status", "nobody", "--output", "json"]).await;
    assert_eq!(ran.expect(3).error().0, "not_found");
}

#[tokio::test]
async fn a_start_needs_no_processor_and_prints_what_the_prototype_printed() {
    let world = World::start().await;
    let mut start = world.command(&["start", "--id", "order 7"]);
    start
        .env("HANDLER", "order")
        .env("PARTITION_KEY", "default");
    let ran = finish(start).await.expect(0).says(&[
        " Starting Durable Execution Client...\n",
        " Submitting workflow:\n",
        "   Invocation ID: order 7\n",
        "   Handler: order\n",
        "   Partition Key: default\n",
        " ✓ Command submitted successfully!\n",
        " Track execution with: nats kv get EXECUTION_STATE order=207\n",
    ]);
    let first = ran.stdout.lines().next().unwrap();
    let time = first.strip_suffix(" Starting Durable Execution Client...");
    let shape: String = time
        .unwrap()
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000/00/00 00:00:00");
    let submitted = "submitted: a command for it is in COMMANDS";
    world
        .run(&["status", "order 7"])
        .await
        .expect(0)
        .says(&[submitted]);
    world
        .run(&["why", "order 7"])
        .await
        .expect(0)
        .says(&[submitted, "start a processor"]);
    world
        .run(&["wait", "order 7", "--timeout", "500ms"])
        .await
        .expect(4)
        .complains(&["has not ended within 500ms"]);
    world
        .run(&["resume", "order 7"])
        .await
        .expect(0)
        .says(&["nothing to resume"]);
    world
        .run(&["members"])
        .await
        .expect(0)
        .says(&["No engine is connected"]);
    world
        .run(&["start", "--namespace", "team-a", "--id", "a"])
        .await
        .expect(0)
        .says(&["nats kv get team-a_EXECUTION_STATE a\n"]);
    let wait = [
        "start",
        "order",
        "--wait",
        "--timeout",
        "200ms",
        "--output",
        "json",
    ];
    let ran = world.run(&wait).await.expect(4);
    assert_eq!(ran.error().0, "timeout");
    assert_eq!(
        ran.json()["workflow"],
        "order",
        "the id is told all the same"
    );
    let started = world
        .json(&["start", "order", "--namespace", "team-a", "--key", "k"])
        .await;
    assert_eq!(started["workflow"], "order");
    assert_eq!(started["partition_key"], "k");
    assert_eq!(started["existing"], false);
    assert_eq!(started["invocation_id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn an_id_that_exists_is_attached_to_or_refused() {
    let world = World::start().await;
    let processor = world.processor().await;
    let start = ["start", "hello_workflow", "--id", "h1"];
    let wait = [&start[..], &["--wait"]].concat();
    world
        .run(&wait)
        .await
        .expect(0)
        .says(&["Output: \"Hello, World!\""]);
    // The input of the second start is not looked at: nothing is run twice.
    let again = [&wait[..], &["--input", "\"Ada\"", "--output", "json"]].concat();
    let expected = json!({
        "invocation_id": "h1", "workflow": "hello_workflow", "partition_key": null,
        "existing": true, "status": "completed", "output": "Hello, World!",
    });
    assert_eq!(world.run(&again).await.expect(0).json(), expected);
    world
        .run(&start)
        .await
        .expect(0)
        .says(&[" existing: true\n", "completed"]);
    let reject = [&start[..], &["--if-exists", "reject"]].concat();
    world
        .run(&reject)
        .await
        .expect(6)
        .complains(&["error: ", "h1 exists already"]);
    let reject = [&reject[..], &["--output", "json"]].concat();
    assert_eq!(world.run(&reject).await.expect(6).error().0, "exists");
    processor.stop().await;
}

#[tokio::test]
async fn a_workflow_that_fails_is_exit_code_1_with_its_own_code() {
    let world = World::start().await;
    let processor = world.processor().await;
    let start = ["start", "fail", "--id", "f1", "--wait"];
    world
        .run(&start)
        .await
        .expect(1)
        .says(&["Status: failed", "Error: no_stock: nothing left"])
        .complains(&["error: the invocation f1 ended as failed: no_stock: nothing left"]);
    let ran = world
        .run(&["wait", "f1", "--output", "json"])
        .await
        .expect(1);
    assert_eq!(ran.json()["error"]["code"], "no_stock");
    assert_eq!(ran.error().0, "no_stock");
    world.run(&["inspect", "f1"]).await.expect(0).says(&[
        "Execution State:\n  Invocation ID: f1\n  Handler: fail\n",
        "  Status: failed\n",
        "  Journal Entries: 2\n",
        "\nJournal:\n  Step 1: run break: failed at +",
        "\n    Error: no_stock: nothing left\n",
    ]);
    processor.stop().await;
}

#[tokio::test]
async fn states_are_told_in_lines_and_in_json() {
    let world = World::start().await;
    let processor = world.processor().await;
    world
        .json(&["start", "approve", "--id", "a1", "--key", "k"])
        .await;
    world.json(&["start", "--id", "h1", "--wait"]).await;
    let status = world
        .until(&["status", "a1"], |status| status["status"] == "waiting")
        .await;
    assert_eq!(status["invocation_id"], "a1");
    assert_eq!(status["partition_key"], "k");
    assert_eq!(status["waits"][0]["name"], "approval");
    assert_eq!(status["journal"]["steps"], 1);
    world.run(&["status", "a1"]).await.expect(0).says(&[
        "Handler: approve\n",
        "Status: waiting\n",
        "Partition Key: k\n",
        "Step 1: signal approval",
    ]);
    let all = world.json(&["list"]).await;
    let ids: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["invocation_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["h1", "a1"], "the newest first");
    let waiting = world.json(&["list", "--status", "waiting"]).await;
    assert_eq!(waiting.as_array().unwrap().len(), 1);
    let hellos = world.json(&["list", "--workflow", "hello_workflow"]).await;
    assert_eq!(hellos[0]["invocation_id"], "h1");
    let ran = world.run(&["list", "--limit", "1"]).await.expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("INVOCATION ID  WORKFLOW"), "{ran:?}");
    assert!(lines[1].starts_with("h1 "), "{ran:?}");
    assert!(lines[2].contains("--limit"), "{ran:?}");
    let members = world.json(&["members"]).await;
    assert_eq!(members[0]["role"], "engine");
    world
        .run(&["members"])
        .await
        .expect(0)
        .says(&["approve 1.0.0"]);
    let inspected = world.json(&["inspect", "h1"]).await;
    assert_eq!(inspected["state"]["output"], "Hello, World!");
    assert_eq!(inspected["journal"][0]["run"]["name"], "say-hello");
    processor.stop().await;
}

#[tokio::test]
async fn what_a_workflow_shows_of_itself_is_told() {
    let world = World::start().await;
    let running = world.processor().await;
    let search = ["--search", "customer=ada", "--search", "total=12.5"];
    let start = [&["start", "show", "--id", "s"], &search[..]].concat();
    world.run(&start).await.expect(0);
    let is_waiting = |told: &Value| told["status"] == "waiting";
    world.until(&["status", "s"], is_waiting).await;
    let status = world.run(&["status", "s"]).await.expect(0);
    status.says(&[
        "Custom Status: \"on its way\" (version 1)\n",
        "Search:\n  customer = \"ada\"\n  total = 13.5\n",
        "KV:\n  parcels = 2\n",
    ]);
    let told = world.json(&["status", "s"]).await;
    assert_eq!(told["search"], json!({ "customer": "ada", "total": 13.5 }));
    assert_eq!(told["kv"], json!({ "parcels": 2 }));
    assert_eq!(told["custom_status"]["value"], "on its way");
    let inspected = world.run(&["inspect", "s"]).await.expect(0);
    inspected.says(&["customer", "parcels", "on its way"]);
    // The value is plain JSON in a plain bucket.
    let nats = async_nats::connect(world.server.url()).await.unwrap();
    let nats = async_nats::jetstream::new(nats);
    let bucket = nats.get_key_value("EXECUTION_STATE").await.unwrap();
    let entry = bucket.get("s").await.unwrap().unwrap();
    let value: Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(value["kv"], json!({ "parcels": 2 }));
    world
        .run(&["start", "show", "--search", "nothing"])
        .await
        .expect(2)
        .complains(&["KEY=VALUE"]);
    running.stop().await;
}

#[tokio::test]
async fn signals_and_cancels_reach_the_workflow() {
    let world = World::start().await;
    let processor = world.processor().await;
    world.json(&["start", "approve", "--id", "a1"]).await;
    world.json(&["start", "approve", "--id", "a2"]).await;
    let mut signal = world.command(&["signal", "a1", "approval", "--data", "-"]);
    signal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = signal.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"by\":\n\"ada\"}").await.unwrap();
    drop(stdin);
    assert!(child.wait().await.unwrap().success());
    let ended = world.json(&["wait", "a1"]).await;
    assert_eq!(ended["output"], json!({"answer": {"by": "ada"}}));
    let told = world.json(&["cancel", "a2", "--reason", "enough"]).await;
    assert_eq!(told["sent"], true);
    world
        .run(&["wait", "a2"])
        .await
        .expect(1)
        .says(&["Status: cancelled"]);
    world
        .run(&["inspect", "a2"])
        .await
        .expect(0)
        .says(&["Cancel requested at +", "enough"]);
    assert_eq!(world.json(&["cancel", "a2"]).await["sent"], false);
    world
        .run(&["signal", "a2", "approval"])
        .await
        .expect(3)
        .complains(&["a2 has ended as cancelled"]);
    processor.stop().await;
}

#[tokio::test]
async fn the_life_of_an_invocation_is_ruled() {
    let world = World::start().await;
    let processor = world.processor().await;
    let start = ["start", "approve", "--id", "a1"];
    let is = async |status: &str| {
        let holds = |state: &Value| state["status"] == status;
        world.until(&["status", "a1"], holds).await
    };
    let paused = [
        &start[..],
        &["--paused", "--signal", "approval={\"by\": \"ada\"}"],
    ]
    .concat();
    world.run(&paused).await.expect(0);
    is("paused").await;
    let ran = world.run(&["delete", "a1"]).await.expect(6);
    ran.complains(&["a1 is paused", "force"]);
    world
        .run(&["terminate", "a1", "--code", "budget"])
        .await
        .expect(0);
    let ended = is("terminated").await;
    assert_eq!(ended["error"]["code"], "budget");
    let again = world.run(&["terminate", "a1"]).await.expect(0);
    again.says(&["a1 has ended as terminated already"]);

    let replace = [&start[..], &["--if-exists", "replace", "--ttl", "1h"]].concat();
    world.run(&replace).await.expect(0);
    is("waiting").await;
    world
        .run(&["pause", "a1", "--reason", "lunch"])
        .await
        .expect(0);
    is("paused").await;
    let why = world.run(&["why", "a1"]).await.expect(0);
    why.says(&["lunch", "headwater resume a1"]);
    world.run(&["resume", "a1"]).await.expect(0);
    is("waiting").await;
    let deleted = world.json(&["delete", "a1", "--force"]).await;
    assert_eq!(deleted["was_running"], true);
    let gone = std::time::Instant::now();
    while world.run(&["status", "a1"]).await.code == Some(0) {
        assert!(gone.elapsed().as_secs() < 20, "it is not deleted");
    }
    world.run(&["status", "a1"]).await.expect(3);
    processor.stop().await;
}

#[tokio::test]
async fn a_watch_tells_each_change_until_the_end() {
    let world = World::start().await;
    let processor = world.processor().await;
    world.json(&["start", "approve", "--id", "a1"]).await;
    let mut watch = world.command(&["watch", "a1", "--output", "json"]);
    watch.stdout(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let change: Value = serde_json::from_str(&line).unwrap();
        let status = change["status"].as_str().unwrap().to_owned();
        if status == "waiting" && !seen.contains(&status) {
            world.json(&["signal", "a1", "approval"]).await;
        }
        seen.push(status);
    }
    assert!(watch.wait().await.unwrap().success());
    assert_eq!(
        seen.last().map(String::as_str),
        Some("completed"),
        "{seen:?}"
    );

    let mut all = world.command(&["watch"]);
    all.stdout(Stdio::piped());
    let mut all = all.spawn().unwrap();
    let mut lines = BufReader::new(all.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains("  a1  completed  "), "{line}");
    let interrupt = Command::new("kill")
        .args(["-INT", &all.id().unwrap().to_string()])
        .status();
    assert!(interrupt.await.unwrap().success());
    assert_eq!(all.wait().await.unwrap().code(), Some(0));
    processor.stop().await;
}

#[tokio::test]
async fn dead_letters_are_listed_shown_and_redriven() {
    let world = World::start().await;
    let processor = world.processor().await;
    world
        .run(&["dead-letters", "redrive", "--all"])
        .await
        .expect(0)
        .says(&["no dead letters"]);
    let nats = async_nats::connect(world.server.url()).await.unwrap();
    let garbage = bytes::Bytes::from_static(b"\xffgarbage\x1b[2J");
    nats.publish("commands.default.1.x", garbage.clone())
        .await
        .unwrap();
    nats.flush().await.unwrap();
    let letters = world
        .until(&["dead-letters", "list"], |letters| letters[0].is_object())
        .await;
    let letter = &letters[0];
    assert_eq!(letter["subject"], "commands.default.1.x");
    assert_eq!(letter["kind"], "command");
    let seq = letter["seq"].as_u64().unwrap();
    let number = seq.to_string();
    world
        .run(&["dead-letters", "list"])
        .await
        .expect(0)
        .says(&["SEQ", "commands.default.1.x"]);
    world
        .run(&["dead-letters", "show", &number])
        .await
        .expect(0)
        .says(&[
            "Subject: commands.default.1.x\n",
            "Reason: ",
            "\\xffgarbage\\x1b[2J",
        ]);
    let shown = world.json(&["dead-letters", "show", &number]).await;
    assert_eq!(shown["payload_base64"], "/2dhcmJhZ2UbWzJK");
    world
        .run(&["dead-letters", "redrive", &number])
        .await
        .expect(0)
        .says(&["published again"]);
    // It is garbage still, so it comes back as another letter.
    let letters = world
        .until(&["dead-letters", "list"], |letters| letters[0].is_object())
        .await;
    assert!(letters[0]["seq"].as_u64().unwrap() > seq, "{letters}");
    for verb in ["show", "redrive"] {
        world
            .run(&["dead-letters", verb, &number])
            .await
            .expect(3)
            .complains(&["there is no dead letter"]);
    }
    let redriven = world.json(&["dead-letters", "redrive", "--all"]).await;
    assert_eq!(redriven["redriven"].as_array().unwrap().len(), 1);
    processor.stop().await;
}

/// Run with a stdout that nobody reads.
async fn unread(mut command: Command) -> (Option<i32>, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).await.unwrap();
    (child.wait().await.unwrap().code(), stderr)
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error_and_keeps_nothing_from_being_done() {
    let world = World::start().await;
    let processor = world.processor().await;
    let quiet: [&[&str]; 5] = [
        &["--help"],
        &["list"],
        &["members", "--output", "json"],
        &["start", "--id", "unread"],
        &["watch"],
    ];
    for args in quiet {
        let ended = unread(world.command(args)).await;
        assert_eq!(ended, (Some(0), String::new()), "{args:?}");
    }
    assert_eq!(world.json(&["wait", "unread"]).await["status"], "completed");
    for args in [
        &["start", "fail", "--id", "f1", "--wait"][..],
        &["wait", "f1"],
    ] {
        let (code, stderr) = unread(world.command(args)).await;
        assert_eq!(code, Some(1), "{args:?}: {stderr}");
    }
    processor.stop().await;
}

#[tokio::test]
async fn items_events_updates_and_queries_reach_the_workflow() {
    let world = World::start().await;
    let processor = world.processor().await;
    world.run(&["start", "basket", "--id", "b"]).await.expect(0);
    let waits = |what: &'static str| {
        move |answer: &Value| answer["answer"] == json!(what) && answer["invocation_id"] == "b"
    };
    world
        .until(&["query", "b", "waits"], waits("for an item"))
        .await;
    world
        .run(&["enqueue", "b", "items", "{\"item\": 7}"])
        .await
        .expect(0)
        .says(&["Item for queue items sent to b; it is kept"]);
    world
        .until(&["query", "b", "waits"], waits("for an event"))
        .await;
    let raised = world.json(&["raise", "b", "now", "-1"]).await;
    assert_eq!(raised["sent"], json!(true));
    world
        .until(&["query", "b", "waits"], waits("for payment"))
        .await;
    world
        .run(&["update", "b", "pay", "0"])
        .await
        .expect(1)
        .complains(&["\"pay\" of the invocation b failed", "nothing is paid"]);
    world
        .run(&["update", "b", "other", "--timeout", "300ms"])
        .await
        .expect(4)
        .complains(&["no answer from the invocation b within 300ms"]);
    world
        .run(&["query", "b", "weight"])
        .await
        .expect(1)
        .complains(&["answers no query \"weight\""]);
    world
        .run(&["update", "b", "pay", "5"])
        .await
        .expect(0)
        .says(&["{\"paid\":5}\n"]);
    let ended = world.json(&["wait", "b"]).await;
    assert_eq!(ended["output"], json!([{"item": 7}, -1]));
    for args in [
        &["enqueue", "b", "items"][..],
        &["raise", "b", "now"],
        &["update", "b", "pay", "5"],
    ] {
        let ran = world.run(args).await.expect(3);
        ran.complains(&["has ended as completed"]);
    }
    world
        .run(&["query", "b", "waits"])
        .await
        .expect(0)
        .says(&["\"for payment\"\n"]);
    processor.stop().await;
}

#[tokio::test]
async fn a_signal_by_its_name_reaches_whoever_waits_for_it() {
    let world = World::start().await;
    let processor = world.processor().await;
    let data = "{\"by\": \"ada\"}";
    let args = [
        "signal",
        "--by-name",
        "paid 7",
        "--data",
        data,
        "--keep",
        "1h",
    ];
    world
        .run(&args)
        .await
        .expect(0)
        .says(&["Signal paid 7 sent by its name"]);
    let start = ["start", "paid", "--input", "\"paid 7\"", "--wait"];
    let ended = world.json(&start).await;
    assert_eq!(ended["output"], json!({"by": "ada"}));
    let sent = world
        .json(&["signal", "--by-name", "other", "--queue", "gpu"])
        .await;
    assert_eq!(
        (&sent["name"], &sent["sent"]),
        (&json!("other"), &json!(true))
    );
    for args in [
        &["signal", "order-7", "go", "--keep", "1h"][..],
        &["signal", "--by-name", "order-7", "go"],
        &["signal", "--by-name", "--where", "status=waiting", "go"],
        &["signal", "go"],
    ] {
        world.run(args).await.expect(2);
    }
    processor.stop().await;
}
