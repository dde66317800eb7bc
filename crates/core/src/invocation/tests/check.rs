//! A stored journal is checked against the workflow that wrote it and against others.

use super::*;

/// An order that pays and then waits for its receipt; `pay` is what the build calls the activity.
fn order(pay: &'static str, thanks: &'static str) -> std::sync::Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, item: String| async move {
        let price: u32 = ctx.run("price", || async { Ok::<_, Error>(7) }).await?;
        let paid: String = ctx.activity(pay, &(item, price)).await?;
        let receipt: String = ctx.signal("receipt").await?;
        Ok::<_, Error>(format!("{thanks}, {paid}: {receipt}"))
    })
}

impl Driver {
    /// Check what is stored now.
    fn check(&self, workflow: &dyn Workflow) -> Result<Checked, CheckError> {
        Invocation::check(self.turns.last().unwrap(), self.run_pages(), workflow)
    }

    #[track_caller]
    fn differs(&self, workflow: &dyn Workflow) -> (u32, String, String, String) {
        let Err(CheckError::Differs(mismatch)) = self.check(workflow) else {
            panic!("it should differ");
        };
        let first = mismatch.difference.into_iter().next().unwrap();
        (first.step, first.field, first.journal, first.program)
    }
}

fn text(fields: (u32, &str, &str, &str)) -> (u32, String, String, String) {
    (fields.0, fields.1.into(), fields.2.into(), fields.3.into())
}

#[test]
fn a_journal_agrees_with_its_own_build_wherever_it_stands() {
    let own = order("pay", "Thanks");
    let mut driver = Driver::begin(own.clone(), "\"tea\"");
    let agrees = |driver: &Driver, entries, ended| {
        let checked = driver.check(own.as_ref()).unwrap();
        assert_eq!(checked, Checked { entries, ended });
    };
    agrees(&driver, 1, false);
    driver.run_locals();
    agrees(&driver, 3, false);
    driver.outcome(2, 1, Ok("\"paid\""));
    agrees(&driver, 5, false);
    driver.signal("s", "receipt", "\"no. 5\"");
    assert_eq!(driver.status(), Status::Completed);
    agrees(&driver, 6, true);
}

#[test]
fn a_build_that_decides_otherwise_is_told_field_by_field() {
    let (other, own) = (order("charge", "Thanks"), order("pay", "Thanks"));
    let mut driver = Driver::begin(own, "\"tea\"");
    assert!(driver.check(other.as_ref()).is_ok(), "up to here it agrees");
    driver.run_locals();
    let difference = text((2, "name", "\"pay\"", "\"charge\""));
    assert_eq!(driver.differs(other.as_ref()), difference);
    driver.outcome(2, 1, Ok("\"paid\""));
    driver.signal("s", "receipt", "\"no. 5\"");
    assert_eq!(
        driver.differs(other.as_ref()),
        difference,
        "also when ended"
    );
}

#[test]
fn a_build_that_goes_on_or_ends_otherwise_differs() {
    let mut driver = Driver::begin(order("pay", "Thanks"), "\"tea\"");
    driver.run_locals();
    let ends_early = async_workflow(|ctx: Context, _: String| async move {
        ctx.run("price", || async { Ok::<_, Error>(7) }).await
    });
    let (step, field, journal, program) = driver.differs(ends_early.as_ref());
    assert_eq!((step, field.as_str()), (2, "decision"));
    assert!(journal.contains("pay") && program == "the workflow returned");
    driver.outcome(2, 1, Ok("\"paid\""));
    driver.signal("s", "receipt", "\"no. 5\"");
    let said = driver.differs(order("pay", "Cheers").as_ref());
    let expected = (
        0,
        "output",
        "\"Thanks, paid: no. 5\"",
        "\"Cheers, paid: no. 5\"",
    );
    assert_eq!(said, text(expected));
    let goes_on = async_workflow(|ctx: Context, item: String| async move {
        let price: u32 = ctx.run("price", || async { Ok::<_, Error>(7) }).await?;
        let paid: String = ctx.activity("pay", &(item, price)).await?;
        let receipt: String = ctx.signal("receipt").await?;
        ctx.sleep(Duration::from_secs(9)).await?;
        Ok::<_, Error>(format!("Thanks, {paid}: {receipt}"))
    });
    let (_, field, journal, program) = driver.differs(goes_on.as_ref());
    assert_eq!((field.as_str(), program.as_str()), ("end", "it goes on"));
    assert_eq!(journal, "the workflow returned");
}

#[test]
fn failures_and_cancels_are_checked_to_their_end() {
    let build = |cleans_up: bool| {
        async_workflow(move |ctx: Context, (): ()| async move {
            let answer = ctx.signal::<String>("go").await;
            if cleans_up && answer.is_err() {
                let undo = ctx.run("undo", || async { Ok::<_, Error>(()) });
                ctx.shield(undo).await?;
            }
            answer
        })
    };
    let mut driver = Driver::begin(build(false), "null");
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "enough".into(),
    }));
    assert_eq!(driver.status(), Status::Cancelled);
    assert!(driver.check(build(false).as_ref()).unwrap().ended);
    let (_, field, _, program) = driver.differs(build(true).as_ref());
    assert_eq!((field.as_str(), program.as_str()), ("end", "it goes on"));
}

#[test]
fn one_that_was_ended_from_outside_is_checked_up_to_there() {
    let mut driver = Driver::begin(order("pay", "Thanks"), "\"tea\"");
    driver.run_locals();
    let reason = Failure::fatal(Code::TOO_LARGE, "its state would pass the limit");
    driver.invocation.fail(reason, &[], driver.now);
    driver.store();
    assert_eq!(driver.status(), Status::Failed);
    assert!(driver.check(order("pay", "Thanks").as_ref()).unwrap().ended);
    driver.differs(order("charge", "Thanks").as_ref());
}

#[test]
fn one_that_never_ran_says_nothing_about_a_build() {
    let workflow = order("pay", "Thanks");
    let mut never = Invocation::create(start("1"), birth());
    never.fail(
        Failure::fatal(Code::UNREGISTERED, "nobody has it"),
        &[],
        birth().at,
    );
    let turn = never.prepare(birth().at, "e-0".into()).unwrap();
    let checked = Invocation::check(&turn.value, &[] as &[&[u8]], workflow.as_ref()).unwrap();
    assert_eq!(
        checked,
        Checked {
            entries: 0,
            ended: true
        }
    );
}

#[test]
fn what_is_no_journal_is_told() {
    let workflow = order("pay", "Thanks");
    let error = Invocation::check(b"{}", &[] as &[&[u8]], workflow.as_ref()).unwrap_err();
    assert!(matches!(error, CheckError::Load(_)), "{error}");
}
