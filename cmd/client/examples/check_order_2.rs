//! The next build of `check_order_1`: it weighs an order before it is paid, and so decides
//! otherwise about every order that is under way.

use headwater::prelude::*;

async fn order(ctx: Context, item: String) -> Result<String> {
    ctx.run("weigh", || async { Ok::<_, Error>(item.len()) })
        .await?;
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
