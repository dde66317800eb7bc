//! The processor as an operator sees it: the line at its start, and the refusal.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use headwater_testkit::NatsServer;

fn processor(nats: &NatsServer, more: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater-processor"));
    command
        .env("NATS_URL", nats.url())
        .envs(more.iter().map(|(name, value)| (name, value)))
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_tells_the_durability_and_what_is_required_and_not_there_ends_it() {
    let nats = NatsServer::start().await;
    let monitor = ("HEADWATER_NATS__MONITOR_URL", nats.monitor_url());
    let found = format!(
        "1 replica, file storage, sync every 2m (found at {})",
        monitor.1
    );

    let mut child = processor(&nats, std::slice::from_ref(&monitor))
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("Durability: "));
    child.kill().unwrap();
    child.wait().unwrap();
    let line = format!(
        "Durability: {found}: survives a killed process, not a power cut; use three servers, or sync_interval: always"
    );
    assert!(
        said.as_ref().is_some_and(|said| said.ends_with(&line)),
        "{said:?}"
    );

    let required = ("HEADWATER_DURABILITY", "required".to_owned());
    let ended = processor(&nats, &[monitor, required]).output().unwrap();
    let text = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{text}");
    let refusal = format!("durability = \"required\", but this was found: {found}; use three");
    assert!(text.contains(&refusal), "{text}");
}
