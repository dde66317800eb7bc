//! Looking at invocations: handles, states, lists, trees, figures.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use headwater::{
    ClientError, RunningProcessor,
    client::{Filter, Handle, Page},
    prelude::*,
    store::{Bucket, Env, Expect, Message, Read, Store, TokioEnv, Ttl, memory::MemoryStore},
    wire::{
        Code, Command, InvocationId, Namespace, Partition, Payload, Run, Status,
        command::{Asker, Start},
        limits::{PARTITIONS_DEFAULT, RETENTION_MIN},
        names::{Address, DEFAULT_QUEUE, Queued},
    },
};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// A store and what runs on it.
struct World {
    env: Arc<dyn Env>,
    store: Arc<dyn Store>,
}

impl World {
    fn new() -> Self {
        let env = TokioEnv::shared();
        let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
        Self { env, store }
    }

    fn processor(&self) -> Processor {
        Processor::on(Arc::clone(&self.store), Arc::clone(&self.env))
    }

    fn client(&self) -> Client {
        Client::new(Arc::clone(&self.store), Arc::clone(&self.env))
    }

    /// A processor whose workflow ends as its input says.
    async fn start(&self) -> RunningProcessor {
        let processor = self.processor().workflow("ends", ends).unwrap();
        processor.start().await.unwrap()
    }

    /// Until every command has been dealt with.
    async fn quiet(&self) {
        let client = self.client();
        for _ in 0..1000 {
            let depths = client.queue_depths().await.unwrap();
            if !depths.iter().any(|depth| depth.kind == Queued::Commands) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("commands are left: {:?}", client.queue_depths().await);
    }
}

/// Ends as its input says: `done`, `broken`, or once it gets the signal `go`.
async fn ends(ctx: Context, how: String) -> Result<String> {
    ctx.run("begin", || async { Ok::<_, Error>(()) }).await?;
    match how.as_str() {
        "done" => Ok("well".to_owned()),
        "broken" => Err(Error::fatal("nothing left").with_code("no_stock")),
        _ => ctx.signal("go").await,
    }
}

async fn begin(client: &Client, name: &str, how: &str) -> Handle {
    let call = client.start("ends").id(name).input(how);
    call.send().await.unwrap()
}

/// Until it stands so.
async fn until(client: &Client, name: &str, status: Status) {
    let handle = client.handle(&id(name));
    let mut revision = 0;
    loop {
        let state = handle.wait_for_change(revision, SOON).await.unwrap();
        if state.value.status == status {
            return;
        }
        revision = state.revision;
    }
}

#[tokio::test]
async fn a_handle_of_an_unknown_id_says_that_there_is_none() {
    let world = World::new();
    let mut handle = world.client().handle(&id("nobody"));
    assert_eq!(handle.id(), &id("nobody"));
    let errors = [
        handle.state().await.err(),
        handle.status().await.err(),
        handle.why().await.err(),
        handle.history().await.err(),
        handle.export().await.err(),
        handle.terminate("no").await.err(),
        handle.pause("no").await.err(),
        handle.delete(true).await.err(),
        handle.tree().await.err(),
        handle.wait_for_change(0, SOON).await.err(),
        handle.wait(SOON).await.err(),
        handle.result::<String>(SOON).await.err(),
    ];
    for (verb, error) in errors.into_iter().enumerate() {
        let is_so = matches!(&error, Some(ClientError::NotFound(of)) if *of == id("nobody"));
        assert!(is_so, "verb {verb}: {error:?}");
    }
}

#[tokio::test]
async fn every_verb_does_what_it_should_on_those_that_go_on_and_on_those_that_ended() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    for (name, how) in [
        ("waits", "wait"),
        ("done", "done"),
        ("broken", "broken"),
        ("cancelled", "wait"),
        ("terminated", "wait"),
    ] {
        begin(&client, name, how).await;
    }
    until(&client, "cancelled", Status::Waiting).await;
    client.handle(&id("cancelled")).cancel("no").await.unwrap();
    until(&client, "terminated", Status::Waiting).await;
    let terminated = client.handle(&id("terminated"));
    terminated.terminate("no").await.unwrap();
    let table = [
        ("waits", Status::Waiting, 1),
        ("done", Status::Completed, 0),
        ("broken", Status::Failed, 0),
        ("cancelled", Status::Cancelled, -1_000_000_000),
        ("terminated", Status::Terminated, -1_000_000_000),
    ];
    for (name, status, number) in table {
        until(&client, name, status).await;
        let handle = client.handle(&id(name));
        let state = handle.state().await.unwrap();
        assert_eq!(handle.status().await.unwrap(), status, "{name}");
        assert_eq!(state.status_number(), number, "{name}");
        assert_eq!(state.value.workflow, "ends", "{name}");
        assert_eq!(state.value.version, "1.0.0", "{name}");
        assert!(!handle.history().await.unwrap().is_empty(), "{name}");
        let exported = handle.export().await.unwrap();
        let (exported, _) = headwater::wire::Value::decode(&exported).unwrap();
        assert_eq!(exported, state.value, "{name}");
        let why = handle.why().await.unwrap();
        assert!(why[0].starts_with(status.as_str()), "{why:?}");
        assert_eq!(handle.tree().await.unwrap().state.value.id, id(name));
    }
    world.quiet().await;

    let mut done = client.handle(&id("done"));
    assert_eq!(done.result::<String>(SOON).await.unwrap(), "well");
    let mut broken = client.handle(&id("broken"));
    let ended = broken.wait(SOON).await.unwrap();
    assert_eq!(ended.error.as_ref().unwrap().code, Code::new("no_stock"));
    let thrown = broken.result::<String>(SOON).await.unwrap_err();
    assert!(thrown.to_string().contains("nothing left"), "{thrown}");

    // What has ended takes nothing any more.
    for (name, status, _) in &table[1..] {
        let handle = client.handle(&id(name));
        let before = handle.state().await.unwrap();
        handle.signal("go", "late").await.unwrap();
        handle.cancel("late").await.unwrap();
        handle.resume().await.unwrap();
        for refused in [handle.terminate("late").await, handle.pause("late").await] {
            let is_so = matches!(refused, Err(ClientError::AlreadyEnded { .. }));
            assert!(is_so, "{name}: {refused:?}");
        }
        world.quiet().await;
        let after = handle.state().await.unwrap();
        assert_eq!((&after, after.value.status), (&before, *status), "{name}");
    }
    // What goes on does.
    let mut waits = client.handle(&id("waits"));
    let refused = waits.delete(false).await;
    assert!(matches!(refused, Err(ClientError::StillRunning { .. })));
    waits.pause("a break").await.unwrap();
    until(&client, "waits", Status::Paused).await;
    waits.signal("go", "gone").await.unwrap();
    waits.resume().await.unwrap();
    assert_eq!(waits.result::<String>(SOON).await.unwrap(), "gone");
    waits.delete(false).await.unwrap();
    world.quiet().await;
    let gone = waits.status().await;
    assert!(matches!(gone, Err(ClientError::NotFound(_))), "{gone:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_wait_for_one_that_waits_times_out_and_it_goes_on() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    let mut started = begin(&client, "a", "wait").await;
    until(&client, "a", Status::Waiting).await;
    let short = Duration::from_millis(50);
    for handle in [&mut started, &mut client.handle(&id("a"))] {
        let error = handle.wait(short).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Timeout { timeout, .. } if timeout == short),
            "{error}"
        );
    }
    started.signal("go", "on").await.unwrap();
    assert_eq!(started.result::<String>(SOON).await.unwrap(), "on");
    running.stop().await;
}

#[tokio::test]
async fn starting_an_id_again_after_its_end_runs_nothing_and_keeps_the_first_output() {
    let world = World::new();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let running = world
        .processor()
        .workflow("count", move |ctx: Context, of: u32| {
            let runs = Arc::clone(&counted);
            async move {
                ctx.run("count", || async {
                    runs.fetch_add(1, SeqCst);
                    Ok::<_, Error>(of)
                })
                .await
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    for input in [7, 8] {
        let call = client.start("count").id("same").input(&input);
        let mut handle = call.send().await.unwrap();
        assert_eq!(handle.existing(), input == 8);
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 7);
    }
    assert_eq!(runs.load(SeqCst), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_is_there_before_the_end_after_it_and_not_when_its_retention_is_over() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    let retention = headwater::wire::command::Retention::Seconds(RETENTION_MIN.as_secs());
    let call = client.start("ends").id("a").input("wait");
    let mut before = call.retention(retention).send().await.unwrap();
    let waiter = tokio::spawn(async move { before.result::<String>(SOON).await });
    until(&client, "a", Status::Waiting).await;
    client.signal(&id("a"), "go", "yes").await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap(), "yes");

    // Another client, as another process would have it.
    let other = world.client();
    let mut after = other.handle(&id("a"));
    assert_eq!(after.result::<String>(SOON).await.unwrap(), "yes");
    let ended = after.wait(SOON).await.unwrap();
    assert_eq!(ended.status, Status::Completed);

    tokio::time::sleep(RETENTION_MIN - Duration::from_secs(60)).await;
    assert_eq!(after.result::<String>(SOON).await.unwrap(), "yes");
    tokio::time::sleep(Duration::from_secs(120)).await;
    let gone = after.result::<String>(SOON).await.unwrap_err();
    assert!(matches!(gone, ClientError::NotFound(_)), "{gone}");
    running.stop().await;
}

#[tokio::test]
async fn a_change_is_waited_for() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    begin(&client, "a", "wait").await;
    until(&client, "a", Status::Waiting).await;
    world.quiet().await;
    let handle = client.handle(&id("a"));
    let state = handle.wait_for_change(0, SOON).await.unwrap();
    let short = Duration::from_millis(50);
    let unchanged = handle.wait_for_change(state.revision, short).await;
    assert!(
        matches!(unchanged, Err(ClientError::Unchanged { .. })),
        "{unchanged:?}"
    );
    let changed = async {
        let state = handle.wait_for_change(state.revision, SOON).await.unwrap();
        assert_eq!(state.value.status, Status::Completed);
    };
    let change = async {
        tokio::time::sleep(short).await;
        handle.signal("go", "on").await.unwrap();
    };
    tokio::join!(changed, change);
    running.stop().await;
}

fn ids(page: &Page) -> Vec<&str> {
    let ids = page.states.iter().map(|state| state.value.id.as_str());
    ids.collect()
}

#[tokio::test]
async fn pages_follow_one_another_whatever_is_started_meanwhile() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    for n in 0..7 {
        let mut handle = begin(&client, &format!("order {n}"), "done").await;
        handle.wait(SOON).await.unwrap();
    }
    begin(&client, "other", "wait").await;
    until(&client, "other", Status::Waiting).await;
    let filter = Filter::parse("status=completed").unwrap().limit(3);
    let first = client.list(&filter).await.unwrap();
    assert_eq!(ids(&first), ["order 6", "order 5", "order 4"]);

    let mut late = begin(&client, "late", "done").await;
    late.wait(SOON).await.unwrap();
    let cursor = first.next.unwrap().to_string();
    let filter = filter.after(cursor.parse().unwrap());
    let second = client.list(&filter).await.unwrap();
    assert_eq!(ids(&second), ["order 3", "order 2", "order 1"]);
    let filter = filter.after(second.next.unwrap());
    let third = client.list(&filter).await.unwrap();
    assert_eq!((ids(&third), third.next.is_none()), (vec!["order 0"], true));
    let all = client.list(&Filter::new()).await.unwrap();
    assert_eq!((all.states.len(), all.next), (9, None));
    running.stop().await;
}

#[tokio::test]
async fn a_list_is_filtered_by_search_attributes() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    for (name, total) in [("small", 7), ("large", 70), ("none", 0)] {
        let mut handle = begin(&client, name, "done").await;
        handle.wait(SOON).await.unwrap();
        world.quiet().await;
        if total > 0 {
            let key = id(name).key();
            let record = world.store.get(Bucket::State, key.as_str(), Read::Leader);
            let text = String::from_utf8(record.await.unwrap().unwrap().value.to_vec()).unwrap();
            let with = format!("\"search\":{{\"total\":{total}}}");
            let changed = text.replace("\"search\":{}", &with);
            assert_ne!(text, changed);
            let put = world.store.put(
                Bucket::State,
                key.as_str(),
                changed.into(),
                Expect::Any,
                Ttl::Never,
            );
            put.await.unwrap();
        }
    }
    for (text, expected) in [
        ("search.total>=10", &["large"][..]),
        ("search.total>1 and created>1 hour ago", &["large", "small"]),
        ("search.total=null and status=completed", &["none"]),
        ("search.total in (7, 8) and workflow=ends", &["small"]),
        ("search.total=7 and workflow!=ends", &[]),
    ] {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(
            ids(&client.list(&filter).await.unwrap()),
            expected,
            "{text}"
        );
    }
    running.stop().await;
}

/// Start an invocation as the step of another would.
async fn start_as_child(world: &World, name: &str, parent: &str, run: Run, step: u32) {
    let key = id(name).key();
    let asker = Asker::Parent {
        invocation: id(parent),
        run,
        step,
        queue: DEFAULT_QUEUE.to_owned(),
        partition: Partition::of(parent, PARTITIONS_DEFAULT),
    };
    let start = Start::new("ends", Payload::encode("done").unwrap(), asker);
    let to = Address {
        queue: DEFAULT_QUEUE.to_owned(),
        partition: Partition::of(name, PARTITIONS_DEFAULT),
        key,
    };
    let body = Command::Start(start).encode();
    let message = Message::Command { to, body };
    world.store.publish(message).await.unwrap();
    until(&world.client(), name, Status::Completed).await;
}

#[tokio::test]
async fn a_tree_has_the_children_and_theirs_in_the_order_of_their_steps() {
    let world = World::new();
    let running = world.start().await;
    let client = running.client();
    let root = begin(&client, "root", "wait").await;
    until(&client, "root", Status::Waiting).await;
    let run = root.state().await.unwrap().value.run;
    // Of an earlier life of the id: not its child.
    let before = Run {
        start: run.start + 1_000,
        ..run
    };
    start_as_child(&world, "stranger", "root", before, 1).await;
    start_as_child(&world, "second", "root", run, 12).await;
    start_as_child(&world, "first", "root", run, 2).await;
    let first = client.state(&id("first")).await.unwrap().value.run;
    start_as_child(&world, "grandchild", "first", first, 1).await;

    let tree = root.tree().await.unwrap();
    let flat: Vec<(usize, &str)> = tree
        .flatten()
        .into_iter()
        .map(|(depth, state)| (depth, state.value.id.as_str()))
        .collect();
    let expected = [(0, "root"), (1, "first"), (2, "grandchild"), (1, "second")];
    assert_eq!(flat, expected);
    let below = client.tree(&id("first")).await.unwrap();
    assert_eq!(below, tree.children[0]);
    let filter = Filter::parse("parent=root").unwrap();
    let children = client.list(&filter).await.unwrap();
    assert_eq!(ids(&children), ["first", "second", "stranger"]);
    running.stop().await;
}

#[tokio::test]
async fn figures_and_depths_count_what_there_is() {
    let world = World::new();
    let running = world
        .processor()
        .worker(None)
        .workflow("ends", ends)
        .unwrap()
        .workflow("calls", |ctx: Context, (): ()| async move {
            ctx.activity::<()>("nobody here", ()).await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    assert_eq!(client.metrics().await.unwrap().invocations, 0);
    for (name, how) in [
        ("a", "done"),
        ("b", "done"),
        ("c", "done"),
        ("d", "broken"),
        ("e", "wait"),
        ("f", "wait"),
    ] {
        let status = match how {
            "done" => Status::Completed,
            "broken" => Status::Failed,
            _ => Status::Waiting,
        };
        begin(&client, name, how).await;
        until(&client, name, status).await;
    }
    let metrics = client.metrics().await.unwrap();
    assert_eq!((metrics.invocations, metrics.executions), (6, 6));
    assert_eq!(metrics.live(), 2);
    let by_status = [
        (Status::Waiting, 2),
        (Status::Completed, 3),
        (Status::Failed, 1),
    ];
    assert_eq!(metrics.by_status, BTreeMap::from(by_status));
    assert_eq!(metrics.of(Status::Parked), 0);
    let mut entries = 0;
    for state in client.list(&Filter::new()).await.unwrap().states {
        entries += client.history(&state).await.unwrap().len() as u64;
    }
    assert_eq!(metrics.events, entries);

    // No worker takes these.
    for _ in 0..4 {
        client.start("calls").send().await.unwrap();
    }
    let tasks = async || {
        let depths = client.queue_depths().await.unwrap();
        let tasks = depths.into_iter().filter(|d| d.kind == Queued::Tasks);
        tasks.map(|d| (d.name, d.messages)).collect::<Vec<_>>()
    };
    let expected = vec![("nobody here".to_owned(), 4)];
    for _ in 0..1000 {
        if tasks().await == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(tasks().await, expected);
    world.quiet().await;
    running.stop().await;
}
