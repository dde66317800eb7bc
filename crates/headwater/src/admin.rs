//! Metrics and health over HTTP: `GET /metrics` (Prometheus text) and `GET /healthz`.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use headwater_store::{Bucket, Env, Read, Store};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;

/// What the server tells about.
pub(crate) struct Admin {
    pub(crate) registry: Registry,
    pub(crate) store: Arc<dyn Store>,
}

/// Serve until the process ends. Answers the address that is bound.
pub(crate) async fn serve(
    address: &str,
    admin: Admin,
    env: &Arc<dyn Env>,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let (admin, spawner) = (Arc::new(admin), Arc::clone(env));
    env.spawn(Box::pin(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection to the metrics server failed");
                    continue;
                }
            };
            let admin = Arc::clone(&admin);
            spawner.spawn(Box::pin(async move {
                let service = service_fn(move |request| answer(Arc::clone(&admin), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the metrics server broke");
                }
            }));
        }
    }));
    Ok(bound)
}

async fn answer(
    admin: Arc<Admin>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, kind, body) = match request.uri().path() {
        "/metrics" => {
            let mut text = String::new();
            match encode(&mut text, &admin.registry) {
                Ok(()) => (200, "text/plain; version=0.0.4", text),
                Err(error) => (500, "text/plain", format!("{error}\n")),
            }
        }
        "/healthz" => match admin.store.get(Bucket::Config, "health", Read::Any).await {
            Ok(_) => (200, "text/plain", "ok\n".to_owned()),
            Err(error) => (503, "text/plain", format!("{error}\n")),
        },
        _ => (404, "text/plain", "use /metrics or /healthz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let kind = hyper::header::HeaderValue::from_static(kind);
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    Ok(response)
}
