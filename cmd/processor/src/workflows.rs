//! The example workflows, each one idea; the tests use them too.

use std::{io::Write, time::Duration};

use headwater::{ProcessorError, prelude::*};
use headwater_hello_service::pb::{SayHelloRequest, hello_service_client::HelloServiceClient};
use serde::{Deserialize, Serialize};
use tonic::transport::{Channel, Endpoint};

/// Register every example with the processor.
pub(crate) fn register(
    processor: Processor,
    hello_service_addr: &str,
) -> Result<Processor, ProcessorError> {
    let hello = Hello::new(hello_service_addr);
    let (one, three) = (hello.clone(), hello);
    processor
        .workflow("hello_workflow", move |ctx, name| {
            hello_workflow(one.clone(), ctx, name)
        })?
        .workflow("three_hellos", move |ctx, names| {
            three_hellos(three.clone(), ctx, names)
        })?
        .workflow("custom_workflow", custom_workflow)?
        .workflow("order_processing", order_processing)?
        .workflow("approval_workflow", approval_workflow)?
        .workflow("sleep_workflow", sleep_workflow)?
        .workflow("failing_workflow", failing_workflow)?
        .workflow("count_workflow", count_workflow)?
        .workflow("ledger_workflow", ledger_workflow)?
        .activity("reserve", reserve)?
        .activity("charge", charge)?
        .activity("write_ledger", write_ledger)
}

/// The gRPC client of HelloService; connects when it is first used, and again when it must.
#[derive(Clone)]
struct Hello {
    channel: std::result::Result<Channel, String>,
}

impl Hello {
    fn new(address: &str) -> Self {
        let address = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        let endpoint = Endpoint::from_shared(address.clone())
            .map_err(|error| format!("HELLO_SERVICE_ADDR {address:?} is not an address: {error}"));
        Self {
            channel: endpoint.map(|endpoint| endpoint.connect_lazy()),
        }
    }

    async fn say_hello(&self, name: &str) -> Result<String> {
        let channel = self.channel.clone().map_err(Error::fatal)?;
        let name = name.to_owned();
        let response = HelloServiceClient::new(channel)
            .say_hello(SayHelloRequest { name })
            .await?;
        Ok(response.into_inner().message)
    }
}

/// Calls HelloService as one durable step.
async fn hello_workflow(hello: Hello, ctx: Context, name: String) -> Result<String> {
    ctx.info("Executing hello workflow");
    let message = ctx.run("say-hello", || hello.say_hello(&name)).await?;
    ctx.info(format!("Hello workflow completed: message={message}"));
    Ok(message)
}

/// Three durable steps, one after another: kill the processor in between.
async fn three_hellos(hello: Hello, ctx: Context, names: Vec<String>) -> Result<Vec<String>> {
    let mut messages = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let step = format!("say-hello-{}", index + 1);
        messages.push(ctx.run(step, || hello.say_hello(name)).await?);
    }
    Ok(messages)
}

/// What a first workflow of one's own may look like.
async fn custom_workflow(ctx: Context, input: Option<String>) -> Result<String> {
    let name = input.unwrap_or_else(|| "you".to_owned());
    let greeting = ctx
        .run("greet", || async {
            Ok::<_, Error>(format!("Hello, {name}"))
        })
        .await?;
    ctx.sleep(Duration::from_millis(100)).await?;
    ctx.run("shout", || async {
        Ok::<_, Error>(format!("{}!", greeting.to_uppercase()))
    })
    .await
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Order {
    item: String,
    quantity: u32,
}

/// Two remote activities, run by any worker.
async fn order_processing(ctx: Context, order: Option<Order>) -> Result<String> {
    let order = order.unwrap_or_default();
    let reservation: String = ctx.activity("reserve", &order).await?;
    let retry = Retry::exponential().max_attempts(5);
    let receipt: String = ctx.activity("charge", &reservation).retry(retry).await?;
    Ok(receipt)
}

async fn reserve(_: ActivityContext, order: Order) -> Result<String> {
    Ok(format!("{} x {}", order.quantity, order.item))
}

async fn charge(ctx: ActivityContext, reservation: String) -> Result<String> {
    Ok(format!(
        "charged {reservation} once, by key {}",
        ctx.idempotency_key
    ))
}

/// Waits for the signal `approval` for two days.
async fn approval_workflow(ctx: Context, what: Option<String>) -> Result<String> {
    let what = what.unwrap_or_else(|| "the request".to_owned());
    let two_days = Duration::from_secs(2 * 24 * 3600);
    match ctx.signal::<bool>("approval").timeout(two_days).await {
        Ok(true) => Ok(format!("{what} was approved")),
        Ok(false) => Ok(format!("{what} was refused")),
        Err(error) if error.is_timeout() => Ok(format!("nobody looked at {what}")),
        Err(error) => Err(error),
    }
}

/// Sleeps for so many seconds, an hour unless told otherwise.
async fn sleep_workflow(ctx: Context, seconds: Option<f64>) -> Result<String> {
    let seconds = seconds.unwrap_or(3600.0);
    let duration = Duration::try_from_secs_f64(seconds).map_err(Error::fatal)?;
    ctx.sleep(duration).await?;
    Ok(format!("slept {seconds} s"))
}

/// Fails: its step gives up after two attempts.
async fn failing_workflow(ctx: Context, _: Option<String>) -> Result<()> {
    let fail = || async { Err::<(), _>(Error::msg("the coffee is cold")) };
    let retry = Retry::fixed(Duration::from_millis(100)).max_attempts(2);
    ctx.run("drink", fail).retry(retry).await
}

/// So many local steps in sequence: a journal as long as one likes.
async fn count_workflow(ctx: Context, steps: u32) -> Result<u32> {
    let mut count = 0;
    for step in 1..=steps {
        let next = || async { Ok::<_, Error>(count + 1) };
        count = ctx.run(format!("count-{step}"), next).await?;
    }
    Ok(count)
}

/// Steps that leave a trace outside: one line a step in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    /// File that lines are appended to.
    file: String,
    /// Local steps.
    #[serde(default)]
    local: u32,
    /// Remote steps, after the local ones.
    #[serde(default)]
    remote: u32,
    /// How long each step takes before it writes, in milliseconds.
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    file: String,
    text: String,
    delay_ms: u64,
}

impl Line {
    async fn write(self) -> Result<String> {
        tokio::time::sleep(Duration::from_millis(self.delay_ms)).await;
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .map_err(Error::fatal)?;
        // One write, so that lines of several processes stay whole.
        file.write_all(format!("{}\n", self.text).as_bytes())?;
        Ok(self.text)
    }
}

async fn ledger_workflow(ctx: Context, ledger: Ledger) -> Result<u32> {
    let line = |kind: &str, step: u32| Line {
        file: ledger.file.clone(),
        text: format!("{} {kind}-{step}", ctx.id()),
        delay_ms: ledger.delay_ms,
    };
    for step in 1..=ledger.local {
        let write = || line("local", step).write();
        ctx.run(format!("local-{step}"), write).await?;
    }
    for step in 1..=ledger.remote {
        let _: String = ctx.activity("write_ledger", line("remote", step)).await?;
    }
    Ok(ledger.local + ledger.remote)
}

async fn write_ledger(_: ActivityContext, line: Line) -> Result<String> {
    line.write().await
}
