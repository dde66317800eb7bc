//! The service as a process: started on a free port, called, stopped.

// The test is of a real process: it runs on the real runtime, outside the simulation; and its
// helpers are tests too, which clippy does not see.
#![allow(clippy::disallowed_methods, clippy::expect_used)]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use headwater_hello_service::pb::SayHelloRequest;
use headwater_hello_service::pb::hello_service_client::HelloServiceClient;
use tonic::transport::Channel;

/// A running `hello-service`, ended when dropped.
struct Service {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Service {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hello-service"))
            .args(["--port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let mut log = BufReader::new(child.stdout.take().expect("piped")).lines();
        let listening = loop {
            let line = log
                .next()
                .expect("it listens before it ends")
                .expect("UTF-8");
            if let Some((_, port)) = line.split_once("HelloService listening on :") {
                break port.parse().expect("a port");
            }
        };
        Self {
            child,
            log,
            port: listening,
        }
    }

    /// The next line of the log, without its timestamp.
    fn logged(&mut self) -> String {
        let line = self.log.next().expect("one more line").expect("UTF-8");
        line.splitn(3, ' ')
            .nth(2)
            .expect("date, time, text")
            .to_owned()
    }

    fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .expect("kill")
                .success()
        );
        self.child.wait().expect("it ends")
    }
}

async fn connect(port: u16) -> HelloServiceClient<Channel> {
    HelloServiceClient::connect(format!("http://127.0.0.1:{port}"))
        .await
        .expect("it accepts")
}

async fn say_hello(port: u16, name: &str) -> String {
    let request = SayHelloRequest {
        name: name.to_owned(),
    };
    let answer = connect(port).await.say_hello(request).await;
    answer.expect("it answers").into_inner().message
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_greets_logs_each_call_and_stops_when_told() {
    let mut service = Service::start(&[]);
    assert_eq!(
        say_hello(service.port, "World").await,
        "Hello, World! Welcome to Durable Execution on NATS JetStream."
    );
    assert_eq!(service.logged(), "Received SayHello request: name=World");
    assert!(service.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_logged_when_it_arrives_and_finished_before_the_stop() {
    let mut service = Service::start(&["--delay", "500ms"]);
    let call = tokio::spawn(say_hello(service.port, "Ada"));
    assert_eq!(service.logged(), "Received SayHello request: name=Ada");
    assert!(!call.is_finished(), "answered without the delay");
    assert!(service.terminate().success());
    assert!(call.await.expect("no panic").starts_with("Hello, Ada!"));
}

// On one thread: while the test waits for the process, its connection answers nothing.
#[tokio::test]
async fn a_client_that_no_longer_answers_does_not_keep_it_from_stopping() {
    let mut service = Service::start(&[]);
    let _client = connect(service.port).await;
    assert!(service.terminate().success());
}

#[test]
fn a_taken_port_is_refused_by_name() {
    let service = Service::start(&[]);
    let port = service.port.to_string();
    let second = Command::new(env!("CARGO_BIN_EXE_hello-service"))
        .args(["--port", &port])
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr);
    assert!(
        error.contains(&format!("cannot listen on port {port}")),
        "{error}"
    );
}
