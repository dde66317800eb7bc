//! One command for many invocations.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use headwater_wire::{Code, InvocationId, Payload, Status, names::check_name};
use serde::Serialize;

use crate::{Client, ClientError, Filter, Prune, State};

/// One command for every invocation that fits a filter. What they are is settled when it
/// begins: what is started later is not looked at.
///
/// ```no_run
/// # async fn example(client: headwater_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use headwater_client::Filter;
///
/// let stuck = Filter::parse("workflow=order and status=waiting and created<1 week ago")?;
/// let report = client.bulk(stuck).rate(50.0).cancel("too old").report().await?;
/// println!("{} cancelled, {} had ended", report.sent.len(), report.skipped.len());
/// # Ok(())
/// # }
/// ```
#[must_use = "a bulk does nothing until it is told what to do"]
pub struct Bulk {
    client: Client,
    filter: Filter,
    rate: Option<f64>,
    dry_run: bool,
}

/// What each of them is told.
#[derive(Clone)]
enum Verb {
    Cancel { reason: String },
    Terminate { reason: String, code: Option<Code> },
    Pause { reason: String },
    Resume,
    Signal { name: String, data: Payload },
    Delete { force: bool },
    Prune(Prune),
}

const ENDED: &str = "it has ended";
const GOES_ON: &str = "it goes on";

/// What became of one invocation of a bulk.
#[derive(Debug)]
pub struct BulkItem {
    /// Which.
    pub id: InvocationId,
    /// Its status when the bulk began.
    pub status: Status,
    /// What became of it.
    pub result: BulkResult,
}

/// What became of one invocation of a bulk.
#[derive(Debug)]
pub enum BulkResult {
    /// It was told.
    Sent,
    /// It would have been told: a dry run.
    WouldSend,
    /// There was nothing to do, and why.
    Skipped(&'static str),
    /// It could not be told. The others are told all the same.
    Failed(ClientError),
}

/// All that a bulk did.
#[derive(Debug, Default)]
pub struct BulkReport {
    /// Told; of a dry run, those that would have been.
    pub sent: Vec<InvocationId>,
    /// With nothing to do, and why.
    pub skipped: Vec<(InvocationId, &'static str)>,
    /// That could not be told.
    pub failed: Vec<(InvocationId, ClientError)>,
}

impl BulkReport {
    /// Add one more.
    pub fn add(&mut self, item: BulkItem) {
        match item.result {
            BulkResult::Sent | BulkResult::WouldSend => self.sent.push(item.id),
            BulkResult::Skipped(why) => self.skipped.push((item.id, why)),
            BulkResult::Failed(error) => self.failed.push((item.id, error)),
        }
    }
}

/// A bulk at work: it goes on as far as it is asked for the [`BulkRun::next`] one.
#[must_use = "a bulk does nothing until it is asked for its results"]
pub struct BulkRun {
    items: BoxStream<'static, Result<BulkItem, ClientError>>,
}

impl BulkRun {
    /// Tell the next invocation, the newest first. None: all have been told. An error: nothing
    /// was, since the invocations could not be listed.
    pub async fn next(&mut self) -> Option<Result<BulkItem, ClientError>> {
        self.items.next().await
    }

    /// Tell all of them.
    pub async fn report(mut self) -> Result<BulkReport, ClientError> {
        let mut report = BulkReport::default();
        while let Some(item) = self.items.try_next().await? {
            report.add(item);
        }
        Ok(report)
    }
}

impl Client {
    /// One command for every invocation that fits a filter. [`Filter::new`] fits all of them.
    pub fn bulk(&self, filter: Filter) -> Bulk {
        Bulk {
            client: self.clone(),
            filter,
            rate: None,
            dry_run: false,
        }
    }
}

impl Bulk {
    /// At most so many a second; a positive number. Without it, as fast as it goes.
    pub fn rate(mut self, per_second: f64) -> Self {
        self.rate = Some(per_second);
        self
    }

    /// Tell nobody, only say who would be told.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Ask each to end, as [`Client::cancel`]. Those that have ended are left alone.
    pub fn cancel(self, reason: impl Into<String>) -> BulkRun {
        let reason = reason.into();
        self.run(Ok(Verb::Cancel { reason }))
    }

    /// End each at once, as [`Client::terminate_with`]. Those that have ended are left alone.
    pub fn terminate(self, reason: impl Into<String>, code: Option<Code>) -> BulkRun {
        let reason = reason.into();
        self.run(Ok(Verb::Terminate { reason, code }))
    }

    /// Let each act on nothing until it is resumed, as [`Client::pause`]. Those that have ended,
    /// are paused or are parked are left alone.
    pub fn pause(self, reason: impl Into<String>) -> BulkRun {
        let reason = reason.into();
        self.run(Ok(Verb::Pause { reason }))
    }

    /// Forget each, as [`Client::delete`]. Those that go on are left alone without `force`;
    /// children of one that goes on with it, too.
    pub fn delete(self, force: bool) -> BulkRun {
        self.run(Ok(Verb::Delete { force }))
    }

    /// Forget runs of each that are over, as [`Client::prune`]. Those that have none are left alone.
    pub fn prune(self, which: Prune) -> BulkRun {
        self.run(Ok(Verb::Prune(which)))
    }

    /// Send each a signal, as [`Client::signal`]. Those that have ended are left alone.
    pub fn signal<T: Serialize + ?Sized>(self, name: &str, data: &T) -> BulkRun {
        match Payload::encode(data) {
            Ok(data) => self.signal_payload(name, data),
            Err(error) => self.run(Err(error.into())),
        }
    }

    /// [`Bulk::signal`] with encoded data.
    pub fn signal_payload(self, name: &str, data: Payload) -> BulkRun {
        let checked = check_name("signal", name).map_err(ClientError::from);
        let name = name.to_owned();
        self.run(checked.map(|()| Verb::Signal { name, data }))
    }

    /// Let each try again, as [`Client::resume`]. Those that go on by themselves are left alone.
    pub fn resume(self) -> BulkRun {
        self.run(Ok(Verb::Resume))
    }

    fn run(self, verb: Result<Verb, ClientError>) -> BulkRun {
        let items = stream::once(self.begin(verb)).try_flatten();
        BulkRun {
            items: items.boxed(),
        }
    }

    async fn begin(
        self,
        verb: Result<Verb, ClientError>,
    ) -> Result<BoxStream<'static, Result<BulkItem, ClientError>>, ClientError> {
        let verb = verb?;
        let pause = self.rate.map(pause).transpose()?;
        let keep = |state: State| (state.value.id, state.value.status);
        let (found, _) = self.client.select(&self.filter, keep).await?;
        let paced = Paced {
            client: self.client,
            verb,
            dry_run: self.dry_run,
            pause,
            next_at: Duration::ZERO,
        };
        let items = stream::unfold((paced, found.into_iter()), async |(mut paced, mut rest)| {
            let (id, status) = rest.next()?;
            let result = paced.tell(&id, status).await;
            Some((Ok(BulkItem { id, status, result }), (paced, rest)))
        });
        Ok(items.boxed())
    }
}

/// Time between two of so many a second.
fn pause(per_second: f64) -> Result<Duration, ClientError> {
    // Neither zero nor less nor NaN gives a time.
    let pause = Duration::try_from_secs_f64(1.0 / per_second);
    pause.map_err(|_| ClientError::Rate(per_second))
}

/// Tells one after the other, not faster than asked for.
struct Paced {
    client: Client,
    verb: Verb,
    dry_run: bool,
    pause: Option<Duration>,
    /// When the next may be told.
    next_at: Duration,
}

impl Paced {
    async fn tell(&mut self, id: &InvocationId, status: Status) -> BulkResult {
        if let Some(why) = self.verb.nothing_to_do(status) {
            return BulkResult::Skipped(why);
        }
        if self.dry_run {
            return BulkResult::WouldSend;
        }
        if let Some(pause) = self.pause {
            let env = &self.client.inner.env;
            let now = env.elapsed();
            env.sleep(self.next_at.saturating_sub(now)).await;
            self.next_at = self.next_at.max(now) + pause;
        }
        match self.verb.tell(&self.client, id).await {
            Ok(true) => BulkResult::Sent,
            Ok(false) => BulkResult::Skipped("it has no such runs"),
            Err(ClientError::AlreadyEnded { .. }) => BulkResult::Skipped(ENDED),
            Err(ClientError::NotFound(_)) => BulkResult::Skipped("it is gone"),
            Err(ClientError::StillRunning { .. }) => BulkResult::Skipped(GOES_ON),
            Err(ClientError::IsChild { .. }) => BulkResult::Skipped("its parent goes on"),
            Err(error) => BulkResult::Failed(error),
        }
    }
}

impl Verb {
    /// Why an invocation of this status is left alone.
    fn nothing_to_do(&self, status: Status) -> Option<&'static str> {
        let ended = status.is_ended();
        match (self, status) {
            (Self::Resume, Status::Parked | Status::Paused) => None,
            (Self::Resume, _) => Some("it is neither parked nor paused"),
            (Self::Pause { .. }, Status::Parked | Status::Paused) => {
                Some("it acts on nothing already")
            }
            (Self::Prune(_), _) => None,
            (Self::Delete { force }, _) => (!ended && !force).then_some(GOES_ON),
            _ => ended.then_some(ENDED),
        }
    }

    /// False: there was nothing to do.
    async fn tell(&self, client: &Client, id: &InvocationId) -> Result<bool, ClientError> {
        match self {
            Self::Cancel { reason } => client.cancel(id, reason).await?,
            Self::Signal { name, data } => {
                client.signal_payload(id, name, data.clone(), None).await?;
            }
            Self::Terminate { reason, code } => {
                client.terminate_with(id, reason, code.clone()).await?;
            }
            Self::Pause { reason } => client.pause(id, reason).await?,
            Self::Resume => client.resume(id).await?,
            Self::Delete { force } => {
                client.delete(id, *force).await?;
            }
            Self::Prune(which) => return Ok(client.prune(id, which).await?.runs > 0),
        }
        Ok(true)
    }
}
