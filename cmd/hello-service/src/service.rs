//! The service: one call, an optional delay, a greeting.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::log;
use crate::pb::hello_service_server::{HelloService, HelloServiceServer};
use crate::pb::{SayHelloRequest, SayHelloResponse};

/// The answer to `SayHello` for this name.
#[must_use]
pub fn greeting(name: &str) -> String {
    format!("Hello, {name}! Welcome to Durable Execution on NATS JetStream.")
}

/// What a client has, after the last call can have ended, to take the news that the service stops.
/// One that does not answer (a stopped process) must not keep the service from stopping.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Serves HelloService on a bound listener until `shutdown` is ready; calls under way are then
/// finished first. Each call is logged when it arrives and answered after `delay`.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    delay: Duration,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let (stopping, stopped) = oneshot::channel();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let hello = HelloServiceServer::new(Hello { delay });
    let served = Server::builder().serve_with_incoming_shutdown(hello, incoming, async {
        shutdown.await;
        let _ = stopping.send(());
    });
    let overdue = async {
        // A sender that went away without a word means that serving has ended by itself.
        match stopped.await {
            Ok(()) => tokio::time::sleep(delay + CLOSE_GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        result = served => result,
        () = overdue => {
            log::line("A client does not answer: its connection is cut");
            Ok(())
        }
    }
}

struct Hello {
    delay: Duration,
}

#[tonic::async_trait]
impl HelloService for Hello {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let name = request.into_inner().name;
        log::line(format_args!("Received SayHello request: name={name}"));
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let message = greeting(&name);
        Ok(Response::new(SayHelloResponse { message }))
    }
}
