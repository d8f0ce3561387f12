use super::*;

#[test]
fn shares_outside_their_range_are_refused() {
    for wrong in ["-0.1", "1.1", "NaN", "inf", "x", ""] {
        assert!(share(wrong).is_err(), "{wrong}");
    }
    assert_eq!(share("0.25"), Ok(0.25));
}

#[test]
fn faults_are_named_with_either_kind_of_dash() {
    assert_eq!(fault("slow-headers=0.5"), Ok((Fault::SlowHeaders, 0.5)));
    assert_eq!(fault("slow_headers=1"), Ok((Fault::SlowHeaders, 1.0)));
    assert!(fault("slow").is_err() && fault("sluggish=0.5").is_err_and(|why| why.contains("malformed_chunk")));
}
