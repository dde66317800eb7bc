//! An account that goes on for long: deposits are hooks, which run beside it and share its state.

use std::time::Duration;

use headwater::{client::IfExists, prelude::*, wire::InvocationId};
use headwater_examples::Outcome;

async fn account(ctx: Context, owner: String) -> Result<String> {
    ctx.on_hook("deposit", |ctx: Context, amount: f64| async move {
        let booked = || async move { Ok::<_, Error>(amount) };
        let booked = ctx.run("book", booked).await?;
        ctx.search().incr("balance", booked)
    });
    ctx.search().set("owner", &owner)?;
    ctx.signal::<()>("close").await?;
    let balance: f64 = ctx.search().get("balance")?.unwrap_or_default();
    Ok(format!("{owner} leaves with {balance}"))
}

/// Pays into two accounts, and waits until both have it.
async fn payday(ctx: Context, amount: f64) -> Result<f64> {
    let pay = |id: &str| ctx.other(id).call_hook::<f64>("deposit", amount);
    let balances = ctx.all([pay("ada"), pay("bob")]).await;
    balances.into_iter().sum()
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    let processor = processor.workflow("account", account)?;
    processor.workflow("payday", payday)
}

async fn drive(client: Client) -> Outcome {
    let open = async |owner: &str| {
        let id = InvocationId::new(owner)?;
        let account = client.start("account").id(id).input(owner);
        let account = account.if_exists(IfExists::Replace).send();
        Ok::<_, Box<dyn std::error::Error>>(account.await?)
    };
    let (mut ada, bob) = (open("ada").await?, open("bob").await?);
    bob.hook("deposit", &1.0).await?;
    let mut payday = client.start("payday").input(&10.0).send().await?;
    let sum: f64 = payday.result(Duration::from_secs(10)).await?;
    ada.signal("close", &()).await?;
    bob.signal("close", &()).await?;
    let told: String = ada.result(Duration::from_secs(10)).await?;
    Ok(format!("{told}; {sum} in all"))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn deposits_are_hooks() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "ada leaves with 10; 21 in all");
    Ok(())
}
