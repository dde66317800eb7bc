//! The permissions in docs/permissions.md are enough for what each user does, on a real server,
//! and none of them is there without need; the example in docs/configuration.md is the default.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use futures::StreamExt as _;
use headwater::{
    Config, Processor,
    client::{Filter, State, WatchEvent},
    prelude::*,
    wire::{InvocationId, Status},
};
use headwater_testkit::{NatsServer, ServerOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SOON: Duration = Duration::from_secs(30);

/// Settings that have no default.
const OPTIONAL: usize = 21;

/// Fills a message.
const LARGE: &[u8] = &[b' '; 100_000];

/// So many large messages sent to a watcher, the server asks whether it keeps up.
const ASKED_AFTER: usize = 40;

/// Longer than the timers that an engine keeps in memory.
const LONG_SLEEP: Duration = Duration::from_millis(2500);

/// Longer than what an attempt waits before it looks whether it is still wanted.
const LOOKED_AFTER: Duration = Duration::from_millis(500);

fn docs(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(file);
    std::fs::read_to_string(path).unwrap()
}

/// The first fenced block of a language whose text begins so.
fn block(text: &str, language: &str, begins: &str) -> String {
    let fence = format!("```{language}\n");
    text.split(fence.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block.to_owned()))
        .find(|block| block.starts_with(begins))
        .unwrap_or_else(|| panic!("no {language} block that begins with {begins:?}"))
}

fn authorization() -> String {
    block(&docs("permissions.md"), "text", "authorization {")
}

/// The block as the script in the docs changes it.
fn edited(script: &str) -> String {
    let script = block(&docs("permissions.md"), "sed", script);
    let mut sed = Command::new("sed")
        .args(["-E", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = sed.stdin.take().unwrap();
    stdin.write_all(authorization().as_bytes()).unwrap();
    drop(stdin);
    let output = sed.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// A server with users, and how an installation on it is configured.
struct Installation {
    nats: NatsServer,
    /// The block as this server has it.
    authorization: String,
    namespace: &'static str,
    settings: Vec<(&'static str, String)>,
}

impl Installation {
    async fn start(authorization: String, options: ServerOptions) -> Self {
        let trace = "trace: true\nmax_traced_msg_len: 32";
        let extra = format!("{}\n{trace}", options.extra);
        let nats = NatsServer::start_with(ServerOptions { extra, ..options }).await;
        Self {
            nats,
            authorization,
            namespace: "",
            settings: Vec::new(),
        }
    }

    /// A server with this block.
    async fn with_users(authorization: String) -> Self {
        let extra = authorization.clone();
        Self::start(
            authorization,
            ServerOptions {
                extra,
                ..ServerOptions::default()
            },
        )
        .await
    }

    fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.push((key, value.to_owned()));
        self
    }

    fn config(&self, user: &str, more: &[(&'static str, &str)]) -> Config {
        let mut keys = self.settings.clone();
        keys.push(("nats.url", self.nats.url()));
        keys.push(("nats.user", user.to_owned()));
        keys.push(("nats.password", "change-me".to_owned()));
        keys.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        Config::load_with(None, &keys).unwrap()
    }

    /// Lines of the server's log about something that was not allowed.
    fn violations(&self) -> Vec<String> {
        let log = self.nats.log();
        let refused = log.lines().filter(|line| line.contains("Violation"));
        refused.map(str::to_owned).collect()
    }
}

async fn order(ctx: Context, item: String) -> Result<String> {
    ctx.set_status("ordered")?;
    ctx.on_query("letters", {
        let letters = item.len();
        move |(): ()| Ok(letters)
    });
    let price = ctx
        .run("price", || async { Ok::<_, Error>(item.len()) })
        .await?;
    let here: usize = ctx.activity("here", price).await?;
    let lost = ctx.activity::<()>("lost", ()).timeout(LOOKED_AFTER).await;
    assert!(lost.is_err_and(|error| error.is_timeout()));
    let there: usize = ctx.activity("there", here).tag("far").session("s").await?;
    for n in 0..4 {
        ctx.run(format!("fill {n}"), || async {
            Ok::<_, Error>("x".repeat(2000))
        })
        .await?;
    }
    ctx.sleep(LONG_SLEEP).await?;
    // Comes before its time is over: the schedule is removed.
    ctx.emit("priced", there)?;
    let told: usize = ctx.child("echo", "x").await?;
    assert_eq!(told, 1);
    // To itself: found by its value.
    ctx.other(ctx.id().as_str()).signal("seen", there)?;
    let by: String = ctx
        .signal("approval")
        .timeout(Duration::from_secs(3600))
        .await?;
    Ok(format!("{there} by {by}"))
}

/// Answers when it began and ended, by the clock.
async fn slot(ctx: Context, (): ()) -> Result<(SystemTime, SystemTime)> {
    let clock = || async { Ok::<_, Error>(SystemTime::now()) };
    let began = ctx.run("begin", clock).await?;
    let () = ctx
        .run("work", || async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, Error>(())
        })
        .await?;
    Ok((began, ctx.run("end", clock).await?))
}

async fn echo(ctx: Context, text: String) -> Result<usize> {
    ctx.run("echo", || async { Ok::<_, Error>(text.len()) })
        .await
}

/// A processor of both roles, with everything but the activity `there`.
async fn processor(at: &Installation) -> headwater::RunningProcessor {
    let config = at.config("processor", &[("metrics_addr", "127.0.0.1:0")]);
    let processor = Processor::connect(config).await.unwrap();
    processor
        .workflow("order", order)
        .unwrap()
        .workflow("slot", slot)
        .unwrap()
        .workflow("echo", echo)
        .unwrap()
        .activity("here", |ctx: ActivityContext, n: usize| async move {
            ctx.progress("here").await?;
            Ok::<_, Error>(n + 1)
        })
        .unwrap()
        .start()
        .await
        .unwrap()
}

async fn worker(at: &Installation) -> headwater::RunningProcessor {
    let only = [
        ("engine.enabled", "false"),
        ("metrics_addr", "127.0.0.1:0"),
        ("worker.cancel_check_ms", "100"),
        ("worker.tags", "any"),
    ];
    let worker = Processor::connect(at.config("worker", &only))
        .await
        .unwrap();
    worker
        .activity("there", |ctx: ActivityContext, n: usize| async move {
            ctx.progress("there").await?;
            Ok::<_, Error>(n * 10)
        })
        .unwrap()
        .activity("lost", |ctx: ActivityContext, (): ()| async move {
            ctx.heartbeat("still here")?;
            ctx.cancelled().await;
            Ok::<_, Error>(())
        })
        .unwrap()
        .start()
        .await
        .unwrap()
}

async fn until(client: &Client, id: &InvocationId, fits: impl Fn(&State) -> bool) -> State {
    let deadline = Instant::now() + SOON;
    loop {
        if let Ok(state) = client.state(id).await
            && fits(&state)
        {
            return state;
        }
        let seen = client.why(id).await;
        assert!(Instant::now() < deadline, "{id}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn awaits_approval(state: &State) -> bool {
    state.value.status == Status::Waiting && state.value.why.contains("approval")
}

async fn healthy(running: &headwater::RunningProcessor) -> bool {
    let address = running.metrics_addr().unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.ends_with("ok\n")
}

/// A plain connection of a user, for messages that no client of ours would send.
async fn plain(at: &Installation, user: &str) -> async_nats::Client {
    async_nats::ConnectOptions::with_user_and_password(user.to_owned(), "change-me".to_owned())
        .connect(at.nats.url())
        .await
        .unwrap()
}

/// Everything that the four users do.
async fn scenario(at: &Installation) {
    let running = processor(at).await;
    let working = worker(at).await;
    keep_up(at).await;
    assert!(healthy(&running).await && healthy(&working).await);
    let client = at.config("client", &[]).client().await.unwrap();
    let viewer = at.config("viewer", &[]).client().await.unwrap();
    let mut events = [
        client.events("priced").await.unwrap(),
        viewer.events("priced").await.unwrap(),
    ];

    let mut progress = [
        client.progress(&id("first")).await.unwrap(),
        viewer.progress(&id("first")).await.unwrap(),
    ];

    let mut first = client
        .start("order")
        .id("first")
        .input("apple")
        .expect_outcome()
        .send()
        .await
        .unwrap();
    client
        .start("order")
        .id("second")
        .input("pear")
        .send()
        .await
        .unwrap();
    let mut slots = Vec::new();
    for n in 0..3 {
        let call = client.start("slot").id(format!("slot {n}")).key("user-1");
        slots.push(call.send().await.unwrap());
    }
    let mut times: Vec<(SystemTime, SystemTime)> = Vec::new();
    for handle in &mut slots {
        times.push(handle.result(SOON).await.unwrap());
    }
    let in_order = times.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    assert!(in_order, "{times:?}");

    let status = client.wait_for_status(&id("first"), 0, SOON).await.unwrap();
    assert_eq!(status.unwrap().version, 1);
    until(&client, &id("first"), awaits_approval).await;
    let state = until(&viewer, &id("second"), awaits_approval).await;
    assert!(state.journal.pages > 0);
    let steps = viewer.history(&state).await.unwrap().len();
    assert_eq!(client.history(&state).await.unwrap().len(), steps);
    for asker in [&client, &viewer] {
        let letters: usize = asker.query(&id("first"), "letters", &()).await.unwrap();
        assert_eq!(letters, 5);
    }
    let mut changes = viewer.watch(Some(&id("first"))).await.unwrap();
    client
        .signal(&id("first"), "approval", "Ada")
        .await
        .unwrap();
    let output: String = first.result(SOON).await.unwrap();
    assert_eq!(output, "60 by Ada");
    for events in &mut events {
        let event = tokio::time::timeout(SOON, events.next()).await.unwrap();
        assert!(event.unwrap().decode::<usize>().is_ok());
    }
    for progress in &mut progress {
        let told = tokio::time::timeout(SOON, progress.next()).await.unwrap();
        assert_eq!(told.unwrap().activity, "here");
    }
    // The others ask whether it is gone.
    processor(at).await.stop().await;
    let seen = async {
        while let Some(change) = changes.next().await {
            if let WatchEvent::State(state) = change.unwrap()
                && state.value.status.is_ended()
            {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, seen).await.unwrap();
    for looker in [&client, &viewer] {
        let mut all = looker.watch(None).await.unwrap();
        assert!(all.next().await.unwrap().is_ok());
    }
    client.cancel(&id("second"), "enough").await.unwrap();
    let ended = client.wait(&id("second"), SOON).await.unwrap();
    assert_eq!(ended.status, Status::Cancelled);

    dead_letters(at, &client, &viewer).await;
    large_states(&client, &viewer).await;
    assert_eq!(viewer.members().await.unwrap().len(), 3);
    assert_eq!(client.members().await.unwrap().len(), 3);
    assert!(viewer.why(&id("nobody")).await.is_err());
    assert!(viewer.why(&id("first")).await.unwrap()[0].starts_with("completed"));

    working.stop().await;
    another_limit(at).await;
    // Long enough for the engine to ask whether the worker is gone.
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.stop().await;
}

/// So much in the buckets that engines watch that the server asks whether they keep up: as it
/// does after some hours of heartbeats. None of it means anything.
async fn keep_up(at: &Installation) {
    let bucket = |name: &str| match at.namespace {
        "" => format!("$KV.{name}"),
        namespace => format!("$KV.{namespace}_{name}"),
    };
    let plain = plain(at, "processor").await;
    for n in 0..ASKED_AFTER {
        let subject = format!("{}.worker.{n}", bucket("MEMBERS"));
        plain.request(subject, LARGE.into()).await.unwrap();
        // The topology as it is, and much white space.
        let mut topology = LARGE.to_vec();
        topology.extend(br#"{"partitions":8,"serving":8}"#);
        let subject = format!("{}.topology.default", bucket("CONFIG"));
        plain.request(subject, topology.into()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What cannot be used goes to DEAD_LETTERS, can be looked at, and redriven.
async fn dead_letters(at: &Installation, client: &Client, viewer: &Client) {
    let prefix = match at.namespace {
        "" => String::new(),
        namespace => format!("{namespace}."),
    };
    let bad = plain(at, "client").await;
    for subject in ["commands.default.1.x", "tasks.here", "tasks.there"] {
        bad.publish(format!("{prefix}{subject}"), "not ours".into())
            .await
            .unwrap();
    }
    bad.flush().await.unwrap();
    let letters = |count: usize| async move {
        let deadline = Instant::now() + SOON;
        loop {
            let letters = viewer.dead_letters(0, 10).await.unwrap();
            if letters.len() == count {
                return letters;
            }
            assert!(Instant::now() < deadline, "{letters:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    for letter in letters(3).await {
        assert!(client.redrive(letter.seq).await.unwrap());
    }
    let again = letters(3).await;
    assert!(again.iter().all(|letter| letter.seq > 3), "{again:?}");
    assert_eq!(client.dead_letters(0, 10).await.unwrap(), again);
}

/// More than the server sends to a watcher before it asks whether it keeps up.
async fn large_states(client: &Client, viewer: &Client) {
    let text = "x".repeat(200_000);
    for n in 0..20 {
        let call = client.start("echo").id(format!("large {n}")).input(&text);
        let mut handle = call.expect_outcome().send().await.unwrap();
        assert_eq!(handle.result::<usize>(SOON).await.unwrap(), text.len());
    }
    let filter = Filter::new().workflow("echo");
    for looker in [client, viewer] {
        let listed = looker.list(&filter).await.unwrap().states;
        let large = |state: &&State| state.value.id.as_str().starts_with("large");
        assert_eq!(listed.iter().filter(large).count(), 20);
        assert!(looker.metrics().await.unwrap().invocations >= 20);
        looker.queue_depths().await.unwrap();
    }
}

/// A processor with other limits changes the streams; the others, without limits, find them
/// changed and leave them so.
async fn another_limit(at: &Installation) {
    let limits = [
        "nats.max_bytes.tasks",
        "nats.max_bytes.state",
        "nats.max_bytes.journal",
        "nats.max_bytes.members",
        "nats.max_bytes.config",
        "nats.max_bytes.dead_letters",
        "nats.max_bytes.commands",
    ]
    .map(|key| (key, "100000000"));
    drop(
        Processor::connect(at.config("processor", &limits))
            .await
            .unwrap(),
    );
    for user in ["worker", "client", "viewer"] {
        at.config(user, &[]).client().await.unwrap();
    }
}

/// Permissions by user and by `publish` or `subscribe`, as the block has them.
fn allowed(authorization: &str) -> BTreeMap<(String, &'static str), Vec<String>> {
    let mut allowed: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let (mut user, mut verb) = (String::new(), "");
    for line in authorization.lines().map(str::trim) {
        let quoted = line.split('"').nth(1).unwrap_or_default();
        if line.starts_with("user:") {
            user = quoted.to_owned();
        } else if line.starts_with("publish:") {
            verb = "publish";
        } else if line.starts_with("subscribe:") {
            verb = "subscribe";
        } else if line.starts_with('"') {
            let subjects = allowed.entry((user.clone(), verb)).or_default();
            subjects.push(quoted.to_owned());
        }
    }
    allowed
}

/// Subjects by user and verb, as the server traced them.
fn used(log: &str) -> BTreeMap<(String, &'static str), BTreeSet<String>> {
    let mut users: BTreeMap<&str, String> = BTreeMap::new();
    let mut used: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for line in log.lines() {
        let Some((head, message)) = line.split_once("<<- [") else {
            continue;
        };
        let connection = head
            .split_once("cid:")
            .and_then(|(_, rest)| rest.split(' ').next())
            .unwrap_or_default();
        // {"user":"client","pass":[REDACTED],…}
        if message.starts_with("CONNECT ") {
            let user = message.split_once("\"user\":\"").unwrap().1;
            users.insert(connection, user.split('"').next().unwrap().to_owned());
        }
        let mut words = message.trim_end_matches(']').split(' ');
        let verb = match words.next() {
            Some("PUB" | "HPUB") => "publish",
            Some("SUB") => "subscribe",
            _ => continue,
        };
        // Without a user it is the server's own doing.
        let (Some(user), Some(subject)) = (users.get(connection).cloned(), words.next()) else {
            continue;
        };
        used.entry((user, verb))
            .or_default()
            .insert(subject.to_owned());
    }
    used
}

fn matches(allowed: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for pattern in allowed.split('.') {
        match (pattern, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (pattern, Some(token)) if pattern == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// Permissions that nothing made use of.
fn unused(at: &Installation) -> BTreeSet<String> {
    let used = used(&at.nats.log());
    let mut unused = BTreeSet::new();
    for ((user, verb), subjects) in allowed(&at.authorization) {
        let seen = &used[&(user.clone(), verb)];
        for subject in subjects {
            if !seen.iter().any(|seen| matches(&subject, seen)) {
                unused.insert(format!("{user} {verb} {subject}"));
            }
        }
    }
    unused
}

/// How the subjects begin on which the server takes acknowledgements and is told that a watcher
/// keeps up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replies {
    /// `$JS.ACK.<stream>.…`
    Short,
    /// `$JS.ACK.<domain>.<account>.<stream>.…`
    Long,
}

/// Run everything: nothing is refused, and nothing is allowed for nothing.
async fn prove(at: &Installation, replies: Replies) {
    scenario(at).await;
    assert_eq!(at.violations(), Vec::<String>::new());
    let mut unused = unused(at);
    unused.retain(|permission| {
        let is_long = permission.contains("$JS.ACK.*.") || permission.contains("$JS.FC.*.");
        let is_reply = permission.contains("$JS.ACK.") || permission.contains("$JS.FC.");
        let of_the_other_form = is_reply && is_long == (replies == Replies::Short);
        // Read at the leader only when a replica does not have a page yet.
        let rare = permission.contains(".STREAM.MSG.GET.KV_") && permission.ends_with("JOURNAL");
        !of_the_other_form && !rare
    });
    assert_eq!(unused, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_enough_and_none_is_idle() {
    let at = Installation::with_users(authorization()).await;
    prove(&at, Replies::Short).await;
    // The viewer, again, and what it may not do.
    let viewer = at.config("viewer", &[]).client().await.unwrap();
    let state = viewer.state(&id("first")).await.unwrap();
    assert_eq!(state.value.status, Status::Completed);
    assert!(viewer.start("echo").id("mine").send().await.is_err());
    let refused = at.violations();
    let is_viewers = |line: &String| line.contains("user:viewer") && line.contains("\"commands.");
    assert!(
        !refused.is_empty() && refused.iter().all(is_viewers),
        "{refused:?}"
    );
    assert!(viewer.state(&id("mine")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn they_change_with_the_namespace_and_hold_for_either_form_of_replies() {
    let authorization = edited("# namespace");
    let extra = format!("{authorization}\nfeature_flags {{ js_ack_fc_v2: true }}");
    let options = ServerOptions {
        extra,
        ..ServerOptions::default()
    };
    let mut at = Installation::start(authorization, options)
        .await
        .set("namespace", "team-a");
    at.namespace = "team-a";
    prove(&at, Replies::Long).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_stay_as_they_are_with_a_domain_and_can_be_limited_to_one_queue() {
    let authorization = edited("# one queue");
    let options = ServerOptions {
        extra: authorization.clone(),
        domain: Some("hub".to_owned()),
        ..ServerOptions::default()
    };
    let at = Installation::start(authorization, options)
        .await
        .set("nats.domain", "hub");
    scenario(&at).await;
    assert_eq!(at.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn they_change_with_the_prefix_of_an_imported_api() {
    let authorization = edited("# prefix");
    let users = authorization
        .trim_start_matches("authorization {")
        .trim_end()
        .trim_end_matches('}');
    let accounts = block(&docs("permissions.md"), "text", "accounts {");
    let extra = accounts.replace("users = [ ]", users);
    assert_ne!(extra, accounts);
    let options = ServerOptions {
        extra,
        ..ServerOptions::default()
    };
    let at = Installation::start(authorization, options)
        .await
        .set("nats.api_prefix", "JS.team.API");
    prove(&at, Replies::Short).await;
}

/// Every name of a field in what `Debug` prints.
fn fields(config: &Config) -> BTreeSet<String> {
    let printed = format!("{config:#?}");
    let names = printed.lines().filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.trim().to_owned()).collect()
}

fn load(toml: &str) -> Result<Config, headwater::ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.toml");
    std::fs::write(&file, toml).unwrap();
    Config::load(file.to_str())
}

#[test]
fn the_example_of_the_configuration_is_the_default_and_has_every_setting() {
    let text = docs("configuration.md");
    let example = block(&text, "toml", "");
    let printed = |config: &Config| format!("{config:#?}");
    assert_eq!(
        printed(&load(&example).unwrap()),
        printed(&Config::default())
    );
    for name in fields(&Config::default()) {
        let shown = |line: &str| {
            line.trim_start_matches('#')
                .starts_with(&format!("{name} = "))
                || line == format!("[{name}]")
                || line == format!("[nats.{name}]")
        };
        assert!(example.lines().any(shown), "{name} is not in the example");
        let variable = format!("{}` |", name.to_uppercase());
        let is_section = ["nats", "engine", "worker", "max_bytes"].contains(&name.as_str());
        assert!(
            is_section || text.contains(&variable),
            "{name} is in no table"
        );
    }
    // What is commented out has no space after the `#`, and works.
    let optional = example.lines().filter(|line| {
        line.strip_prefix('#')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    let mut count = 0;
    for line in optional {
        count += 1;
        let with = example.replace(line, &line[1..]);
        match load(&with) {
            Ok(config) => assert_ne!(printed(&config), printed(&Config::default()), "{line}"),
            Err(error) => assert!(
                error.to_string().contains("belong together"),
                "{line}: {error}"
            ),
        }
    }
    assert_eq!(count, OPTIONAL, "optional settings in the example");
}
