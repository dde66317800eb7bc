//! A TCP proxy that can stop forwarding: a cable that is pulled. Connections stay open and
//! nothing comes through them in either direction, as with a network that drops packets.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// Bytes forwarded at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// The network connection of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Cable(Arc<watch::Sender<bool>>);

impl Cable {
    pub(crate) fn plugged() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(crate) fn pull(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn plug(&self) {
        self.0.send_replace(true);
    }

    async fn connected(&self) {
        // The sender is held by `self`, so the wait ends only when the cable is plugged.
        let _ = self.0.subscribe().wait_for(|plugged| *plugged).await;
    }
}

/// Forwards to one address while every cable on the way is plugged. Dropped, it closes all.
#[derive(Debug)]
pub(crate) struct Proxy {
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Listen on a port of this machine.
    pub(crate) async fn listen(port: u16, target: SocketAddr, cables: Vec<Cable>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                while open.try_join_next().is_some() {}
                open.spawn(forward(client, target, cables.clone()));
            }
        });
        Self {
            _accepting: accepting,
        }
    }
}

async fn forward(client: TcpStream, target: SocketAddr, cables: Vec<Cable>) {
    connected(&cables).await;
    // Nobody listens: the client is refused, too.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut ways = JoinSet::new();
    ways.spawn(copy(from_client, to_server, cables.clone()));
    ways.spawn(copy(from_server, to_client, cables));
    // One way that ends is a connection that ends.
    ways.join_next().await;
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cables: Vec<Cable>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        connected(&cables).await;
        let Ok(bytes @ 1..) = from.read(&mut buffer).await else {
            break;
        };
        connected(&cables).await;
        if to.write_all(&buffer[..bytes]).await.is_err() {
            break;
        }
    }
    // The end of a connection does not come through a pulled cable either.
    connected(&cables).await;
}

async fn connected(cables: &[Cable]) {
    for cable in cables {
        cable.connected().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::free_ports;

    #[tokio::test]
    async fn nothing_comes_through_a_pulled_cable_and_all_of_it_later() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cable = Cable::plugged();
        let [port] = free_ports();
        let target = server.local_addr().unwrap();
        let _proxy = Proxy::listen(port, target, vec![cable.clone()]).await;
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut served, _) = server.accept().await.unwrap();
        let mut byte = [0];
        client.write_all(b"a").await.unwrap();
        served.read_exact(&mut byte).await.unwrap();
        cable.pull();
        client.write_all(b"b").await.unwrap();
        let nothing =
            tokio::time::timeout(Duration::from_millis(100), served.read_exact(&mut byte)).await;
        assert!(nothing.is_err(), "{byte:?} came through");
        cable.plug();
        served.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"b");
        drop(client);
        assert_eq!(served.read(&mut byte).await.unwrap(), 0, "the end, too");
    }
}
