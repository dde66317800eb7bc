//! A build for `headwater check`: an order is paid, then waits for its receipt.

use headwater::prelude::*;

async fn order(ctx: Context, item: String) -> Result<String> {
    let paid: String = ctx
        .run("pay", || async { Ok::<_, Error>(item.clone()) })
        .await?;
    let receipt: String = ctx.signal("receipt").await?;
    Ok(format!("{paid}: {receipt}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let processor = Processor::connect(Config::load(None)?).await?;
    Ok(processor.workflow("order", order)?.run().await?)
}
