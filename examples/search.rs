//! Search attributes: what workflows are found by. A workflow counts with them, exactly once
//! also over crashes, and a list is filtered by them.

use std::time::Duration;

use headwater::{client::Filter, prelude::*};
use headwater_examples::Outcome;

async fn purchase(ctx: Context, prices: Vec<f64>) -> Result<f64> {
    for price in prices {
        ctx.run("buy", || async { Ok::<_, Error>(()) }).await?;
        ctx.search().incr("total", price)?;
    }
    Ok(ctx.search().get("total")?.unwrap_or_default())
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("purchase", purchase)
}

async fn drive(client: Client) -> Outcome {
    for (customer, prices) in [("ada", [3.0, 4.0]), ("grace", [30.0, 40.0])] {
        let start = client.start("purchase").input(&prices);
        let mut handle = start.search("customer", &customer).send().await?;
        handle.result::<f64>(Duration::from_secs(10)).await?;
    }
    let filter = Filter::parse("workflow=purchase and search.total >= 50")?;
    let page = client.list(&filter).await?;
    let customers = page.states.iter().map(|state| {
        let customer = state.value.search.get("customer");
        customer.map_or(Ok(String::new()), |customer| customer.decode())
    });
    let mut customers = customers.collect::<Result<Vec<_>, _>>()?;
    customers.dedup();
    Ok(customers.join(", "))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn large_purchases_are_found() -> Outcome<()> {
    assert_eq!(headwater_examples::in_memory(register, drive)?, "grace");
    Ok(())
}
