use super::*;

#[test]
fn objectives_are_read_with_their_units() {
    let step = Step { ok: 99, limited: 1, first_token: Times::of(vec![100.0, 200.0, 900.0]), ..Step::default() };
    for (text, holds) in [
        ("ttft_p95<1s", true),
        ("ttft_p95 < 900ms", false),
        ("ttft_p50<0.3s", true),
        ("error_rate<2%", true),
        ("error_rate<0.01", false),
        ("total_p99<1s", false),
    ] {
        assert_eq!(text.parse::<Objective>().unwrap().holds(&step), holds, "{text}");
    }
    for text in ["", "ttft_p95", "ttft_p95<", "ttft_p95<-1s", "speed<1s", "ttft_p95<1h"] {
        assert!(text.parse::<Objective>().is_err(), "{text}");
    }
}

#[test]
fn percentiles_are_those_of_the_times_themselves() {
    let times = Times::of((1..=100).map(f64::from).collect()).unwrap();
    assert_eq!((times.p50, times.p95, times.p99, times.max), (50.0, 95.0, 99.0, 100.0));
    assert_eq!(Times::of(Vec::new()), None);
}
