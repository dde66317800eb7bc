//! Replay of arbitrary journals: of random workflows under random inputs at every version that
//! was stored, of journals that were cut or changed, and under programs that were changed.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

#[path = "script/driver.rs"]
mod driver;
mod script;

use driver::{Driver, RETENTION, Version, moves};
use headwater_core::{
    Invocation, Machine as _, Placement, invocation::LoadError, invocation::Mismatch,
};
use headwater_wire::{
    Code, Command, Entry, Status, Value,
    command::Channel,
    journal::Lines,
    value::{JournalPart, Signals},
};
use proptest::{prelude::*, sample::Index};
use script::{Op, decided, script, workflow};

/// The value and all entries of a version.
fn opened(driver: &Driver, version: &Version) -> (Value, Vec<Entry>) {
    let (value, journal) = Value::decode(&version.bytes).unwrap();
    let mut entries = Vec::new();
    for page in &driver.pages[..version.pages] {
        entries.extend(Lines::from_page(page).unwrap().entries().unwrap());
    }
    entries.extend(journal.tail.entries().unwrap());
    (value, entries)
}

/// A value under way with just this journal, and nothing else that could be acted on.
fn with_journal(value: &Value, entries: &[Entry], partial: bool) -> Vec<u8> {
    let mut tail = Lines::default();
    for entry in entries {
        tail.push(entry).unwrap();
    }
    let steps = entries
        .iter()
        .filter(|entry| entry.is_decision() && !matches!(entry, Entry::Drop { .. }));
    let journal = JournalPart {
        steps: u32::try_from(steps.count()).unwrap(),
        entries: entries.len() as u64,
        tail,
        ..JournalPart::default()
    };
    let mut value = value.clone();
    value.status = Status::Running;
    (value.ended_at, value.output, value.error, value.cancel) = (None, None, None, None);
    value.anchors.clear();
    value.signals = Signals::default();
    value.turn.effects.clear();
    value.turn.partial = partial;
    value.encode(&journal).unwrap()
}

/// Why a stored invocation does not go on.
enum Refused {
    Load(LoadError),
    Attach(Box<Invocation>, Mismatch),
}

/// Load and replay. What comes through has decided what its journal says, no more and no less.
fn replay(
    bytes: &[u8],
    pages: &[Vec<u8>],
    program: &[Op],
    version: &Version,
) -> Result<Invocation, Refused> {
    let mut loaded =
        Invocation::load(bytes, version.revision, pages, RETENTION).map_err(Refused::Load)?;
    let (workflow, trace) = workflow(program);
    let made = workflow.instantiate(loaded.program_info());
    if let Err(mismatch) = loaded.attach(made, pages, version.now) {
        return Err(Refused::Attach(Box::new(loaded), mismatch));
    }
    let (told, journal) = (trace.taken(), decided(&loaded.entries(pages).unwrap()));
    assert!(
        told.starts_with(&journal),
        "the journal has {journal:?}, the program decided {told:?}"
    );
    assert!(
        loaded.value().turn.partial || told == journal,
        "more than the journal: {told:?}"
    );
    Ok(loaded)
}

/// What a turn has moved out of the value.
fn paged(page: Option<(u32, String)>) -> Vec<Vec<u8>> {
    page.into_iter()
        .map(|(_, page)| page.into_bytes())
        .collect()
}

fn sound(replayed: Result<Invocation, Refused>) -> Invocation {
    match replayed {
        Ok(invocation) => invocation,
        Err(Refused::Load(error)) => panic!("{error}"),
        Err(Refused::Attach(_, mismatch)) => panic!("{mismatch:?}"),
    }
}

/// A refusal has a reason that a person can act on.
fn check_reason(refused: &Refused) -> Result<(), TestCaseError> {
    match refused {
        Refused::Load(error) => prop_assert!(error.to_string().len() > 10, "{:?}", error),
        Refused::Attach(_, Mismatch { reason, difference }) => {
            prop_assert_eq!(&reason.code, &Code::NONDETERMINISM);
            prop_assert!(!difference.is_empty(), "{:?}", reason);
            for field in difference {
                prop_assert!(
                    !field.field.is_empty() && field.journal != field.program,
                    "{:?}",
                    field
                );
            }
        }
    }
    Ok(())
}

/// One thing that can be wrong with a journal.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Remove,
    Repeat,
    Swap,
    /// Another name, topic or input of a decision.
    Rename,
    /// Another number of a step.
    Renumber,
    /// A decision of another kind.
    OtherKind,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![
        Fault::Remove,
        Fault::Repeat,
        Fault::Swap,
        Fault::Rename,
        Fault::Renumber,
        Fault::OtherKind,
    ])
}

/// Whether the program must notice, and not only may.
fn put(fault: Fault, entries: &mut Vec<Entry>, at: usize) -> bool {
    match fault {
        Fault::Remove => {
            let removed = entries.remove(at);
            // The last decision, removed, leaves a program that wants more than there is.
            removed.is_decision()
        }
        Fault::Repeat => {
            entries.insert(at, entries[at].clone());
            !matches!(
                entries[at],
                Entry::Cancel { .. }
                    | Entry::Fired { .. }
                    | Entry::Granted { .. }
                    | Entry::Retry { .. }
            )
        }
        Fault::Swap => {
            let other = (at + 1) % entries.len();
            entries.swap(at, other);
            false
        }
        Fault::Rename => match &mut entries[at] {
            Entry::Run { name, .. } | Entry::Signal { name, .. } => {
                name.push('!');
                true
            }
            Entry::Activity {
                name,
                topic,
                input,
                step,
                ..
            } => {
                match *step % 3 {
                    0 => name.push('!'),
                    1 => topic.push('!'),
                    _ => *input = headwater_wire::Payload::null(),
                }
                true
            }
            _ => false,
        },
        Fault::Renumber => {
            let is_decision = entries[at].is_decision();
            match &mut entries[at] {
                Entry::Run { step, .. }
                | Entry::Activity { step, .. }
                | Entry::Timer { step, .. }
                | Entry::Signal { step, .. }
                | Entry::Drop { step, .. }
                | Entry::Done { step, .. }
                | Entry::Failed { step, .. }
                | Entry::Retry { step, .. }
                | Entry::Fired { step, .. }
                | Entry::Received { step, .. } => {
                    *step += 1;
                    is_decision
                }
                _ => false,
            }
        }
        Fault::OtherKind => {
            let step = entries[at].step().unwrap_or(1);
            let (name, is_decision) = ("other".to_owned(), entries[at].is_decision());
            entries[at] = match &entries[at] {
                Entry::Run { .. } => Entry::Signal {
                    step,
                    name,
                    channel: Channel::Signal,
                },
                _ => Entry::Run { step, name },
            };
            is_decision
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn a_fan_out_over_several_turns_replays_at_each(mut script in script(), moves in moves(), count in 257u16..300) {
        script.truncate(1);
        script.insert(0, Op::FanOut(count));
        let moves = &moves[..moves.len().min(6)];
        Driver::run(&script, false, moves);
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn every_stored_version_replays_and_goes_on_as_the_original(script in script(), queued in prop::bool::weighted(0.2), moves in moves()) {
        Driver::run(&script, queued, &moves);
    }

    #[test]
    fn a_journal_cut_anywhere_is_refused_or_is_its_own_beginning(script in script(), moves in moves(), version in any::<Index>(), cut in any::<Index>()) {
        let driver = Driver::run(&script, false, &moves);
        let version = version.get(&driver.versions);
        let (value, entries) = opened(&driver, version);
        let kept = cut.index(entries.len() + 1);

        // Where the value says that there may be more, it goes on exactly as it did.
        let mut loaded = sound(replay(&with_journal(&value, &entries[..kept], true), &[], &script, version));
        loaded.go_on(version.now);
        let decided_next = entries[kept..].iter().take_while(|entry| entry.is_decision()).count();
        if loaded.has_turn() {
            let turn = loaded.prepare(version.now, "again".into()).unwrap();
            let pages = paged(turn.page);
            let now_has = loaded.entries(&pages).unwrap();
            let all = kept + decided_next;
            prop_assert!(now_has.len() <= all || all == entries.len(), "{:?}", &now_has[all..]);
            let common = now_has.len().min(entries.len());
            prop_assert_eq!(&now_has[..common], &entries[..common]);
        }

        // Where it says that there is not, it is what was stored, or refused.
        match replay(&with_journal(&value, &entries[..kept], false), &[], &script, version) {
            Ok(_) => prop_assert!(decided_next == 0, "{:?}", entries.get(kept)),
            Err(refused) => check_reason(&refused)?,
        }
    }

    #[test]
    fn bytes_that_are_missing_are_noticed(script in script(), moves in moves(), version in any::<Index>(), cut in any::<Index>(), page in any::<Index>()) {
        let driver = Driver::run(&script, false, &moves);
        let version = version.get(&driver.versions);
        let mut pages = driver.pages[..version.pages].to_vec();
        let load = |bytes: &[u8], pages: &[Vec<u8>]| Invocation::load(bytes, version.revision, pages, RETENTION).map(drop);
        prop_assert!(load(&version.bytes, &pages).is_ok());
        let error = load(&version.bytes[..cut.index(version.bytes.len())], &pages).unwrap_err();
        prop_assert!(error.to_string().contains("not a Headwater value"), "{}", error);
        if !pages.is_empty() {
            let page = page.index(pages.len());
            let whole = pages[page].len();
            pages[page].truncate(cut.index(whole));
            prop_assert!(load(&version.bytes, &pages).unwrap_err().to_string().contains("not a journal"));
            pages.remove(page);
            prop_assert!(load(&version.bytes, &pages).unwrap_err().to_string().contains("contradicts itself"));
        }
    }

    #[test]
    fn a_changed_journal_is_refused_or_another_history_of_the_same_program(script in script(), moves in moves(), fault in fault(), version in any::<Index>(), at in any::<Index>()) {
        let driver = Driver::run(&script, false, &moves);
        let version = version.get(&driver.versions);
        let (value, mut entries) = opened(&driver, version);
        if entries.is_empty() {
            return Ok(());
        }
        let at = at.index(entries.len());
        let noticed = put(fault, &mut entries, at);
        let partial = value.turn.partial;
        match replay(&with_journal(&value, &entries, partial), &[], &script, version) {
            Ok(_) => prop_assert!(!noticed || partial, "{:?} at {}: {:?}", fault, at, entries),
            Err(refused) => check_reason(&refused)?,
        }
    }

    #[test]
    fn a_changed_program_is_parked_with_the_difference_and_the_right_one_resumes_it(one in script(), other in script(), moves in moves(), version in any::<Index>(), index in any::<Index>()) {
        let driver = Driver::run(&one, false, &moves);
        // Most have ended with the last.
        let version = &driver.versions[version.index(driver.versions.len().saturating_sub(1).max(1))];
        let (value, entries) = opened(&driver, version);
        if value.status.is_ended() {
            return Ok(());
        }
        // One thing is done otherwise.
        let mut program = one.clone();
        program[index.index(one.len())] = other[0].clone();
        let bytes = with_journal(&value, &entries, value.turn.partial);
        let Err(refused) = replay(&bytes, &[], &program, version) else {
            return Ok(());
        };
        check_reason(&refused)?;
        let Refused::Attach(mut parked, mismatch) = refused else {
            panic!("the journal is sound");
        };
        parked.park(mismatch.clone(), version.now);
        let turn = parked.prepare(version.now, "park".into()).unwrap();
        let stored = Version { revision: version.revision + 1, ..version.clone() };
        let (why, _) = Value::decode(&turn.value).unwrap();
        prop_assert_eq!(why.status, Status::Parked);
        prop_assert_eq!(why.parked.unwrap().difference, mismatch.difference);

        let mut pages = paged(turn.page);
        let mut resumed = sound(replay(&turn.value, &pages, &one, &stored));
        let resume = Command::Resume { id: "r".into() };
        prop_assert_eq!(resumed.place(&resume, 1_000, driver.now), Placement::Take);
        resumed.take(resume, 1_000, stored.now);
        let turn = resumed.prepare(stored.now, "resume".into()).unwrap();
        pages.extend(paged(turn.page));
        prop_assert!(resumed.value().parked.is_none());
        let after = resumed.entries(&pages).unwrap();
        prop_assert_eq!(&after[..entries.len()], &entries[..]);
    }
}
