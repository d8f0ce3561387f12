use super::*;
use crate::limits::Reasons;

#[test]
fn what_was_not_found_is_told_with_what_was_in_the_way() {
    let limits = Limits {
        concurrency: Bound::NoneUpTo(12.0),
        requests_per_minute: Bound::At(239.6),
        tokens_per_minute: Bound::Unknown,
        burst: None,
        because: Reasons {
            concurrency: Some(Because::Minute),
            requests_per_minute: None,
            tokens_per_minute: Some(Because::Allowance),
        },
    };
    assert_eq!(
        told(&limits),
        "Limits:    240 calls/min\n\
         Not found: a limit on calls at once; none below 12, as a limit by the minute refuses larger bursts\n\
         Not found: a limit on tokens a minute, as the allowance has no room to look further\n"
    );
    let requests_per_minute = Bound::Unknown;
    assert!(told(&Limits { requests_per_minute, ..limits }).starts_with("Limits:    none found\n"));
}

#[test]
fn what_was_let_through_is_never_told_as_more_than_it_was() {
    for (seen, limit, least) in [(1996.0, 2000.0, 1990.0), (185_499.0, 185_000.0, 185_000.0), (63.9, 64.0, 63.0)] {
        assert_eq!((rounded(seen), shortened(seen, f64::floor)), (limit, least));
    }
}
