//! What the tests share: the binary, a server, a processor in this process.

use std::time::{Duration, Instant};

use headwater::{Config, Context, Error, Processor, RunningProcessor};
use headwater_testkit::NatsServer;
use serde_json::{Value, json};
use tokio::process::Command;

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text), "{text:?} is not in {self:?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn complains(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn error(&self) -> (String, String) {
        let told: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let field = |name: &str| told["error"][name].as_str().unwrap().to_owned();
        (field("code"), field("message"))
    }
}

/// The binary, in an environment and a folder of its own.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command
        .args(args)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .kill_on_drop(true);
    command
}

pub(crate) async fn finish(mut command: Command) -> Ran {
    let output = tokio::time::timeout(Duration::from_secs(60), command.output())
        .await
        .expect("it ends")
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Without a server.
pub(crate) async fn alone(args: &[&str]) -> Ran {
    finish(command(args)).await
}

/// A server, and maybe a processor in this process.
pub(crate) struct World {
    pub(crate) server: NatsServer,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self {
            server: NatsServer::start().await,
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("NATS_URL", self.server.url());
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args)).await
    }

    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--output", "json"]].concat();
        self.run(&args).await.expect(0).json()
    }

    pub(crate) async fn processor(&self) -> RunningProcessor {
        let mut config = Config::default();
        config.nats.url = self.server.url();
        Processor::connect(config)
            .await
            .unwrap()
            .workflow("hello_workflow", hello)
            .unwrap()
            .workflow("approve", approve)
            .unwrap()
            .workflow("show", show)
            .unwrap()
            .workflow("fail", fail)
            .unwrap()
            .workflow("basket", basket)
            .unwrap()
            .workflow("rounds", rounds)
            .unwrap()
            .workflow("paid", |ctx: Context, name: String| async move {
                ctx.wait_for::<Value>(name).await
            })
            .unwrap()
            .start()
            .await
            .unwrap()
    }

    /// Run until the output satisfies, for some seconds.
    pub(crate) async fn until(&self, args: &[&str], holds: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let value = self.json(args).await;
            if holds(&value) {
                return value;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{args:?}: {value}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn hello(ctx: Context, name: String) -> headwater::Result<String> {
    ctx.run("say-hello", || async {
        Ok::<_, Error>(format!("Hello, {name}!"))
    })
    .await
}

async fn approve(ctx: Context, (): ()) -> headwater::Result<Value> {
    let answer: Value = ctx.signal("approval").await?;
    Ok(json!({ "answer": answer }))
}

/// Takes an item from its queue, an event, then answers an update.
async fn basket(ctx: Context, (): ()) -> headwater::Result<Value> {
    ctx.on_query("waits", |(): ()| Ok("for an item"));
    let item: Value = ctx.queue("items").pop().await?;
    ctx.on_query("waits", |(): ()| Ok("for an event"));
    let event: Value = ctx.event("now").await?;
    ctx.on_query("waits", |(): ()| Ok("for payment"));
    loop {
        let pay = ctx.update::<u32>("pay").await?;
        if pay.request > 0 {
            let paid = pay.request;
            pay.answer(json!({ "paid": paid }))?;
            return Ok(json!([item, event]));
        }
        pay.refuse(Error::fatal("nothing is paid").with_code("nothing"));
    }
}

async fn show(ctx: Context, (): ()) -> headwater::Result<()> {
    ctx.set_status("on its way")?;
    ctx.kv().set("parcels", 2)?;
    ctx.search().incr("total", 1.0)?;
    ctx.signal("arrived").await
}

/// Continues until its round is 5.
async fn rounds(ctx: Context, round: u32) -> Result<u32, Error> {
    let step = ctx.run(format!("round-{round}"), || async { Ok::<_, Error>(round) });
    match step.await? {
        5 => Ok(round),
        _ => ctx.continue_as_new(round + 1).await,
    }
}

async fn fail(ctx: Context, (): ()) -> headwater::Result<()> {
    ctx.run("break", || async {
        Err::<(), _>(Error::fatal("nothing left").with_code("no_stock"))
    })
    .await
}
