//! What the examples share: each runs as a program on a NATS server, and in memory as a test.

use headwater::{Client, Config, Processor, ProcessorError, testing};

/// What an example answers: a line for people.
pub type Outcome<T = String> = Result<T, Box<dyn std::error::Error>>;

/// Adds the workflows and activities of an example.
pub type Register = fn(Processor) -> Result<Processor, ProcessorError>;

/// Run an example on the NATS server of the configuration (`HEADWATER_NATS__URL`, by default the
/// one on this machine): its engine, its worker and its client in one process.
pub fn run(register: Register, drive: impl AsyncFnOnce(Client) -> Outcome) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let processor = Processor::connect(Config::load(None)?).await?;
        let running = register(processor)?.start().await?;
        let told = drive(running.client()).await;
        running.stop().await;
        println!("{}", told?);
        Ok(())
    })
}

/// Run an example in memory, in virtual time.
pub fn in_memory(register: Register, drive: impl AsyncFnOnce(Client) -> Outcome) -> Outcome {
    testing::run(|world| async move {
        world.start(register(world.processor())?).await?;
        drive(world.client()).await
    })
}
