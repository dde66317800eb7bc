//! How many bytes the parts of a signal box take as they are stored, at the most.

use headwater_wire::{
    Payload,
    names::Address,
    signal_box::{Await, KeptSignal, Over, Served, SignalBoxValue, Taken},
};

/// Names of fields, numbers and times of one entry, whichever.
const ENTRY: usize = 160;

/// A text in JSON.
pub(super) fn text(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// As base64: JSON that looks as if it were wrapped is written so too.
fn data(data: &Payload) -> usize {
    let encoding = match data {
        Payload::Json(_) => 0,
        Payload::Other { encoding, .. } => text(encoding),
    };
    data.bytes().len().div_ceil(3) * 4 + encoding
}

pub(super) fn of_signal(id: &str, of: &Payload) -> usize {
    ENTRY + text(id) + data(of)
}

pub(super) fn signal(signal: &KeptSignal) -> usize {
    of_signal(&signal.id, &signal.data)
}

pub(super) fn served(served: &Served) -> usize {
    signal(&served.signal)
}

pub(super) fn wait(wait: &Await) -> usize {
    ENTRY + text(wait.invocation.as_str()) + text(&wait.queue)
}

/// The outcome of a step.
pub(super) fn sent(to: &Address, of: &Payload) -> usize {
    ENTRY + 40 + to.key.as_str().len() + text(&to.queue) + data(of)
}

pub(super) fn taken(taken: &Taken) -> usize {
    50 + text(&taken.id)
}

fn over(_: &Over) -> usize {
    100
}

/// What stays when nothing that was given can come back any more.
pub(super) fn all_but_served(value: &SignalBoxValue) -> usize {
    let signals = value.signals.iter().map(signal).sum::<usize>();
    let waiting = value.waiting.iter().map(wait).sum::<usize>();
    let taken = value.taken.iter().map(taken).sum::<usize>();
    let over = value.over.iter().map(over).sum::<usize>();
    signals + waiting + taken + over
}
