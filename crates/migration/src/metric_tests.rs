use super::*;

#[test]
fn every_metric_is_read_by_the_name_it_is_written_with() {
    for metric in Metric::all() {
        assert_eq!(metric.as_str().parse(), Ok(metric));
        assert!(!metric.title().is_empty());
    }
    assert!("eror_rate".parse::<Metric>().unwrap_err().to_string().contains("error_rate, "));
}

#[test]
fn guards_that_could_decide_nothing_are_refused() {
    assert!(Guard::defaults().iter().all(|guard| guard.check().is_ok()));
    let bad = [
        Guard { confidence: 1.0, ..Guard::new(Metric::Errors, Limit::Max(0.05)) },
        Guard { confidence: f64::NAN, ..Guard::new(Metric::Errors, Limit::Max(0.05)) },
        Guard::new(Metric::Errors, Limit::Max(0.0)),
        Guard::new(Metric::Errors, Limit::MaxIncrease(-0.01)),
        Guard::new(Metric::Cost, Limit::Max(0.0)),
        Guard::new(Metric::Cost, Limit::Max(f64::INFINITY)),
        Guard::new(Metric::Total(Percentile::P99), Limit::MaxIncrease(f64::NAN)),
    ];
    assert!(bad.iter().all(|guard| guard.check().is_err()));
}

#[test]
fn what_a_call_does_not_have_is_no_value() {
    let failure = Observation::failure();
    let values: Vec<_> = Metric::all().filter_map(|metric| metric.of(&failure)).collect();
    assert_eq!(values, [1.0]);
}
