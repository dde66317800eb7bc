//! `hello-service`: HelloService on a port.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use headwater_hello_service::{log, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The demo's gRPC service: answers SayHello, and logs each call when it arrives.
#[derive(Parser)]
#[command(name = "hello-service", version)]
struct Args {
    /// Port to listen on, on all interfaces; 0 takes a free one, which the log then names
    #[arg(long, default_value_t = 9090)]
    port: u16,

    /// How long each call takes, for trying what a crash in the middle does: 500ms, 2s, 1m
    #[arg(long, default_value = "0s", value_parser = parse_delay)]
    delay: Duration,
}

fn parse_delay(text: &str) -> Result<Duration, String> {
    let signed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "expected a duration such as 500ms, 2s or 1m".to_owned())?;
    Duration::try_from(signed).map_err(|_| "a delay cannot be negative".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hello-service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    log::line("Starting HelloService gRPC server...");
    // Before the port opens: who sees the service listening may stop it at once.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, args.port))
        .await
        .map_err(|e| {
            format!(
                "cannot listen on port {}: {e}; choose another with --port",
                args.port
            )
        })?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    log::line(format_args!("HelloService listening on :{port}"));

    let stop = async move {
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        log::line("Stopping HelloService: calls under way are finished first");
    };
    serve(listener, args.delay, stop)
        .await
        .map_err(|e| format!("the server failed: {e}"))?;
    log::line("HelloService stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read_as_people_write_it() {
        for (text, millis) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("1m", 60_000),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(
                parse_delay(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["-1s", "500", "soon", ""] {
            assert!(parse_delay(text).is_err(), "{text}");
        }
    }
}
