use super::*;
use crate::record::{Ended, Intent, Owner};
use sluicegate_ledger::PriceVersion;
use sluicegate_vocabulary::{EndReason, Money};
use smallvec::SmallVec;

fn intent(call: u64, attempt: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let (held, expected, price) = (Money::ZERO, Money::ZERO, PriceVersion(1));
    let (owner, at_ms) = (Owner::default(), 0);
    Intent {
        call,
        attempt,
        at_ms,
        owner,
        request_id: "r",
        provider: "p",
        upstream: "u",
        held,
        expected,
        price,
        repeat: None,
    }
    .write(&mut out);
    out
}

fn ended(call: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Ended {
        call,
        at_ms: 0,
        owner: Owner::default(),
        request_id: "r",
        end: EndReason::Done,
        status: 200,
        stream: false,
        cache_hit: false,
        attempts: 2,
        queued_us: 0,
        first_us: 0,
        total_us: 0,
        charges: SmallVec::new(),
        saved: Money::ZERO,
        repeat: None,
    }
    .write(&mut out);
    out
}

fn calls(open: &Open) -> Vec<(u64, u16)> {
    open.records().map(|record| intent_of(record).unwrap()).collect()
}

#[test]
fn what_is_open_is_what_began_and_has_not_ended_over_any_number_of_batches() {
    let [a, b, b2, c] = [intent(1, 0), intent(2, 0), intent(2, 1), intent(3, 0)];
    let mut first = Batch::of(1, Vec::new());
    for (number, record) in [&b2, &a, &b].into_iter().enumerate() {
        first.take(number as u64, record, |_| false).unwrap();
    }
    let open = Open::default().after(&first).unwrap();
    assert_eq!(calls(&open), [(1, 0), (2, 0), (2, 1)]);
    let nothing = Batch::of(0, Vec::new());
    assert!(open.after(&nothing).is_none());
    let mut second = Batch::of(1, Vec::new());
    second.ended = [2, 9].into_iter().collect();
    second.take(3, &c, |_| false).unwrap();
    let open = open.after(&second).unwrap();
    assert_eq!(calls(&open), [(1, 0), (3, 0)]);
    assert_eq!(calls(&Open::read(open.bytes().to_vec())), [(1, 0), (3, 0)]);
    let mut last = Batch::of(1, Vec::new());
    last.ended = [1, 3].into_iter().collect();
    let open = open.after(&last).unwrap();
    assert!(open.bytes().is_empty());
}

#[test]
fn a_call_that_was_tried_again_in_the_batch_of_its_end_leaves_nothing_open() {
    let (begun, again, end) = (intent(2, 0), intent(2, 1), ended(2));
    let mut first = Batch::of(1, Vec::new());
    first.take(0, &begun, |_| false).unwrap();
    let open = Open::default().after(&first).unwrap();
    let mut second = Batch::of(2, Vec::new());
    second.take(1, &again, |_| false).unwrap();
    second.take(2, &end, |_| false).unwrap();
    assert!(calls(&open.after(&second).unwrap()).is_empty());
}

#[test]
fn no_bytes_are_too_odd() {
    for bytes in [vec![], vec![1], vec![255; 9], [vec![3, 0, 0, 0], vec![9; 3], vec![7; 3]].concat()] {
        assert!(calls(&Open::read(bytes)).is_empty());
    }
}
