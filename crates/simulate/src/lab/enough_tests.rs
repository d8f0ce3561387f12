use super::{Enough, enough};
use crate::lab::call::{Kinds, Size};
use crate::lab::provider::Provider;
use crate::lab::relay::{Concerns, Relay, Rule};
use crate::lab::run::{Control, Experiment};
use crate::lab::traffic::{Offered, Shape, Spacing, Traffic};
use sluicegate_flow::{Kind, Label, Mode, Quota, Scope};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Ten calls a second of a hundred tokens, as even as a clock, against these limits per second.
fn needed(requests: u64, tokens: u64) -> Option<Enough> {
    let rule = |kind, set| Rule {
        label: Label::new(Scope::Overall, "all"),
        kind,
        quota: Quota::window(set, SECOND),
        concerns: Concerns::All,
    };
    let ingress = vec![rule(Kind::Requests, requests), rule(Kind::Tokens, tokens)];
    let kinds = Kinds { tokens_in: Size::Fixed(60), tokens_out: Size::Fixed(40), ..Kinds::default() };
    let traffic = Traffic::new(Shape::Steady { rate: 10.0 }, 60 * SECOND);
    let experiment = Experiment {
        offered: Offered::Generated(Traffic { spacing: Spacing::Even, kinds, ..traffic }),
        provider: Provider::default(),
        control: Control::Relay(Box::new(Relay { ingress, mode: Mode::Strict, ..Relay::default() })),
        seed: 1,
    };
    enough(&experiment, &experiment.run())
}

#[test]
fn nothing_is_needed_where_nobody_is_refused() {
    assert_eq!(needed(20, 2000), None);
}

#[test]
fn the_smallest_limit_that_refuses_nobody_is_found() {
    let enough = needed(5, 100_000).unwrap();
    assert_eq!(enough.limits.len(), 1);
    // Ten a second, and what the window counts beyond its second.
    let [needed] = &enough.limits[..] else { panic!("one limit") };
    assert_eq!((needed.limit.as_str(), needed.is), ("overall:all requests_per_second", 5));
    assert!((10..=11).contains(&needed.enough), "{needed:?}");
}

#[test]
fn where_another_limit_binds_next_both_are_raised() {
    let enough = needed(5, 800).unwrap();
    let names: Vec<&str> = enough.limits.iter().map(|needed| needed.limit.as_str()).collect();
    assert_eq!(names, ["overall:all requests_per_second", "overall:all tokens_per_second"]);
    assert!((2.0..2.3).contains(&enough.factor), "{}", enough.factor);
}
