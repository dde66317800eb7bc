//! One connection, checked: who answers, how old it is, whether it stores.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use headwater_store::{Env, StoreError};
use headwater_wire::limits::SERVER_VERSION_MIN;
use tokio::sync::watch;

use crate::{
    errors::{ApiError, ConnectError, code},
    link::{ADMIN_TIMEOUT, Ignored, Link, State},
    options::{Auth, Initial, Options},
    requests::Requests,
    streams::Buckets,
};

/// Pause between two attempts to reach the first server.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A silent connection is probed this often; two unanswered probes end it. Only a connection
/// that nothing arrives on is probed.
const PING_INTERVAL: Duration = Duration::from_secs(4);

/// How long a cluster may take to answer that it stores at all (its first election).
const JETSTREAM_PATIENCE: Duration = Duration::from_secs(15);

/// Connect, and check that the server can be used.
pub(crate) async fn connect(options: &Options, env: Arc<dyn Env>) -> Result<Link, ConnectError> {
    let urls = without_secrets(&options.urls);
    let addresses = addresses(&options.urls)?;
    let (client, state) = loop {
        let (state, changes) = watch::channel(State {
            connected: true,
            lost: 0,
        });
        let settings = settings(options, state).await?;
        match settings.connect(addresses.clone()).await {
            Ok(client) => break (client, changes),
            Err(error) => {
                let error = of_connect(&urls, &error);
                let wait = options.initial == Initial::Wait
                    && matches!(error, ConnectError::Unreachable { .. });
                if !wait {
                    return Err(error);
                }
                tracing::warn!(%urls, %error, "waiting for a NATS server");
                env.sleep(RETRY_PAUSE).await;
            }
        }
    };
    check_version(&client)?;
    let inbox = client.new_inbox();
    let answers = client.subscribe(format!("{inbox}.*")).await;
    let answers = answers.map_err(|error| StoreError::Refused(error.to_string()))?;
    let link = Link {
        requests: Requests::new(&inbox, answers, &env),
        groups: OnceLock::new(),
        buckets: Buckets::new(&options.namespace),
        client,
        env,
        namespace: options.namespace.clone(),
        api: options.api.prefix(),
        timeout: options.request_timeout,
        state,
    };
    check_jetstream(&link, &urls).await?;
    Ok(link)
}

/// The URLs for people: user, password and token stay out of errors and logs.
fn without_secrets(urls: &[String]) -> String {
    let one = |url: &String| match url.rsplit_once('@') {
        Some((secret, host)) => match secret.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…@{host}"),
            None => format!("…@{host}"),
        },
        None => url.clone(),
    };
    urls.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn addresses(urls: &[String]) -> Result<Vec<ServerAddr>, ConnectError> {
    let parse = |url: &String| {
        url.parse().map_err(|_| ConnectError::Url {
            url: without_secrets(std::slice::from_ref(url)),
        })
    };
    if urls.is_empty() {
        return Err(ConnectError::Url { url: String::new() });
    }
    urls.iter().map(parse).collect()
}

async fn settings(
    options: &Options,
    state: watch::Sender<State>,
) -> Result<ConnectOptions, ConnectError> {
    let mut settings = ConnectOptions::new()
        .name(&options.name)
        .ping_interval(PING_INTERVAL)
        .require_tls(options.tls.required)
        .event_callback(move |event| {
            follow(&state, &event);
            std::future::ready(())
        });
    if let Some(ca_file) = &options.tls.ca_file {
        settings = settings.add_root_certificates(ca_file.clone());
    }
    if let Some((certificate, key)) = &options.tls.client {
        settings = settings.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(match &options.auth {
        Auth::None => settings,
        Auth::User { user, password } => settings.user_and_password(user.clone(), password.clone()),
        Auth::Token(token) => settings.token(token.clone()),
        Auth::CredentialsFile(path) => {
            settings
                .credentials_file(path)
                .await
                .map_err(|source| ConnectError::Credentials {
                    path: path.clone(),
                    source,
                })?
        }
    })
}

/// Keep the state, and tell the log.
fn follow(state: &watch::Sender<State>, event: &Event) {
    match event {
        Event::Connected => {
            let was_lost =
                state.send_if_modified(|state| !std::mem::replace(&mut state.connected, true));
            if was_lost {
                tracing::info!("connected to NATS again");
            }
        }
        Event::Disconnected => {
            state.send_modify(|state| {
                state.connected = false;
                state.lost += 1;
            });
            tracing::warn!("the connection to NATS is lost, connecting again");
        }
        Event::LameDuckMode => tracing::info!("the NATS server is about to stop"),
        Event::SlowConsumer(_) => tracing::warn!(%event, "NATS messages were dropped here"),
        Event::ServerError(_) => tracing::error!(%event, "NATS"),
        Event::ClientError(_) => tracing::debug!(%event, "NATS"),
        Event::Draining | Event::Closed => tracing::debug!(%event, "NATS"),
    }
}

fn of_connect(urls: &str, error: &async_nats::ConnectError) -> ConnectError {
    let (urls, reason) = (urls.to_owned(), error.to_string());
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ConnectError::Unauthorized { urls, reason }
        }
        _ => ConnectError::Unreachable { urls, reason },
    }
}

fn check_version(client: &Client) -> Result<(), ConnectError> {
    let server = client.server_info();
    if parse_version(&server.version).is_some_and(|version| version >= SERVER_VERSION_MIN) {
        return Ok(());
    }
    let (major, minor, patch) = SERVER_VERSION_MIN;
    Err(ConnectError::ServerTooOld {
        server: server.server_name,
        version: server.version,
        minimum: format!("{major}.{minor}.{patch}"),
    })
}

/// `2.14.0`, also with a suffix: a `-dev`, `-beta` or `-RC` of a version has what it has.
fn parse_version(text: &str) -> Option<(u64, u64, u64)> {
    let text = text.trim_start_matches('v');
    let core = text.split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(str::parse);
    let mut number = || numbers.next()?.ok();
    Some((number()?, number()?, number()?))
}

async fn check_jetstream(link: &Link, urls: &str) -> Result<(), ConnectError> {
    let started = link.env.elapsed();
    let refuse = |reason: String| {
        let urls = urls.to_owned();
        Err(ConnectError::NoJetStream { urls, reason })
    };
    loop {
        let failure = match link
            .api::<Ignored>("INFO", &Ignored {}, ADMIN_TIMEOUT)
            .await
        {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if is_disabled(&error) => return refuse(error.to_string()),
            Ok(Err(error)) => StoreError::from(error),
            Err(error) => error,
        };
        let clustered = link.client.server_info().cluster.is_some();
        let patient = link.env.elapsed().saturating_sub(started) < JETSTREAM_PATIENCE;
        match failure {
            StoreError::Unavailable(_) if !clustered => {
                return refuse("nobody answers requests to it".to_owned());
            }
            StoreError::Unavailable(_) | StoreError::Unknown(_) if patient => {
                link.env.sleep(Duration::from_millis(250)).await;
            }
            StoreError::Unavailable(reason) => return refuse(reason),
            error => return Err(error.into()),
        }
    }
}

fn is_disabled(error: &ApiError) -> bool {
    matches!(
        error.err_code,
        code::JETSTREAM_NOT_ENABLED | code::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
    ) || (error.err_code == 0 && error.code == 503)
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_read_with_their_suffixes() {
        for (text, version) in [
            ("2.14.0", Some((2, 14, 0))),
            ("v2.15.1", Some((2, 15, 1))),
            ("2.15.0-dev", Some((2, 15, 0))),
            ("2.14.0-RC.2+abc", Some((2, 14, 0))),
            ("2.14", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), version, "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_servers_without_their_secrets() {
        let urls = ["nats://u:p@a:4222", "token@b", "nats://c"].map(str::to_owned);
        assert_eq!(
            super::without_secrets(&urls),
            "nats://…@a:4222, …@b, nats://c"
        );
    }
}
