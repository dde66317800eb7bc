//! The reply subject of a delivery: it tells what was delivered, and takes the answer.
//!
//! `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`, or with
//! `<domain>.<account hash>` before the stream and possibly a token of the server's after the end
//! (ADR-15).

use async_nats::Message;
use headwater_store::Delivery;
use headwater_wire::Timestamp;

/// What a reply subject tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) deliveries: u64,
    pub(crate) seq: u64,
    pub(crate) consumer_seq: u64,
    pub(crate) stored_at: Timestamp,
    pub(crate) pending: u64,
}

impl Ack {
    /// Read a reply subject; none if it is none of a delivery.
    pub(crate) fn parse(reply: &str) -> Option<Self> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        let before_numbers = if rest.split('.').count() >= 9 { 4 } else { 2 };
        let mut numbers = rest.split('.').skip(before_numbers).map(str::parse::<u64>);
        let mut number = || numbers.next()?.ok();
        Some(Self {
            deliveries: number()?,
            seq: number()?,
            consumer_seq: number()?,
            stored_at: Timestamp::from_micros(i64::try_from(number()? / 1_000).ok()?),
            pending: number()?,
        })
    }
}

/// A message of a pull consumer as a delivery; none if it is not one.
pub(crate) fn delivery(message: Message) -> Option<Delivery> {
    let reply = message.reply?;
    let ack = Ack::parse(&reply)?;
    Some(Delivery {
        subject: message.subject.as_str().to_owned(),
        body: message.payload,
        seq: ack.seq,
        deliveries: ack.deliveries,
        stored_at: ack.stored_at,
        token: reply.as_str().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let ack = Ack {
            deliveries: 3,
            seq: 120,
            consumer_seq: 57,
            stored_at: Timestamp::from_micros(1_700_000_000_000_000),
            pending: 4,
        };
        for reply in [
            "$JS.ACK.COMMANDS.processor-1.3.120.57.1700000000000000000.4",
            "$JS.ACK.hub.Gx7.COMMANDS.processor-1.3.120.57.1700000000000000000.4",
            "$JS.ACK._.Gx7.COMMANDS.processor-1.3.120.57.1700000000000000000.4.r4nd",
        ] {
            assert_eq!(Ack::parse(reply), Some(ack), "{reply}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for reply in [
            "",
            "_INBOX.a.b",
            "$JS.ACK.a.b.c",
            "$JS.ACK.COMMANDS.processor-1.3.x.57.1700000000000000000.4",
        ] {
            assert_eq!(Ack::parse(reply), None, "{reply}");
        }
    }
}
