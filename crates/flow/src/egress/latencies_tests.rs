use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn recorded(ms: impl IntoIterator<Item = u64>) -> Latencies {
    let times = Latencies::new();
    ms.into_iter().for_each(|ms| times.record(Nanos(0), Duration::from_millis(ms)));
    times
}

#[test]
fn too_few_samples_say_nothing() {
    assert_eq!(recorded(1..20).within(Nanos(0), 0.5), None);
    assert!(recorded(1..21).within(Nanos(0), 0.5).is_some());
}

#[test]
fn samples_are_forgotten_within_a_minute() {
    let times = recorded([100; 50]);
    assert!(times.within(Nanos(59 * SECOND), 0.5).is_some());
    assert_eq!(times.within(Nanos(60 * SECOND), 0.5), None);
}

#[test]
fn what_was_usual_is_kept_until_something_else_is() {
    let times = recorded([100; 50]);
    let after = |seconds: u64| times.usually_within(Nanos(seconds * SECOND), 0.95).map(|it| it.as_millis() / 50);
    assert_eq!(after(3600), Some(2), "nothing came for an hour");
    (0..19).for_each(|_| times.record(Nanos(7200 * SECOND), Duration::from_secs(9)));
    assert_eq!(after(7300), Some(2), "too few to be usual");
    (0..20).for_each(|_| times.record(Nanos(7400 * SECOND), Duration::from_millis(300)));
    assert_eq!(after(9000), Some(6));
}

proptest! {
    #[test]
    fn an_answer_is_exact_to_a_sixteenth(mut ms in prop::collection::vec(1_u64..100_000, 20..200), part in 0.01_f64..1.0) {
        let read = recorded(ms.iter().copied()).within(Nanos(0), part).unwrap().as_secs_f64();
        ms.sort_unstable();
        let exact = ms[((ms.len() as f64 * part).ceil() as usize).max(1) - 1] as f64 / 1000.0;
        prop_assert!(read >= exact && read <= exact * 1.0626, "{read} for {exact}");
    }

    #[test]
    fn no_time_is_too_strange(times in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50), part in -1.0_f64..2.0) {
        let all = Latencies::new();
        for (now, took) in times {
            all.record(Nanos(now), Duration::from_nanos(took));
            let _ = all.within(Nanos(now), part);
        }
    }
}
