//! Errors are values: a workflow looks at them and goes another way.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn import(ctx: Context, file: String) -> Result<String> {
    let imported: Result<u32> = ctx.activity("import", &file).await;
    match imported {
        Ok(rows) => Ok(format!("{rows} rows")),
        // A code of one's own says what kind of failure it is.
        Err(error) if error.code().as_str() == "bad_file" => {
            let moved = || async { Ok::<_, Error>(format!("{file} moved away: {error}")) };
            ctx.run("clean up", moved).await
        }
        Err(error) => Err(error),
    }
}

async fn import_file(_: ActivityContext, file: String) -> Result<u32> {
    match file.strip_suffix(".csv") {
        Some(_) => Ok(42),
        // Fatal: another attempt would not mend it.
        None => Err(Error::fatal("it is no table").with_code("bad_file")),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("import", import)?
        .activity("import", import_file)
}

async fn drive(client: Client) -> Outcome {
    let mut told = Vec::new();
    for file in ["people.csv", "cat.jpg"] {
        let mut handle = client.start("import").input(file).send().await?;
        told.push(handle.result::<String>(Duration::from_secs(10)).await?);
    }
    Ok(told.join("; "))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_cleans_up() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "42 rows; cat.jpg moved away: it is no table");
    Ok(())
}
