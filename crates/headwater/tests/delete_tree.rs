//! Deleting with children: a child alone is refused, a tree goes as a whole.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::time::Duration;

use headwater::{
    ClientError,
    client::{BulkResult, DeletedTree, Filter},
    prelude::*,
    testing::{self, TestResult, World},
    wire::{InvocationId, Status, journal::ParentClose},
};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// Two children, one of them detached, down to some depth; the last ones wait for a signal.
async fn family(ctx: Context, depth: u32) -> Result<u32> {
    ctx.kv().set("depth", depth)?;
    if depth == 0 {
        return ctx.signal("go").await;
    }
    let below = |name: &str| format!("{}-{name}", ctx.id());
    let apart = ctx.child::<u32>("family", 0).id(below("apart"));
    apart.on_close(ParentClose::Abandon).detach()?;
    let sum: u32 = ctx.child("family", depth - 1).id(below("own")).await?;
    Ok(sum + 1)
}

const NAMES: [&str; 5] = ["f", "f-apart", "f-own", "f-own-apart", "f-own-own"];

/// A family of five, and one that has nothing to do with it.
async fn begun(world: &World) -> Result<Client, Box<dyn std::error::Error>> {
    let processor = world.processor().workflow("family", family)?;
    world.start(processor).await?;
    let client = world.client();
    for (name, depth) in [("f", 2), ("other", 0)] {
        client.start("family").id(name).input(&depth).send().await?;
    }
    world.advance(Duration::from_secs(2)).await;
    for name in NAMES {
        let state = client.state(&id(name)).await?;
        assert_eq!(state.value.status, Status::Waiting, "{name}");
    }
    Ok(client)
}

async fn is_gone(client: &Client, name: &str) -> bool {
    matches!(client.state(&id(name)).await, Err(ClientError::NotFound(_)))
}

#[test]
fn a_child_is_deleted_only_once_its_parent_has_ended() -> TestResult {
    testing::run(|world| async move {
        let client = begun(&world).await?;
        for force in [false, true] {
            let refused = client.delete(&id("f-own"), force).await.unwrap_err();
            let ClientError::IsChild { id: child, parent } = refused else {
                panic!("{refused}");
            };
            assert_eq!((child, parent), (id("f-own"), id("f")));
        }
        let refused = client
            .delete_tree(&id("f-own"), true, SOON)
            .await
            .unwrap_err();
        assert!(matches!(refused, ClientError::IsChild { .. }), "{refused}");
        let mut bulk = client.bulk(Filter::parse("parent=f")?).delete(true);
        while let Some(item) = bulk.next().await {
            let result = item?.result;
            assert!(matches!(result, BulkResult::Skipped("its parent goes on")));
        }
        client.signal(&id("f-own-own"), "go", &1).await?;
        let ended = client.wait(&id("f"), SOON).await?;
        assert_eq!(ended.output::<u32>()?, 3);
        client.delete(&id("f-own"), false).await?;
        world.advance(Duration::from_secs(1)).await;
        assert!(is_gone(&client, "f-own").await && !is_gone(&client, "f").await);
        Ok(())
    })
}

#[test]
fn a_tree_is_deleted_as_a_whole_with_its_counts_or_not_at_all() -> TestResult {
    testing::run(|world| async move {
        let client = begun(&world).await?;
        let refused = client.delete_tree(&id("f"), false, SOON).await.unwrap_err();
        assert!(
            matches!(refused, ClientError::StillRunning { .. }),
            "{refused}"
        );
        let none = client
            .delete_tree(&id("none"), true, SOON)
            .await
            .unwrap_err();
        assert!(matches!(none, ClientError::NotFound(_)), "{none}");
        for name in ["f-own-own", "f-apart"] {
            client.signal(&id(name), "go", &1).await?;
        }
        client.wait(&id("f"), SOON).await?;
        // One below has not ended: nothing goes.
        let refused = client.delete_tree(&id("f"), false, SOON).await.unwrap_err();
        let ClientError::StillRunning { id: running, .. } = refused else {
            panic!("{refused}");
        };
        assert_eq!(running, id("f-own-apart"));
        world.advance(Duration::from_secs(1)).await;
        for name in NAMES {
            assert!(!is_gone(&client, name).await, "{name}");
        }
        client.signal(&id("f-own-apart"), "go", &1).await?;
        client.wait(&id("f-own-apart"), SOON).await?;
        let mut entries = 0;
        for name in NAMES {
            entries += client.state(&id(name)).await?.journal.entries;
        }
        let deleted = client.handle(&id("f")).delete_tree(false, SOON).await?;
        let expected = DeletedTree {
            invocations: 5,
            entries,
            kv: 5,
            were_running: 0,
        };
        assert_eq!(deleted, expected);
        world.advance(Duration::from_secs(1)).await;
        for name in NAMES {
            assert!(is_gone(&client, name).await, "{name}");
        }
        assert!(!is_gone(&client, "other").await);
        Ok(())
    })
}

#[test]
fn a_tree_that_goes_on_is_ended_and_deleted_by_force() -> TestResult {
    testing::run(|world| async move {
        let client = begun(&world).await?;
        let deleted = client.delete_tree(&id("f"), true, SOON).await?;
        assert_eq!((deleted.invocations, deleted.kv), (5, 5));
        assert!(deleted.were_running >= 3, "{deleted:?}");
        world.advance(Duration::from_secs(1)).await;
        for name in NAMES {
            assert!(is_gone(&client, name).await, "{name}");
        }
        assert!(!is_gone(&client, "other").await);
        Ok(())
    })
}

/// Regression: the deadline passed what a `Duration` can hold.
#[test]
fn a_timeout_may_be_for_ever() -> TestResult {
    const FOREVER: Duration = Duration::MAX;
    testing::run(|world| async move {
        let client = begun(&world).await?;
        let f = id("f");
        client.wait_for_change(&f, 0, FOREVER).await?;
        let depth: Option<u32> = client.wait_for_kv(&f, "depth", FOREVER).await?;
        assert_eq!(depth, Some(2));
        let other = id("other");
        client.signal(&other, "go", &7).await?;
        client.wait(&other, FOREVER).await?;
        let late = client.update::<_, ()>(&other, "any", &1, FOREVER).await;
        assert!(late.is_err(), "it has ended");
        let mut again = client.start("family").id("again").input(&0).send().await?;
        client.signal(&id("again"), "go", &7).await?;
        assert_eq!(again.result::<u32>(FOREVER).await?, 7);
        let deleted = client.delete_tree(&f, true, FOREVER).await?;
        assert_eq!(deleted.invocations, 5);
        Ok(())
    })
}
