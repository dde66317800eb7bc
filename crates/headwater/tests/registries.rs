//! What a library brings: workflows and activities that go into a processor together.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::time::Duration;

use headwater::{
    Activities, ActivityError, ProcessorError, Registry, RegistryError, async_workflow,
    prelude::*,
    testing::{self, TestResult},
};

const SOON: Duration = Duration::from_secs(60);

async fn pay(ctx: Context, amount: u32) -> Result<u32> {
    ctx.activity("charge", amount).await
}

async fn charge(_: ActivityContext, amount: u32) -> Result<u32> {
    Ok(amount)
}

/// What a library for payments would have.
fn payments() -> (Registry, Activities) {
    let (mut workflows, mut activities) = (Registry::default(), Activities::default());
    let pay = async_workflow(pay);
    workflows.add("pay", "1.0.0", pay).unwrap();
    activities.add("charge", charge).unwrap();
    (workflows, activities)
}

#[test]
fn what_a_library_brings_is_merged_and_a_clash_is_an_error() -> TestResult {
    testing::run(|world| async move {
        let (workflows, activities) = payments();
        let processor = world.processor().merge(workflows, activities)?;
        world.start(processor).await?;
        let mut handle = world.client().start("pay").input(&7).send().await?;
        assert_eq!(handle.result::<u32>(SOON).await?, 7);

        let (workflows, activities) = payments();
        let own = world.processor().workflow("pay", pay)?;
        let clash = own.merge(workflows, activities).map(drop).unwrap_err();
        let twice = RegistryError::Twice {
            name: "pay".to_owned(),
            version: "1.0.0".to_owned(),
        };
        assert!(matches!(clash, ProcessorError::Workflow(error) if error == twice));

        let (workflows, activities) = payments();
        let own = world.processor().activity("charge", charge)?;
        let clash = own.merge(workflows, activities).map(drop).unwrap_err();
        let twice = ActivityError::Twice("charge".to_owned());
        assert!(matches!(clash, ProcessorError::Activity(error) if error == twice));
        Ok(())
    })
}

#[test]
fn names_of_headwaters_own_are_reserved() {
    let (mut workflows, mut activities) = (Registry::default(), Activities::default());
    let name = "headwater.pay";
    let workflow = workflows.add(name, "1.0.0", async_workflow(pay));
    let activity = activities.add_on("payments", name, charge);
    for error in [
        workflow.unwrap_err().to_string(),
        activity.unwrap_err().to_string(),
    ] {
        assert!(error.contains("is reserved"), "{error}");
    }
}
