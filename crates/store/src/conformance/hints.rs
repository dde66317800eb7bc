//! Hints: told to who listens, stored nowhere.

use bytes::Bytes;
use futures::stream::BoxStream;
use headwater_wire::names::Hint;

use super::{Bench, bytes, key, must};

impl Bench {
    async fn listen(&self, subject: &str) -> BoxStream<'static, Bytes> {
        must("listen", self.store.listen(subject).await)
    }
}

pub(super) async fn a_hint_reaches_who_listens(bench: Bench) {
    let (inbox, ended) = (
        bench.store.new_inbox(),
        bench.store.ended_subject(&key("a")),
    );
    assert_ne!(inbox, bench.store.new_inbox(), "an inbox is one's own");
    assert_ne!(ended, bench.store.ended_subject(&key("b")), "one a key");
    let event = bench.store.hint_subject(Hint::Event("a"));
    assert_ne!(
        event,
        bench.store.hint_subject(Hint::Stop("a")),
        "one a kind"
    );

    let mut one = bench.listen(&ended).await;
    let mut two = bench.listen(&ended).await;
    let mut own = bench.listen(&inbox).await;
    let mut events = bench.listen(&event).await;
    bench.store.hint(&ended, bytes("ended")).await;
    bench.store.hint(&inbox, bytes("reply 1")).await;
    bench.store.hint(&inbox, bytes("reply 2")).await;
    assert_eq!(bench.told("a hint", &mut one).await, "ended");
    assert_eq!(bench.told("a hint", &mut two).await, "ended");
    assert_eq!(bench.told("a reply", &mut own).await, "reply 1");
    assert_eq!(bench.told("a reply", &mut own).await, "reply 2");
    bench.store.hint(&event, bytes("event")).await;
    assert_eq!(bench.told("an event", &mut events).await, "event");
}

pub(super) async fn a_hint_that_nobody_hears_is_lost(bench: Bench) {
    let ended = bench.store.ended_subject(&key("a"));
    bench.store.hint(&ended, bytes("too early")).await;
    let first = bench.listen(&ended).await;
    drop(first);
    bench.store.hint(&ended, bytes("between two")).await;
    let mut listener = bench.listen(&ended).await;
    bench.store.hint(&ended, bytes("heard")).await;
    assert_eq!(bench.told("a hint", &mut listener).await, "heard");
}
