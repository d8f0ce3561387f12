use super::*;

fn groups(calls: &str) -> Vec<Pair> {
    let mut open = Pairing::default();
    calls
        .chars()
        .filter_map(|call| open.add(if call.is_lowercase() { Arm::Old } else { Arm::New }, f64::from(u32::from(call))))
        .collect()
}

#[test]
fn every_new_call_is_compared_with_the_old_ones_of_its_time() {
    let found = groups("aaaaBaaaaC");
    assert_eq!(found.iter().map(|pair| pair.new).collect::<Vec<_>>(), [f64::from(b'B'), f64::from(b'C')]);
    assert!(found.iter().all(|pair| pair.old == f64::from(b'a') && pair.one_old == f64::from(b'a')));
}

#[test]
fn with_equal_shares_no_call_is_lost_to_the_order_they_come_in() {
    assert_eq!(groups("aaAAaAAa").len(), 4);
    assert_eq!(groups("AAAaaa").len(), 3);
}

#[test]
fn at_no_share_do_calls_of_the_new_side_wait_for_old_ones_in_vain() {
    for share in [0.05, 0.2, 0.4, 0.45, 0.5] {
        let mut random = fastrand::Rng::with_seed(7);
        let mut open = Pairing::default();
        let (mut new, mut groups) = (0, 0);
        while new < 2_000 {
            let arm = if random.f64() < share { Arm::New } else { Arm::Old };
            new += u32::from(arm == Arm::New);
            groups += u32::from(open.add(arm, 0.0).is_some());
        }
        assert!(groups >= 1_850, "{groups} of 2,000 at {share}");
    }
}

#[test]
fn calls_that_wait_are_bounded_and_the_oldest_go() {
    let mut open = Pairing::default();
    (0..1_000).for_each(|i| assert_eq!(open.add(Arm::Old, f64::from(i)), None));
    assert_eq!(open.old.len(), WAITING);
    let pair = open.add(Arm::New, 1.0).unwrap();
    assert!(pair.old > 871.0, "{pair:?}");
}
