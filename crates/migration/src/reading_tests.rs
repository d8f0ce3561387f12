use super::*;
use crate::{Arm, Evidence, Observation, Percentile};
use std::time::Duration;

fn reading(limit: Limit) -> Reading {
    let mut evidence = Evidence::new(&[Guard::new(Metric::Errors, limit)]);
    for i in 0..2_000_u32 {
        evidence.observe(Arm::Old, &Observation { failed: i % 100 == 0, ..Observation::default() });
        evidence.observe(Arm::New, &Observation { failed: i % 10 == 5, ..Observation::default() });
    }
    evidence.readings()[0]
}

#[test]
fn a_sentence_says_what_is_compared_how_sure_one_is_and_what_follows() {
    assert_eq!(
        reading(Limit::MaxIncrease(0.01)).sentence(),
        "error rate 10.0 % instead of 1.0 %, a change of +9.0 pp (95 % interval +6.0 … +12.5, 2000 new and 2000 old calls): \
         certainly beyond the limit of +1 pp"
    );
    let told = reading(Limit::Max(0.5)).sentence();
    assert!(
        told.starts_with("error rate 10.0 % (95 % interval 7.7 % … 12.7 %")
            && told.ends_with("certainly within the limit of 50 %"),
        "{told}"
    );
}

#[test]
fn what_has_no_interval_yet_says_so() {
    let mut evidence = Evidence::new(&[Guard::new(Metric::FirstToken(Percentile::P95), Limit::MaxIncrease(0.25))]);
    for arm in [Arm::Old, Arm::New] {
        evidence.observe(arm, &Observation { first_token: Some(Duration::from_millis(50)), ..Observation::default() });
    }
    let told = evidence.readings()[0].sentence();
    assert!(told.contains("(too few for an interval, 1 new and 1 old calls): not decided"), "{told}");
}

#[test]
fn amounts_are_written_as_people_write_them() {
    assert_eq!(Amount::Share.value(0.0081), "0.8 %");
    assert_eq!(Amount::Millis.value(839.6), "840 ms");
    assert_eq!(Amount::Millis.value(12_345.0), "12.3 s");
    assert_eq!(Amount::Dollars.value(0.00412), "$0.0041");
    assert_eq!(Amount::Dollars.value(3.0), "$3.00");
    assert_eq!(Amount::Share.change(-0.006), "−0.6 pp");
    assert_eq!(Amount::Share.change(-0.000_01), "+0.0 pp");
    assert_eq!(Amount::Millis.change(0.0833), "+8 %");
}
