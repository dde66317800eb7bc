//! One page over HTTP, of a server's monitoring or of an engine's metrics.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of a page, if it answers. The address is host and port.
pub(crate) async fn page(address: &str, path: &str) -> Option<String> {
    let get = async {
        let mut connection = TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(body.to_owned())
    };
    timeout(PATIENCE, get).await.ok()?
}
