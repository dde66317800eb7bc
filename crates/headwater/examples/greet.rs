//! A workflow of one's own in twenty lines, as in the README.

use headwater::prelude::*;

async fn greet_politely(ctx: Context, name: String) -> Result<String> {
    let title: String = ctx.activity("look_up_title", &name).await?; // a worker does this
    ctx.info("title found"); // logged once, not on replay
    let letter = format!("Dear {title} {name}");
    let send = || async {
        println!("{letter}");
        Ok::<_, Error>(letter.len())
    };
    ctx.run("send", send).await?; // here, once recorded
    Ok(letter)
}

async fn look_up_title(_: ActivityContext, name: String) -> Result<String> {
    Ok(if name.ends_with('a') { "Ms" } else { "Mr" }.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let processor = Processor::connect(Config::load(None)?).await?;
    let processor = processor.workflow("greet_politely", greet_politely)?;
    Ok(processor
        .activity("look_up_title", look_up_title)?
        .run()
        .await?)
}
