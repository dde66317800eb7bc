//! duroxide: a library on a SQLite file. Its runtime and its client are in this process, as they
//! are in a program that uses it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ::duroxide::{
    ActivityContext, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus,
    providers::sqlite::SqliteProvider,
    runtime::{Runtime, registry::ActivityRegistry},
};

use crate::{
    child::PATIENCE,
    error::{Doing as _, PeersError, check},
    system::Sync,
    workload::{LOCAL, NOOP, REMOTE, Workload},
};

/// That of the manifest.
pub(crate) const VERSION: &str = "0.1.32";

/// Connections of its pool.
const CONNECTIONS: usize = 5;

pub(crate) struct Installation {
    pub(crate) client: Client,
    runtime: Arc<Runtime>,
    store: Arc<SqliteProvider>,
    sync: Sync,
}

impl Installation {
    pub(crate) async fn start(sync: Sync, folder: &Path) -> Result<Self, PeersError> {
        let file = folder.join("duroxide.db");
        std::fs::File::create(&file).map_err(PeersError::io(format!("creating {file:?}")))?;
        let url = format!("sqlite:{}", file.display());
        let store = SqliteProvider::new(&url, None)
            .await
            .doing("opening the store")?;
        let store = Arc::new(store);
        if sync == Sync::Fsync {
            on_each_connection(&store, "PRAGMA synchronous = FULL").await?;
        }
        expect_sync(&store, sync).await?;
        let activities = ActivityRegistry::builder().register(NOOP, noop).build();
        // It has no local steps of arbitrary code: both workflows are of activities.
        let orchestrations = OrchestrationRegistry::builder()
            .register(LOCAL, orchestration)
            .register(REMOTE, orchestration)
            .build();
        let runtime = Runtime::start_with_store(store.clone(), activities, orchestrations).await;
        let client = Client {
            client: Arc::new(::duroxide::Client::new(store.clone())),
            next: Arc::default(),
        };
        Ok(Self {
            client,
            runtime,
            store,
            sync,
        })
    }

    /// The pool may have opened connections of its own accord.
    pub(crate) async fn check_sync(&self) -> Result<(), PeersError> {
        expect_sync(&self.store, self.sync).await
    }

    pub(crate) async fn end(self) {
        self.runtime.shutdown(None).await;
        self.store.get_pool().close().await;
    }
}

/// Run a statement on every connection of the pool: they are held until each has had it.
/// Answers the first column of the last row of each, if there is any.
async fn on_each_connection(
    store: &SqliteProvider,
    statement: &str,
) -> Result<Vec<Option<i64>>, PeersError> {
    let mut connections = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = store
            .get_pool()
            .acquire()
            .await
            .doing("a connection of the store")?;
        let answer = sqlx::query_scalar(statement)
            .fetch_optional(&mut *connection)
            .await;
        answers.push(answer.doing("setting how the store syncs")?);
        connections.push(connection);
    }
    Ok(answers)
}

async fn expect_sync(store: &SqliteProvider, sync: Sync) -> Result<(), PeersError> {
    // As SQLite counts: 1 is NORMAL, 2 is FULL.
    let expected = match sync {
        Sync::Process => Some(1),
        Sync::Fsync => Some(2),
    };
    let found = on_each_connection(store, "PRAGMA synchronous").await?;
    if found.iter().all(|found| *found == expected) {
        return Ok(());
    }
    Err(format!(
        "PRAGMA synchronous is {found:?} on its connections"
    ))
    .doing("seeing how the store syncs")
}

#[derive(Clone)]
pub(crate) struct Client {
    client: Arc<::duroxide::Client>,
    /// Number of the next instance.
    next: Arc<AtomicU64>,
}

impl Client {
    pub(crate) async fn call(&self, workload: Workload) -> Result<(), PeersError> {
        let id = format!("i{}", self.next.fetch_add(1, Relaxed));
        self.client
            .start_orchestration(&id, workload.workflow(), workload.steps.to_string())
            .await
            .doing("starting an orchestration")?;
        let ended = self.client.wait_for_orchestration(&id, 4 * PATIENCE).await;
        match ended.doing("waiting for an orchestration")? {
            OrchestrationStatus::Completed { output, .. } => check(&output, workload.steps),
            OrchestrationStatus::Failed { details, .. } => {
                Err(details.display_message()).doing("an orchestration")
            }
            other => Err(format!("{other:?}")).doing("an orchestration"),
        }
    }
}

async fn orchestration(ctx: OrchestrationContext, input: String) -> Result<String, String> {
    let steps: u32 = input.parse().map_err(|_| format!("no number: {input}"))?;
    for step in 0..steps {
        ctx.schedule_activity(NOOP, step.to_string()).await?;
    }
    Ok(steps.to_string())
}

async fn noop(_: ActivityContext, input: String) -> Result<String, String> {
    Ok(input)
}
