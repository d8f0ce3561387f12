use super::{classes, comparison, comparison_by_class, grouped, plot, refusals, span};
use crate::lab::call::ByClass;
use crate::lab::{Ceiling, Control, Counted, Experiment, Form, Offered, Provider, Report, Shape, Traffic};
use std::time::Duration;

fn report() -> Report {
    let second = Duration::from_secs(1);
    let ceiling = Ceiling { counted: Counted::Requests, amount: 5, window: second, form: Form::Window };
    let provider = Provider { ceilings: vec![ceiling], ..Provider::default() };
    let traffic = Traffic::new(Shape::Steady { rate: 10.0 }, 60 * second);
    let control = Control::Semaphore { permits: 10, timeout: second };
    Report::of(&Experiment { offered: Offered::Generated(traffic), provider, control, seed: 1 }.run())
}

#[test]
fn a_table_has_a_line_for_each_class_and_no_line_breaks_in_numbers() {
    let text = classes(&report());
    let names: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["critical", "high", "normal", "low"]);
}

#[test]
fn refusals_are_counted_by_kind() {
    let report = report();
    let text = refusals(&report);
    assert!(text.contains(&format!("{} × 429 provider", report.refused["429 provider"])), "{text}");
    assert!(text.contains("504 deadline"), "{text}");
}

#[test]
fn a_comparison_has_a_line_for_each_control() {
    let report = report();
    let rows = [("one", &report), ("another", &report)];
    for text in [comparison(&rows, 5.0), comparison_by_class(&rows)] {
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().nth(2).unwrap().trim_start().starts_with("another"));
    }
}

#[test]
fn whoever_waited_at_all_shows_and_who_did_not_does_not() {
    let waits = [ByClass([0.0, 0.001, 1.0, 8.0]), ByClass([0.0, 0.0, 4.0, 0.0])];
    let text = plot(&waits, 60.0);
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], " critical │  │ 0");
    assert_eq!(rows[1], " high     │▁ │ 1.0 ms");
    assert_eq!(rows[2], " normal   │▁▄│ 4.0 s");
    assert_eq!(rows[3], " low      │█ │ 8.0 s");
    assert_eq!(plot(&[ByClass([0.0; 4])], 60.0), "");
}

#[test]
fn numbers_are_written_for_people() {
    assert_eq!([grouped(7), grouped(3600), grouped(1_234_567)], ["7", "3 600", "1 234 567"]);
    assert_eq!([0.0, 0.25, 12.4, 3400.0, 300_000.0].map(span), ["0", "0.2 ms", "12 ms", "3.4 s", "5.0 min"]);
}
