use super::*;

fn percent(share: f64) -> Share {
    Share::percent(share).unwrap()
}

fn shares(plan: &Plan) -> Vec<f64> {
    plan.steps().iter().map(|step| step.share.fraction() * 100.0).collect()
}

#[test]
fn doubling_from_five_percent_ends_with_everything_after_forty() {
    let plan = Plan::double_every(percent(5.0), Duration::from_secs(6 * 3600), 0).unwrap();
    assert_eq!(shares(&plan), [5.0, 10.0, 20.0, 40.0, 100.0]);
    assert!(plan.steps()[..4].iter().all(|step| step.hold == Duration::from_secs(6 * 3600)));
}

#[test]
fn doubling_reaches_fifty_percent_where_the_start_leads_there() {
    assert_eq!(shares(&Plan::double_every(percent(25.0), Duration::ZERO, 0).unwrap()), [25.0, 50.0, 100.0]);
    assert_eq!(shares(&Plan::double_every(percent(60.0), Duration::ZERO, 0).unwrap()), [100.0]);
}

#[test]
fn a_step_over_one_half_is_the_last() {
    let plan = Plan::new([10.0, 50.0, 60.0, 80.0, 100.0].map(|share| Step::new(percent(share)))).unwrap();
    assert_eq!(shares(&plan), [10.0, 50.0, 100.0]);
}

#[test]
fn a_plan_that_stops_early_goes_on_to_everything() {
    let plan = Plan::new([Step::new(percent(1.0)), Step::new(percent(50.0)).approval()]).unwrap();
    assert_eq!(shares(&plan), [1.0, 50.0, 100.0]);
    assert!(plan.step(1).approval && !plan.step(2).approval);
}

#[test]
fn a_plan_that_shrinks_or_moves_nothing_is_refused() {
    let plan = |shares: &[f64]| Plan::new(shares.iter().map(|&share| Step::new(percent(share))));
    assert_eq!(plan(&[]).unwrap_err(), PlanError::Empty);
    assert_eq!(plan(&[0.0, 5.0]).unwrap_err(), PlanError::Nothing);
    assert_eq!(plan(&[5.0, 5.0]).unwrap_err(), PlanError::NotGrowing { step: 2, share: percent(5.0) });
    assert_eq!(plan(&[100.0, 5.0]).unwrap_err(), PlanError::NotGrowing { step: 2, share: percent(5.0) });
    assert_eq!(Plan::double_every(Share::NONE, Duration::ZERO, 0).unwrap_err(), PlanError::Nothing);
    assert!(Share::percent(100.1).is_err() && Share::percent(f64::NAN).is_err());
}

#[test]
fn a_replaced_plan_is_entered_where_nobody_moves_back() {
    let plan = Plan::double_every(percent(5.0), Duration::ZERO, 0).unwrap();
    assert_eq!(plan.standing_at(percent(12.0)), 2);
    assert_eq!(plan.standing_at(percent(10.0)), 1);
    assert_eq!(plan.standing_at(Share::ALL), 4);
}
