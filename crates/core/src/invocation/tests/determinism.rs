//! What the work of a step must not do: a replay, which runs no step, would go on otherwise.

use std::sync::Arc;

use super::*;

/// The reason for which it is parked.
fn parked(workflow: Arc<dyn Workflow>) -> String {
    let mut driver = Driver::begin(workflow, "null");
    driver.run_locals();
    assert_eq!(driver.status(), Status::Parked);
    let parked = driver.invocation.value.parked.clone().unwrap();
    assert_eq!(parked.reason.code, Code::NONDETERMINISM);
    parked.reason.message
}

#[test]
fn a_step_draws_no_numbers_of_its_workflow() {
    let random = parked(async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("draw", || async { Ok::<_, Error>(ctx.random()) })
            .await
    }));
    assert!(random.contains("draws from ctx.random()"), "{random}");
    let uuid = parked(async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("draw", || async { Ok::<_, Error>(ctx.uuid().to_string()) })
            .await
    }));
    assert!(uuid.contains("draws from ctx.uuid()"), "{uuid}");
}

#[test]
fn a_step_changes_no_state_of_its_workflow() {
    let state = parked(async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("set", || async { ctx.kv().set("a", 1) }).await
    }));
    assert!(state.contains("changes what the workflow shows"), "{state}");
}

#[test]
fn a_step_begins_no_step() {
    let nested = parked(async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("outer", || async { ctx.activity::<u32>("inner", ()).await })
            .await
    }));
    assert!(nested.contains("a step of its own"), "{nested}");
}
