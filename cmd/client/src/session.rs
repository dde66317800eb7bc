//! A connection to one installation, and how invocations are looked up in it.

use std::time::Duration;

use headwater::{
    Client, ClientError, Config,
    client::State,
    wire::{InvocationId, Namespace, names::NameError},
};

use crate::{args::Globals, exit::Problem, output::Out};

/// How long an id may be unknown after its start was submitted: an engine is about to take it.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Pause between two looks for an id that is unknown.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A connection to one installation.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) namespace: Namespace,
    pub(crate) out: Out,
}

/// What is known of an id.
pub(crate) enum Known {
    /// Its state.
    State(Box<State>),
    /// Its start waits in COMMANDS; why it does.
    Submitted(Vec<String>),
}

impl Session {
    /// Read the configuration and connect.
    pub(crate) async fn open(globals: &Globals) -> Result<Self, Problem> {
        let flags = [
            ("nats.url", &globals.nats_url),
            ("namespace", &globals.namespace),
        ];
        let overrides: Vec<(&str, String)> = flags
            .into_iter()
            .filter_map(|(key, flag)| flag.clone().map(|value| (key, value)))
            .collect();
        let file = globals.config.as_deref().filter(|file| !file.is_empty());
        let config = Config::load_with(file, &overrides)?;
        let namespace = Namespace::new(&config.namespace)
            .map_err(|error: NameError| Problem::usage(error.to_string()))?;
        Ok(Self {
            client: config.client().await?,
            namespace,
            out: Out {
                format: globals.output,
            },
        })
    }

    /// What is known of an id. One that nobody knows is looked for a little longer: whoever has
    /// just submitted it must find it.
    pub(crate) async fn find(&self, id: &InvocationId) -> Result<Known, Problem> {
        let mut looked = Duration::ZERO;
        loop {
            match self.client.state(id).await {
                Err(ClientError::NotFound(_)) => {}
                found => return Ok(Known::State(Box::new(found?))),
            }
            match self.client.why(id).await {
                Err(ClientError::NotFound(_)) if looked < UNDER_WAY => {}
                why => return Ok(Known::Submitted(why?)),
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            looked += LOOK_PAUSE;
        }
    }
}
