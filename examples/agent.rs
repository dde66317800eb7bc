//! An agent: it asks a model what to do next, does it, and asks again, until the model has an
//! answer. What the model says is streamed to whoever listens, word by word; the conversation
//! survives everything, and each tool is called once.

use std::time::Duration;

use futures::StreamExt as _;
use headwater::{client::IfExists, prelude::*, wire::InvocationId};
use headwater_examples::Outcome;
use serde::{Deserialize, Serialize};

/// What a model wants next.
#[derive(Serialize, Deserialize)]
enum Next {
    Call { tool: String, input: String },
    Answer(String),
}

/// Turns in one run; then the conversation goes on as new, so that no journal grows for ever.
const TURNS: usize = 20;

async fn agent(ctx: Context, mut said: Vec<String>) -> Result<String> {
    for _ in 0..TURNS {
        let think = ctx.activity::<Next>("model", &said);
        match think.attempt_timeout("2 minutes").await? {
            Next::Answer(answer) => return Ok(answer),
            Next::Call { tool, input } => {
                // A tool that fails is something to tell the model, not the end.
                let called = ctx.activity::<String>(&tool, &input);
                let called = called.retry(Retry::exponential().max_attempts(3)).await;
                said.push(match called {
                    Ok(result) => format!("{tool}({input}) = {result}"),
                    Err(error) => format!("{tool}({input}) failed: {error}"),
                });
            }
        }
    }
    ctx.continue_as_new(&said).await
}

/// Stands in for a model: looks up what it does not know yet, then answers.
async fn model(ctx: ActivityContext, said: Vec<String>) -> Result<Next> {
    let Some(known) = said.iter().find(|said| said.starts_with("capital")) else {
        return Ok(Next::Call {
            tool: "capital".to_owned(),
            input: "France".to_owned(),
        });
    };
    let answer = format!("I looked it up: {known}");
    for word in answer.split(' ') {
        ctx.progress(word).await?;
    }
    Ok(Next::Answer(answer))
}

async fn capital(_: ActivityContext, country: String) -> Result<String> {
    match country.as_str() {
        "France" => Ok("Paris".to_owned()),
        _ => Err(Error::fatal("no such country")),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    let processor = processor.workflow("agent", agent)?;
    let processor = processor.activity("model", model)?;
    processor.activity("capital", capital)
}

async fn drive(client: Client) -> Outcome {
    let id = InvocationId::new("agent-1")?;
    let mut words = client.progress(&id).await?;
    let asked = ["What is the capital of France?"];
    let start = client.start("agent").id(id).if_exists(IfExists::Replace);
    let mut handle = start.input(&asked).send().await?;
    let mut streamed = Vec::new();
    while streamed.len() < 7 {
        let word = words.next().await.ok_or("the stream has ended")?;
        streamed.push(word.data.decode::<String>()?);
    }
    let answer: String = handle.result(Duration::from_secs(10)).await?;
    assert_eq!(streamed.join(" "), answer);
    Ok(answer)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_calls_its_tool_and_streams_its_answer() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "I looked it up: capital(France) = Paris");
    Ok(())
}
