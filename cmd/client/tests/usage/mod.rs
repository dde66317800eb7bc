//! What needs no server: help, arguments, and that there is none.

use crate::world::alone;

#[tokio::test]
async fn help_teaches_by_examples_and_lists_the_exit_codes() {
    alone(&["--help"]).await.expect(0).says(&[
        "Examples:",
        "Exit codes:",
        "refused because the id exists",
        "--nats-url",
    ]);
    let commands = [
        "start",
        "status",
        "wait",
        "inspect",
        "history",
        "runs",
        "prune",
        "fork",
        "export",
        "signal",
        "cancel",
        "terminate",
        "pause",
        "delete",
        "resume",
        "list",
        "watch",
        "why",
        "members",
        "tree",
        "metrics",
        "depths",
    ];
    for command in commands {
        let example = format!("headwater {command}");
        alone(&[command, "--help"])
            .await
            .expect(0)
            .says(&["Examples:", &example, "--output"]);
    }
    for command in ["list", "show", "redrive"] {
        alone(&["dead-letters", command, "--help"])
            .await
            .expect(0)
            .says(&["headwater dead-letters redrive 3"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_arguments_is_told_before_anything_is_connected() {
    let long = "x".repeat(129);
    let large = format!("@{}", {
        let file = format!("{}/large.json", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&file, format!("\"{}\"", "x".repeat(256 * 1024))).unwrap();
        file
    });
    let cases: &[(&[&str], &str)] = &[
        (&["start", "--input", "World"], "'\"World\"'"),
        (&["start", "--input", "@nowhere.json"], "nowhere.json"),
        (&["start", "--input", &large], "PAYLOAD_BYTES_MAX"),
        (&["start", "--id", ""], "must not be empty"),
        (&["start", "--id", &long], "ID_BYTES_MAX"),
        (&["start", "--wait", "--timeout", "30"], "30s"),
        (&["start", "--timeout", "30s"], "--wait"),
        (
            &["signal", "a", "go", "--data", "{"],
            "--data is not valid JSON",
        ),
        (&["list", "--status", "done"], "completed"),
        (&["list", "--where", "total>=10"], "search.<attribute>"),
        (&["list", "--after", "a"], "not a cursor"),
        (&["cancel"], "--where"),
        (&["cancel", "a", "--where", "status=waiting"], "--where"),
        (&["cancel", "--where", ""], "status=failed"),
        (&["cancel", "a", "--dry-run"], "--dry-run"),
        (
            &["resume", "--where", "status=parked", "--rate", "0"],
            "0.5",
        ),
        (&["signal", "go"], "--where"),
        (&["dead-letters", "redrive"], "--all"),
        (&["--namespace", "a b", "list"], "letters, digits"),
        (&["--config", "nowhere.toml", "list"], "nowhere.toml"),
        (
            &["--nats-url", "nats://:x:y", "list"],
            "nats://127.0.0.1:4222",
        ),
        (&["check", "a.json"], "--build"),
        (&["check", "--build", "b"], "<FILES>..."),
        (&["check", "--build", "b", "a", "--workflow", "w"], "--live"),
        (&["check", "--build", "nowhere/b", "a"], "nowhere/b"),
        (&["frobnicate"], "frobnicate"),
    ];
    for (args, mend) in cases {
        let ran = alone(args).await.expect(2).complains(&["error: ", mend]);
        assert_eq!(ran.stdout, "", "{args:?}");
        let args = [*args, &["--output", "json"]].concat();
        let (_, message) = alone(&args).await.expect(2).error();
        assert!(message.contains(mend), "{args:?}: {message}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_exit_code_5() {
    let url = ["--nats-url", "nats://127.0.0.1:1"];
    for args in [&["list"][..], &["start"], &["status", "a"]] {
        let args = [args, &url].concat();
        alone(&args)
            .await
            .expect(5)
            .complains(&["error: no NATS server is reachable at nats://127.0.0.1:1"]);
        let (code, _) = alone(&[&args[..], &["--output", "json"]].concat())
            .await
            .expect(5)
            .error();
        assert_eq!(code, "nats_unreachable");
    }
}
