//! Any value of a signal box.

use headwater_wire::signal_box::{Await, KeptSignal, Over, Served, SignalBoxValue, Taken};
use proptest::{collection::vec, prelude::*};

use super::*;

pub(crate) fn value() -> BoxedStrategy<SignalBoxValue> {
    let signal = || {
        (text(), payload(), time()).prop_map(|(id, data, kept_until)| KeptSignal {
            id,
            data,
            kept_until,
        })
    };
    let step = || (run(), any::<u32>());
    let served = (step(), signal()).prop_map(|((run, step), signal)| Served { run, step, signal });
    let over = (step(), time()).prop_map(|((run, step), at)| Over { run, step, at });
    let taken = (text(), time()).prop_map(|(id, at)| Taken { id, at });
    let waiting = (id(), text(), partition(), step()).prop_map(
        |(invocation, queue, partition, (run, step))| Await {
            invocation,
            queue,
            partition,
            run,
            step,
        },
    );
    let kept = (
        vec(waiting, 0..2),
        vec(signal(), 0..2),
        vec(served, 0..2),
        vec(over, 0..2),
        vec(taken, 0..2),
        proptest::option::of(time()),
    );
    let texts = (text(), text(), text(), text());
    let rest = (partition(), time(), last_turn(), vec(sent(), 0..2));
    (texts, status(), kept, rest)
        .prop_map(|(texts, status, kept, rest)| SignalBoxValue {
            format: 1,
            program: texts.0,
            name: texts.1,
            status,
            why: texts.2,
            queue: texts.3,
            partition: rest.0,
            updated_at: rest.1,
            waiting: kept.0,
            signals: kept.1,
            served: kept.2,
            over: kept.3,
            taken: kept.4,
            withdrawn_at: kept.5,
            turn: rest.2,
            sends: rest.3,
        })
        .boxed()
}
