//! What an invocation sends to others: commands, which are tried until they are acknowledged, and
//! hints, which nobody awaits.

use std::sync::Arc;

use bytes::Bytes;
use headwater_store::{Bucket, Env, Message, Read, Store, StoreError};
use headwater_wire::{
    Partition, Value, limits,
    names::{Address, DEFAULT_QUEUE, Hint},
    send::{Recipient, Sent},
    topology::Topology,
};

use crate::emit::{Backoff, publish};

/// Send it. A command is stored once this returns.
pub(crate) async fn emit_sent(store: &Arc<dyn Store>, env: &Arc<dyn Env>, sent: Sent) {
    match sent {
        Sent::Command { to, command } => {
            let to = address(store, env, &to).await;
            let body = headwater_wire::Command::from(command).encode();
            publish(store, env, Message::Command { to, body }).await;
        }
        Sent::Stop { topic, stop } => {
            let subject = store.hint_subject(Hint::Stop(&topic));
            store.hint(&subject, stop.encode()).await;
        }
        Sent::Event { topic, data } => {
            let subject = store.hint_subject(Hint::Event(&topic));
            let body = Bytes::copy_from_slice(data.bytes());
            store.hint(&subject, body).await;
        }
        Sent::Answer { inbox, answer } => store.hint(&inbox, answer.encode()).await,
    }
}

/// Where a command goes, found out until it is.
async fn address(store: &Arc<dyn Store>, env: &Arc<dyn Env>, to: &Recipient) -> Address {
    let mut backoff = Backoff::new("finding out where a command goes");
    loop {
        match look_up(store, to).await {
            Ok(address) => return address,
            Err(error) => backoff.wait(env, &error).await,
        }
    }
}

/// As the sender says; else as the recipient's value says; else by its hash.
async fn look_up(store: &Arc<dyn Store>, to: &Recipient) -> Result<Address, StoreError> {
    if let Some(address) = to.address() {
        return Ok(address);
    }
    let unreadable = |what: &str, error: &dyn std::fmt::Display| {
        StoreError::Refused(format!("{what} cannot be read: {error}"))
    };
    let key = to.key.clone();
    if !key.is_built_in() {
        let record = store.get(Bucket::State, key.as_str(), Read::Any).await?;
        if let Some(record) = record {
            let (value, _) =
                Value::decode(&record.value).map_err(|e| unreadable("the value", &e))?;
            return Ok(Address {
                queue: value.queue,
                partition: value.partition,
                key,
            });
        }
    }
    let queue = to.queue.as_deref().unwrap_or(DEFAULT_QUEUE).to_owned();
    let record = store
        .get(Bucket::Config, &Topology::key(&queue), Read::Any)
        .await?;
    let partitions = match record {
        // No engine has served this queue yet; the first one takes these over.
        None => limits::PARTITIONS_DEFAULT,
        Some(record) => {
            let topology = Topology::decode(&record.value);
            topology
                .map_err(|e| unreadable("the topology", &e))?
                .partitions
        }
    };
    let hashed = to.hashed().map_err(|e| unreadable("the key", &e))?;
    let partition = to
        .partition
        .unwrap_or_else(|| Partition::of(&hashed, partitions));
    Ok(Address {
        queue,
        partition,
        key,
    })
}
