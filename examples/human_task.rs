//! A task for a person: who takes it and who decides are updates, which answer at once whether they
//! are accepted; what it stands at is a query, which changes nothing.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use headwater::prelude::*;
use headwater_examples::Outcome;
use serde::{Deserialize, Serialize};

const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Default, Serialize, Deserialize)]
struct Task {
    about: String,
    owner: Option<String>,
}

async fn review(ctx: Context, about: String) -> Result<String> {
    let task = Arc::new(Mutex::new(Task { about, owner: None }));
    let shown = Arc::clone(&task);
    ctx.on_query("task", move |(): ()| Ok(lock(&shown).clone()));
    loop {
        let claim = ctx.update::<String>("claim").timeout("7 days").await?;
        // Whoever comes from outside is asked to be a name, before anything follows from it.
        if claim.request.is_empty() {
            claim.refuse(Error::fatal("say who you are").with_code("nobody"));
            continue;
        }
        lock(&task).owner = Some(claim.request.clone());
        let owner = claim.request.clone();
        claim.answer(format!("{owner} owns it"))?;
        let decide = ctx.update::<bool>("decide").timeout("1 day").await;
        match decide {
            Ok(decide) => {
                let accepted = decide.request;
                ctx.run("file", || async { Ok::<_, Error>(()) }).await?;
                decide.answer("filed")?;
                return Ok(format!(
                    "{owner} says {}",
                    if accepted { "yes" } else { "no" }
                ));
            }
            Err(error) if error.is_timeout() => lock(&task).owner = None,
            Err(error) => return Err(error),
        }
    }
}

fn lock(task: &Mutex<Task>) -> std::sync::MutexGuard<'_, Task> {
    task.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("review", review)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("review").input("the contract").send().await?;
    if let Err(error) = handle.update::<_, String>("claim", "", SOON).await {
        println!("{error}");
    }
    let claimed: String = handle.update("claim", "Grace", SOON).await?;
    let task: Task = handle.query("task", &()).await?;
    let owner = task.owner.unwrap_or_default();
    let filed: String = handle.update("decide", &true, SOON).await?;
    let result: String = handle.result(SOON).await?;
    Ok(format!(
        "{claimed} ({}, {owner}); {filed}; {result}",
        task.about
    ))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn a_person_claims_and_decides() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(
        told,
        "Grace owns it (the contract, Grace); filed; Grace says yes"
    );
    Ok(())
}

#[test]
fn who_does_not_decide_in_a_day_loses_it() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, async |client: Client| {
        let mut handle = client.start("review").input("the contract").send().await?;
        let _: String = handle.update("claim", "Grace", SOON).await?;
        let taken = handle.update("claim", "Ada", Duration::from_secs(2 * 24 * 3600));
        let taken: String = taken.await?;
        let _: String = handle.update("decide", &false, SOON).await?;
        let result: String = handle.result(SOON).await?;
        Ok(format!("{taken}; {result}"))
    })?;
    assert_eq!(told, "Ada owns it; Ada says no");
    Ok(())
}
