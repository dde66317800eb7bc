//! Making the streams ready, whoever else does so at the same time.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use headwater_store::StoreError;
use serde::Deserialize;

use crate::{
    compare,
    durability::{DiskSync, Durability},
    errors::{ApiError, SetupError, code},
    link::{ADMIN_TIMEOUT, Ignored, Link},
    options::Options,
    streams,
};

/// How long to wait for servers to place a stream on: those of a cluster that is just
/// starting come one after another.
const PLACEMENT_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Copies in a cluster of three or more.
const REPLICAS_IN_CLUSTER: usize = 3;

#[derive(Deserialize)]
struct StreamInfo {
    config: Config,
}

/// Make every stream and bucket, or check the one that is there.
pub(crate) async fn setup(link: &Link, options: &Options) -> Result<Durability, SetupError> {
    let server = link.client.server_info();
    let clustered = server.cluster.is_some();
    if options.max_bytes.commands.is_some() {
        tracing::warn!(
            "max_bytes of COMMANDS is set: when it is full, the server drops the oldest command"
        );
    }
    let mut replicas = match options.replicas {
        Some(replicas) => replicas,
        None if clustered => REPLICAS_IN_CLUSTER,
        None => 1,
    };
    let mut least = usize::MAX;
    for config in streams::all(options) {
        let wanted = Config {
            num_replicas: replicas,
            ..config
        };
        let stream = Stream {
            link,
            wanted: &wanted,
            exactly: options.replicas.is_some(),
        };
        let found = stream.make().await?;
        least = least.min(found);
        if found < replicas && options.replicas.is_none() {
            // What could not be placed for one stream need not be waited for with the next.
            replicas = found;
        }
    }
    Ok(Durability {
        replicas: least,
        // A stream of another kind was refused.
        storage: "file",
        sync: options
            .sync_interval
            .map_or(DiskSync::Unknown, DiskSync::Declared),
        server_version: server.version,
        cluster: server.cluster,
    })
}

/// One stream on its way.
struct Stream<'a> {
    link: &'a Link,
    wanted: &'a Config,
    /// The number of replicas was asked for.
    exactly: bool,
}

impl Stream<'_> {
    /// Make or check it; answers how many replicas it has.
    async fn make(&self) -> Result<usize, SetupError> {
        let verb = format!("STREAM.CREATE.{}", self.wanted.name);
        let started = self.link.env.elapsed();
        loop {
            let waited = self.link.env.elapsed().saturating_sub(started);
            let patient = waited < PLACEMENT_PATIENCE;
            let created = self.link.api::<Ignored>(&verb, self.wanted, ADMIN_TIMEOUT);
            match created.await {
                Ok(Ok(_)) => return Ok(self.wanted.num_replicas),
                Ok(Err(error)) if error.err_code == code::STREAM_NAME_EXIST => {
                    return self.check().await;
                }
                Ok(Err(error)) if lacks_servers(&error) && patient => {
                    tracing::info!(stream = self.wanted.name, %error, "waiting for servers to place the stream on");
                }
                Ok(Err(error)) if lacks_servers(&error) => return self.make_single(error).await,
                Ok(Err(error)) => return Err(self.refused(error)),
                Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if patient => {}
                Err(error) => return Err(self.failed(error)),
            }
            self.link.env.sleep(RETRY_PAUSE).await;
        }
    }

    /// The cluster has too few servers: do with one copy, unless more were asked for.
    async fn make_single(&self, error: ApiError) -> Result<usize, SetupError> {
        if self.exactly || self.wanted.num_replicas == 1 {
            return Err(self.not_placed(error));
        }
        tracing::warn!(
            stream = self.wanted.name, %error,
            "the cluster has too few servers for {REPLICAS_IN_CLUSTER} replicas: storing one copy only"
        );
        let wanted = Config {
            num_replicas: 1,
            ..self.wanted.clone()
        };
        let single = Stream {
            wanted: &wanted,
            ..*self
        };
        Box::pin(single.make()).await
    }

    /// The stream is there: see whether it will do.
    async fn check(&self) -> Result<usize, SetupError> {
        let verb = format!("STREAM.INFO.{}", self.wanted.name);
        let info: StreamInfo = self.ask(&verb, &Ignored {}).await?;
        let found = info.config;
        let differences = compare::differences(&found, self.wanted);
        if !differences.is_empty() {
            return Err(SetupError::Differs {
                stream: self.wanted.name.clone(),
                differences,
            });
        }
        if let Some(mended) = compare::mend(&found, self.wanted) {
            let verb = format!("STREAM.UPDATE.{}", self.wanted.name);
            self.ask::<Ignored>(&verb, &mended).await?;
            tracing::info!(
                stream = self.wanted.name,
                "settings of the stream were updated"
            );
        }
        let (has, wants) = (found.num_replicas, self.wanted.num_replicas);
        if has >= wants && !(self.exactly && has != wants) {
            return Ok(has);
        }
        let resized = Config {
            num_replicas: wants,
            ..compare::mend(&found, self.wanted).unwrap_or(found)
        };
        self.resize(&resized, has).await
    }

    /// Change the number of copies of the existing stream.
    async fn resize(&self, resized: &Config, has: usize) -> Result<usize, SetupError> {
        let verb = format!("STREAM.UPDATE.{}", self.wanted.name);
        let answer = self.link.api::<Ignored>(&verb, resized, ADMIN_TIMEOUT);
        match answer.await {
            Ok(Ok(_)) => Ok(resized.num_replicas),
            Ok(Err(error)) if self.exactly => Err(self.not_placed(error)),
            Ok(Err(error)) => {
                tracing::warn!(stream = self.wanted.name, %error, "the stream keeps {has} replica(s)");
                Ok(has)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        verb: &str,
        body: &(impl serde::Serialize + Sync),
    ) -> Result<T, SetupError> {
        match self.link.api(verb, body, ADMIN_TIMEOUT).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.refused(error)),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn refused(&self, error: ApiError) -> SetupError {
        let stream = self.wanted.name.clone();
        match error.err_code {
            code::STREAM_SUBJECT_OVERLAP => SetupError::Overlap {
                stream,
                subjects: self.wanted.subjects.clone(),
                reason: error.to_string(),
            },
            code::MAX_BYTES_REQUIRED => SetupError::MaxBytesRequired { stream },
            _ => self.failed(error.into()),
        }
    }

    fn not_placed(&self, error: ApiError) -> SetupError {
        SetupError::NotPlaced {
            stream: self.wanted.name.clone(),
            replicas: self.wanted.num_replicas,
            reason: error.to_string(),
        }
    }

    fn failed(&self, source: StoreError) -> SetupError {
        SetupError::Store {
            stream: self.wanted.name.clone(),
            source,
        }
    }
}

/// More copies were asked for than there are servers with room for them, at this moment.
fn lacks_servers(error: &ApiError) -> bool {
    matches!(
        error.err_code,
        code::CLUSTER_NO_PEERS
            | code::CLUSTER_TAGS
            | code::INSUFFICIENT_RESOURCES
            | code::STREAM_REPLICAS_NOT_SUPPORTED
    )
}
