//! A server process, its ports and its monitoring page.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock, mpsc},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Time for a server to come up, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two looks.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Runs `nats-server` with the configuration file beside which it logs.
pub(crate) struct Process {
    config: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Process {
    pub(crate) fn new(config: PathBuf) -> Self {
        Self {
            config,
            child: Mutex::new(None),
        }
    }

    pub(crate) fn spawn(&self) {
        let child = spawn(binary(), self.config.clone());
        *self.child.lock().unwrap() = Some(child);
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.lock().unwrap().as_ref().map(Child::id)
    }

    /// End it as a power switch would.
    pub(crate) fn kill9(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ask it to end, and wait until it has.
    pub(crate) async fn stop(&self) {
        let Some(pid) = self.pid() else {
            return;
        };
        let asked = Command::new("kill").arg(pid.to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill {pid}");
        eventually("nats-server stops", || async { self.has_ended() }).await;
        self.kill9();
    }

    pub(crate) fn has_ended(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        child
            .as_mut()
            .is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Wait until the server has recovered what it stores and takes requests.
    pub(crate) async fn await_healthy(&self, monitor: u16) {
        let healthy = || async {
            assert!(!self.has_ended(), "nats-server ended:\n{}", self.log());
            let page = http_get(monitor, "/healthz").await;
            page.is_some_and(|page| page.contains("\"ok\""))
        };
        eventually("nats-server is healthy", healthy).await;
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The binary to run: that of `HEADWATER_NATS_SERVER`, else `nats-server` on the path. The error
/// says what is missing.
pub fn server_binary() -> Result<PathBuf, String> {
    let named = std::env::var_os("HEADWATER_NATS_SERVER").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join("nats-server"))
            .find(|file| file.is_file())
    };
    match named.or_else(on_path) {
        Some(binary) if binary.is_file() => Ok(binary),
        Some(binary) => Err(format!(
            "HEADWATER_NATS_SERVER names {binary:?}, which is no file: run `make nats-server`"
        )),
        None => Err(
            "no nats-server on the path and HEADWATER_NATS_SERVER is not set: run `make nats-server`"
                .to_owned(),
        ),
    }
}

fn binary() -> PathBuf {
    server_binary().unwrap_or_else(|error| panic!("{error}"))
}

type Order = (PathBuf, PathBuf, mpsc::Sender<std::io::Result<Child>>);

/// Start the process from a thread that lives as long as this process: the signal at the death
/// of a parent is sent at the death of the *thread* that started the child.
fn spawn(binary: PathBuf, config: PathBuf) -> Child {
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (binary, config, done) in taken {
                let _ = done.send(command(&binary, &config).spawn());
            }
        });
        orders
    });
    let (done, started) = mpsc::channel();
    orders.send((binary.clone(), config, done)).unwrap();
    match started.recv().unwrap() {
        Ok(child) => child,
        Err(error) => panic!("{binary:?} can't be run ({error}): run `make nats-server`"),
    }
}

/// Where util-linux is installed, the server dies with us however we die.
fn command(binary: &Path, config: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.is_file() {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary);
        command
    } else {
        Command::new(binary)
    };
    command
        .arg("-c")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Ports that nobody listens on, below those that the system gives to outgoing connections: a
/// killed server finds its own free again.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let mut listeners = Vec::with_capacity(N);
    while listeners.len() < N {
        let random = RandomState::new().build_hasher().finish();
        let port = 11_000 + u16::try_from(random % 20_000).unwrap();
        listeners.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    let mut ports = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port());
    std::array::from_fn(|_| ports.next().unwrap())
}

/// Wait until `holds`; panic after a long time.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(
            started.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// The body of a page of the server's monitoring, if it answers.
pub(crate) async fn http_get(port: u16, path: &str) -> Option<String> {
    let get = async {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut page = String::new();
        connection.read_to_string(&mut page).await.ok()?;
        let (_, body) = page.split_once("\r\n\r\n")?;
        Some(body.to_owned())
    };
    tokio::time::timeout(Duration::from_secs(5), get)
        .await
        .ok()?
}
