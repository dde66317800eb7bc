//! What is said of the durability of a real server, and from whom it is known.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod common;

use common::{connect, options};
use headwater_nats::{DiskSync, Durability, Options};
use headwater_testkit::{NatsServer, ServerOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

async fn found(options: Options) -> Durability {
    let store = connect(options).await;
    store.ask_monitor(store.setup().await.unwrap()).await
}

fn asking(server: &NatsServer, monitor_url: &str, declared: Option<&str>) -> Options {
    Options {
        monitor_url: Some(monitor_url.parse().unwrap()),
        sync_interval: declared.map(|text| text.parse().unwrap()),
        ..options(server)
    }
}

#[tokio::test]
async fn the_server_tells_its_sync_interval() {
    let own = tempfile::tempdir().unwrap();
    let ten_seconds = format!(
        "jetstream {{ store_dir: {:?}, sync_interval: 10s }}",
        own.path()
    );
    for (server, said, enough) in [
        (
            ServerOptions::default(),
            "every 2m (found at URL): survives a killed process, not a power cut; use three servers, or sync_interval: always",
            false,
        ),
        (
            ServerOptions {
                sync_always: true,
                ..ServerOptions::default()
            },
            "always (found at URL): survives a power cut, not the loss of the disk",
            true,
        ),
        (
            ServerOptions {
                jetstream: false,
                extra: ten_seconds,
                ..ServerOptions::default()
            },
            "every 10s (found at URL): survives a killed process, not a power cut; use three servers, or sync_interval: always",
            false,
        ),
    ] {
        let server = NatsServer::start_with(server).await;
        let url = server.monitor_url();
        let said = said.replace("URL", &url);
        let said = format!("1 replica, file storage, sync {said}");
        // What the server says is stronger than what is declared.
        for declared in [None, Some("always"), Some("2m")] {
            let durability = found(asking(&server, &url, declared)).await;
            assert_eq!(durability.to_string(), said, "declared {declared:?}");
            assert_eq!(durability.survives_power_cut(), enough);
        }
    }
}

#[tokio::test]
async fn where_nobody_is_asked_what_is_declared_stands() {
    let server = NatsServer::start().await;
    let durability = found(options(&server)).await;
    assert_eq!(durability.sync, DiskSync::Unknown);
    assert!(!durability.survives_power_cut());
    for (declared, enough) in [("always", true), ("2m", false)] {
        let interval = declared.parse().unwrap();
        let durability = found(Options {
            sync_interval: Some(interval),
            ..options(&server)
        })
        .await;
        assert_eq!(durability.sync, DiskSync::Declared(interval));
        assert_eq!(durability.survives_power_cut(), enough, "{durability}");
        assert!(durability.to_string().contains("(declared)"));
    }
}

/// Something that answers every request with `answer`, or with nothing and stays.
async fn impostor(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            match answer {
                Some(answer) => {
                    let _ = stream.read(&mut [0; 1024]).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
                None => open.push(stream),
            }
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_does_not_tell_is_named_with_the_reason() {
    let server = NatsServer::start().await;
    let other = NatsServer::start().await;
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let nats = server.url().replace("nats://", "http://");
    for (url, reason) in [
        (nobody, "no connection: "),
        (nats, "no HTTP answer: "),
        (other.monitor_url(), "another server answers there ("),
        (
            format!("{}/monitor", server.monitor_url()),
            "/jsz?config=true answers with status 404",
        ),
        (impostor(None).await, "no answer within 3s"),
        (impostor(Some("hello\n")).await, "no HTTP answer: "),
        (
            impostor(Some("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")).await,
            "the answer broke off: ",
        ),
        (
            impostor(Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")).await,
            "/jsz?config=true does not answer as a NATS server does: ",
        ),
    ] {
        let durability = found(asking(&server, &url, None)).await;
        let asked = format!("sync interval unknown (asked {url} in vain: {reason}");
        assert!(durability.facts().contains(&asked), "{durability}");
        assert!(!durability.survives_power_cut());
        let durability = found(asking(&server, &url, Some("always"))).await;
        let interval = "always".parse().unwrap();
        assert_eq!(durability.sync, DiskSync::Declared(interval), "{url}");
    }
}
