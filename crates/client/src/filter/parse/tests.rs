use headwater_wire::{Payload, Value};
use serde_json::json;

use super::*;

const NOW: &str = "2026-11-21T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An order that failed: created yesterday, ended two hours ago.
fn failed_order() -> Value {
    let value = json!({
        "format": 1,
        "id": "order 7",
        "workflow": "order",
        "version": "1.2.0",
        "status": "failed",
        "why": "",
        "pending": 0,
        "partition_key": "ada",
        "queue": "default",
        "partition": 1,
        "created_at": "2026-11-20T12:00:00Z",
        "updated_at": "2026-11-21T10:00:00Z",
        "ended_at": "2026-11-21T10:00:00Z",
        "input": null,
        "search": {"total": 10, "city": "Aix", "zip": "01234", "paid": false, "rate": 0.5},
        "run": "1.0",
        "asker": {"request": "r"},
        "turn": {"number": 1, "id": "t", "roots": []},
    });
    serde_json::from_str(&value.to_string()).unwrap()
}

fn fits(text: &str) -> bool {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    filter.fits(&failed_order(), time(NOW))
}

#[test]
fn what_holds_fits() {
    for text in [
        "status=failed",
        "status = failed AND workflow != refund",
        "status in (completed, failed)",
        "id='order 7'",
        "id = order 7 and key = ada",
        "parent = null",
        "key != null",
        "version in ('1.2.0', '1.3.0')",
        "created < 2h ago",
        "created < 2026-11-21",
        "created = 2026-11-20T12:00:00Z",
        "created > 1 week ago and ended <= 2 hours ago",
        "updated>=2026-11-21T10:00:00Z",
        "search.total=10",
        "search.total>=10 and search.total<=10.0",
        "search.total>9.5",
        "search.total<11",
        "search.total in (7, 10)",
        "search.rate<1",
        "search.city>Aachen",
        "search.city='Aix'",
        "search.zip=01234",
        "search.paid=false",
        "search.none=null",
        "search.total!=null",
        "search.none!=7",
        "\"search.total\" = 10",
    ] {
        assert!(fits(text), "{text}");
    }
}

#[test]
fn what_does_not_hold_does_not_fit() {
    for text in [
        "status!=failed",
        "status=failed and workflow=refund",
        "status in (completed, running)",
        "key=null",
        "parent=order",
        // The word, not nothing.
        "key='null'",
        "created > 2h ago",
        "ended < 2h ago",
        "ended < 2h ago and status=failed",
        "search.total>10",
        "search.total<10",
        "search.total!=10",
        // A text is not a number.
        "search.total='10'",
        "search.zip=1234",
        "search.city<7",
        "search.paid>false",
        "search.none=7",
        "search.none<7",
        "search.none in (7)",
    ] {
        assert!(!fits(text), "{text}");
    }
    let mut running = failed_order();
    running.ended_at = None;
    for text in ["ended < 1h ago", "ended > 1h ago", "ended != 2026-11-21"] {
        let filter = Filter::parse(text).unwrap();
        assert!(!filter.fits(&running, time(NOW)), "{text}");
    }
}

#[test]
fn large_whole_numbers_are_compared_exactly() {
    let mut value = failed_order();
    let large = Payload::encode(&9_007_199_254_740_993_u64).unwrap();
    value.search.insert("total".to_owned(), large);
    let fits = |text: &str| Filter::parse(text).unwrap().fits(&value, time(NOW));
    assert!(fits("search.total > 9007199254740992"));
    assert!(!fits("search.total = 9007199254740992"));
}

#[test]
fn what_is_no_filter_is_refused_with_the_mend() {
    for (text, mend) in [
        ("", "status=failed"),
        ("status=failed and", "status=failed"),
        ("status", "use = != < <= > >= or in"),
        ("status=", "a value is missing"),
        ("status=done", "completed"),
        ("status>failed", "use = != or in"),
        ("workflow<=order", "use = != or in"),
        ("total>=10", "search.<attribute>"),
        ("search.=10", "search.<attribute>"),
        ("created<yesterday", "2h ago"),
        ("created<2h", "2h ago"),
        ("created in (2026-11-21)", "use < <= > or >="),
        ("status=failed or status=parked", "not a status"),
        ("status=failed workflow", "not a status"),
        ("workflow=order status=failed", "expected \"and\""),
        ("status='failed' 'x'", "expected \"and\""),
        ("status in failed", "in (a, b)"),
        ("status in (failed", "not closed"),
        ("status in ()", "a value is missing"),
        ("id='order 7", "not closed"),
        ("id ! 7", "!="),
        ("=failed", "expected a field"),
    ] {
        let error = Filter::parse(text).unwrap_err().to_string();
        assert!(error.contains(mend), "{text}: {error}");
    }
}

#[test]
fn what_is_built_is_what_is_written() {
    let built = Filter::new()
        .workflow("order")
        .created_before(time(NOW))
        .ended_before(time(NOW))
        .and(Filter::new().search("city", Operator::IsNot, "Aix"));
    let text = format!("workflow=order and created<{NOW} and ended<{NOW} and search.city!=Aix");
    assert_eq!(Filter::parse(&text).unwrap(), built);
}
