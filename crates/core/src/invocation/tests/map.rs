//! An activity for each of many items.

use futures::{StreamExt as _, stream};

use super::*;

/// The squares of 0 up to the input, or what became of them.
fn squares(concurrency: usize) -> std::sync::Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, count: u32| async move {
        let results = ctx.map::<u32>("square", 0..count).concurrency(concurrency);
        let results = results.retry(Retry::none()).await;
        let told = results.into_iter().map(|result| match result {
            Ok(square) => square.to_string(),
            Err(error) => error.to_string(),
        });
        Ok::<_, Error>(told.collect::<Vec<_>>())
    })
}

/// The steps of each batch in the journal.
fn batches(driver: &Driver) -> Vec<(u32, u32)> {
    let entries = driver.entries();
    let maps = entries.iter().filter(|e| matches!(e, Entry::Map { .. }));
    let steps = maps.filter_map(Entry::begins);
    steps.map(std::ops::RangeInclusive::into_inner).collect()
}

/// The step and the input of each task that was sent last.
fn tasks(driver: &Driver) -> Vec<(u32, u32)> {
    let effects = driver.invocation.effects();
    let tasks = effects.iter().filter_map(|effect| match effect {
        Effect::Task { task, .. } => Some((task.step, task.input.decode().unwrap())),
        _ => None,
    });
    tasks.collect()
}

#[test]
fn a_thousand_items_are_mapped_in_batches_and_no_more_at_once_than_allowed() {
    let mut driver = Driver::begin(squares(40), "1000");
    let mut open: VecDeque<(u32, u32)> = tasks(&driver).into();
    assert_eq!(open.len(), 40);
    let mut most = 0;
    // The last that was begun comes first now and then, so that order of outcomes and of items
    // differ.
    let mut turn = 0;
    while let Some((step, input)) = if turn % 3 == 0 {
        open.pop_back()
    } else {
        open.pop_front()
    } {
        turn += 1;
        most = most.max(driver.invocation.pending.len());
        if input == 700 {
            driver.outcome(step, 1, Err(failure("no square of 700")));
        } else {
            driver.outcome(step, 1, Ok(&(input * input).to_string()));
        }
        open.extend(tasks(&driver));
    }
    assert_eq!((driver.status(), most), (Status::Completed, 40));
    let told: Vec<String> = serde_json::from_str(&driver.output()).unwrap();
    assert_eq!(told.len(), 1000);
    assert_eq!((told[7].as_str(), told[999].as_str()), ("49", "998001"));
    assert_eq!(told[700], "no square of 700");
    // 40 at first, then ten at a time.
    let batches = batches(&driver);
    assert_eq!(batches[..2], [(1, 40), (41, 50)]);
    assert_eq!(batches.len(), 97);
}

#[test]
fn a_batch_has_its_limits() {
    let many = Driver::begin(squares(1000), "1000");
    assert_eq!(batches(&many)[..2], [(1, 128), (129, 256)]);
    // What one turn has room for goes on in the next.
    assert_eq!(many.invocation.pending.len(), 1000);
    assert!(many.turns.len() > 2, "{} turns", many.turns.len());

    let long = async_workflow(|ctx: Context, (): ()| async move {
        let items = (0..10).map(|_| "x".repeat(10_000));
        let kept = ctx.map::<()>("keep", items).await;
        kept.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let long = Driver::begin(long, "null");
    assert_eq!(batches(&long), [(1, 3), (4, 6), (7, 9), (10, 10)]);
}

#[test]
fn of_a_map_that_loses_a_race_nothing_is_wanted_any_more() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let map = ctx.map::<u32>("square", 0..6).concurrency(4).into_future();
        let limit = Duration::from_secs(60);
        let late = ctx.timeout(limit, async { Ok(map.await) }).await;
        let after: u32 = ctx.activity("after", ()).await?;
        Ok::<_, Error>((late.is_err(), after))
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(2, 1, Ok("1"));
    driver.pass(Duration::from_secs(61));
    let entries = driver.entries();
    let drops: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Drop { step, through } => Some((*step, *through)),
            _ => None,
        })
        .collect();
    // Step 2 has come, step 5 is the timeout's, 6 took the place of 2.
    assert_eq!(drops, [(1, None), (3, Some(4)), (6, None)]);
    driver.outcome(7, 1, Ok("5"));
    assert_eq!(driver.output(), "[true,5]");
}

#[test]
fn a_cancelled_map_begins_nothing_more() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let results = ctx.map::<u32>("square", 0..9).concurrency(2).await;
        let cancelled = results.iter().flat_map(Result::as_ref).count();
        assert_eq!(cancelled, 1, "what had come stays");
        results.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(1, 1, Ok("0"));
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "no longer needed".into(),
    }));
    assert_eq!(driver.status(), Status::Cancelled);
    assert_eq!(batches(&driver), [(1, 2), (3, 3)]);
}

#[test]
fn nothing_to_map_is_nothing() {
    let driver = Driver::begin(squares(3), "0");
    assert_eq!(
        (driver.output().as_str(), driver.entries().len()),
        ("[]", 0)
    );
}

#[test]
fn what_cannot_be_asked_fails_without_a_step() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let results = ctx.map::<u32>("", [1, 2]).await;
        let errors = results.into_iter().map(Result::unwrap_err);
        Ok::<_, Error>(errors.map(|e| e.code().to_string()).collect::<Vec<_>>())
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(driver.output(), r#"["decode","decode"]"#);
}

#[test]
fn a_stream_of_futures_is_bounded_and_decides_the_same_on_replay() {
    let workflow = async_workflow(|ctx: Context, count: u32| async move {
        let two_steps = |n: u32| {
            let ctx = ctx.clone();
            async move {
                let once: u32 = ctx.activity("double", n).await?;
                ctx.activity::<u32>("double", once).await
            }
        };
        let all = stream::iter(0..count).map(two_steps).buffered(3);
        let all: Vec<Result<u32, Error>> = all.collect().await;
        all.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let mut driver = Driver::begin(workflow, "50");
    let mut open: VecDeque<(u32, u32)> = tasks(&driver).into();
    while let Some((step, input)) = open.pop_back() {
        assert!(driver.invocation.pending.len() <= 3);
        driver.outcome(step, 1, Ok(&(2 * input).to_string()));
        open.extend(tasks(&driver));
    }
    let all: Vec<u32> = serde_json::from_str(&driver.output()).unwrap();
    assert_eq!(all, (0..50).map(|n| 4 * n).collect::<Vec<_>>());
}
