//! What an invocation sends to others: commands, which are tried until they are acknowledged, and
//! hints, which nobody awaits.

use bytes::Bytes;
use headwater_store::{Message, StoreError, address::AddressError};
use headwater_wire::{
    names::{Address, Hint},
    send::{Recipient, Sent},
};

use crate::{
    emit::{Backoff, publish},
    router::Shared,
};

/// Send it. A command is stored once this returns.
pub(crate) async fn emit_sent(shared: &Shared, sent: Sent) {
    let store = &shared.store;
    match sent {
        Sent::Command { to, command } => {
            let to = address(shared, &to).await;
            let body = headwater_wire::Command::from(command).encode();
            publish(store, &shared.env, Message::Command { to, body }).await;
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
async fn address(shared: &Shared, to: &Recipient) -> Address {
    let mut backoff = Backoff::new("finding out where a command goes");
    loop {
        let error = match shared.addresses.of(to).await {
            Ok(address) => return address,
            Err(AddressError::Store(error)) => error,
            Err(unreadable) => StoreError::Refused(unreadable.to_string()),
        };
        backoff.wait(&shared.env, &error).await;
    }
}
