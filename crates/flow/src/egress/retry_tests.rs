use super::*;
use crate::egress::budget::RetryBudget;
use crate::egress::failover::FailoverBudget;
use AttemptResult::{
    AuthError, Broken, Cancelled, ClientError, Connect, Ok as Good, Overloaded, RateLimited, ServerError, Timeout,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn failed(result: AttemptResult) -> Failed {
    Failed {
        result,
        throttle: None,
        retry_after: None,
        should_retry: None,
        tries: 1,
        max_retries: 2,
        deadline: Nanos(30 * SECOND),
        waits_until: Nanos(u64::MAX),
        first_byte: Duration::from_secs(1),
        other_credential: false,
        other_candidate: false,
        bytes_sent: false,
        repeatable: true,
    }
}

const fn alone(own: &RetryBudget) -> Payers<'_> {
    Payers { own, all: None }
}

fn decided(failed: Failed) -> Decision {
    decide(&failed, alone(&RetryBudget::new()), Nanos(0), 1.0)
}

const fn give_up(should_retry: bool) -> Decision {
    Decision::GiveUp { should_retry }
}

const fn after_ms(ms: u64) -> Decision {
    Decision::RetrySame { after: Duration::from_millis(ms) }
}

#[test]
fn what_is_done_depends_on_what_went_wrong() {
    use Decision::{OtherCandidate, OtherCredential};
    let with = |throttle| Failed { throttle: Some(throttle), ..failed(RateLimited) };
    let quota = with(Throttle::QuotaTokens { reset: None });
    let crowded = with(Throttle::Concurrency { limit: None });
    // Alone; with another key; with another candidate; with both.
    let table = [
        (failed(Connect), [after_ms(250), after_ms(250), after_ms(250), after_ms(250)]),
        (failed(ServerError), [after_ms(250), after_ms(250), after_ms(250), after_ms(250)]),
        (failed(Broken), [after_ms(250), after_ms(250), after_ms(250), after_ms(250)]),
        (failed(Timeout), [after_ms(250), after_ms(250), OtherCandidate, OtherCandidate]),
        (failed(RateLimited), [after_ms(250), OtherCredential, after_ms(250), OtherCredential]),
        (quota, [after_ms(250), OtherCredential, after_ms(250), OtherCredential]),
        (crowded, [after_ms(250), OtherCredential, OtherCandidate, OtherCredential]),
        (with(Throttle::Slope), [after_ms(250), OtherCredential, OtherCandidate, OtherCredential]),
        (failed(Overloaded), [after_ms(250), after_ms(250), OtherCandidate, OtherCandidate]),
        (failed(AuthError), [give_up(false), OtherCredential, OtherCandidate, OtherCredential]),
        (with(Throttle::Billing), [give_up(false), OtherCredential, OtherCandidate, OtherCredential]),
        (failed(ClientError), [give_up(false); 4]),
        (failed(Cancelled), [give_up(false); 4]),
        (failed(Good), [give_up(false); 4]),
    ];
    for (failed, expected) in table {
        for (i, expected) in expected.into_iter().enumerate() {
            let failed = Failed { other_credential: i & 1 == 1, other_candidate: i & 2 == 2, ..failed };
            assert_eq!(decided(failed), expected, "{failed:?}");
        }
    }
}

#[test]
fn a_wait_that_was_asked_for_is_kept_and_a_little_more() {
    let asked = |seconds| Failed { retry_after: Some(Duration::from_secs(seconds)), ..failed(RateLimited) };
    assert_eq!(decide(&asked(3), alone(&RetryBudget::new()), Nanos(0), 0.0), after_ms(3000));
    assert_eq!(decide(&asked(3), alone(&RetryBudget::new()), Nanos(0), 1.0), after_ms(3600));
    // Too long for the deadline: at once elsewhere, or not at all.
    assert_eq!(decided(Failed { other_candidate: true, ..asked(60) }), Decision::OtherCandidate);
    assert_eq!(decided(asked(60)), give_up(true));
    // Within the deadline, but there is somebody else.
    assert_eq!(decided(Failed { other_candidate: true, ..asked(20) }), Decision::OtherCandidate);
    assert_eq!(decided(asked(20)), after_ms(24_000));
}

#[test]
fn one_other_key_is_tried_when_a_key_is_refused_and_no_third() {
    let second = Failed { tries: 2, other_credential: true, ..failed(AuthError) };
    assert_eq!(decided(second), give_up(false));
    assert_eq!(decided(Failed { other_candidate: true, ..second }), Decision::OtherCandidate);
}

#[test]
fn nothing_is_tried_once_a_byte_has_gone_to_the_client_or_twice_may_do_harm() {
    for result in AttemptResult::ALL {
        let can = Failed { other_credential: true, other_candidate: true, ..failed(result) };
        assert!(matches!(decided(Failed { bytes_sent: true, ..can }), Decision::GiveUp { .. }));
        assert!(matches!(decided(Failed { repeatable: false, ..can }), Decision::GiveUp { .. }));
    }
}

#[test]
fn a_client_is_told_to_stay_away_when_our_own_tries_are_used_up() {
    assert_eq!(decided(Failed { tries: 3, ..failed(ServerError) }), give_up(false));
    assert_eq!(decided(Failed { max_retries: 0, ..failed(ServerError) }), give_up(true), "we did not try again");
    assert_eq!(decided(Failed { should_retry: Some(false), ..failed(ServerError) }), give_up(false));
    let spent = RetryBudget::new();
    while spent.withdraw(Nanos(0), false) {}
    assert_eq!(decide(&failed(ServerError), alone(&spent), Nanos(0), 1.0), give_up(false));
}

#[test]
fn a_provider_that_says_not_to_retry_is_left_for_the_next_candidate() {
    let no = Failed { should_retry: Some(false), other_candidate: true, ..failed(ServerError) };
    assert_eq!(decided(no), Decision::OtherCandidate);
}

#[test]
fn giving_up_costs_the_budget_nothing_and_a_timeout_costs_double() {
    let budget = RetryBudget::new();
    let _ = decide(&failed(ClientError), alone(&budget), Nanos(0), 0.5);
    assert!((budget.left() - 100.0).abs() < 1e-9);
    let _ = decide(&failed(Timeout), alone(&budget), Nanos(0), 0.5);
    assert!((budget.left() - 98.0).abs() < 1e-9);
}

#[test]
fn who_has_failed_pays_for_being_asked_again_and_not_for_another_who_is_asked() {
    let (own, all) = (RetryBudget::new(), FailoverBudget::new());
    let payers = Payers { own: &own, all: Some(&all) };
    let elsewhere = |result| Failed { other_candidate: true, ..failed(result) };
    for result in [Timeout, Overloaded] {
        assert_eq!(decide(&elsewhere(result), payers, Nanos(0), 1.0), Decision::OtherCandidate);
    }
    assert!((own.left() - 100.0).abs() < 1e-9 && (all.left() - 98.0).abs() < 1e-9);
    assert_eq!(decide(&failed(ServerError), payers, Nanos(0), 1.0), after_ms(250));
    assert!((own.left() - 99.0).abs() < 1e-9 && (all.left() - 97.0).abs() < 1e-9);
    while own.withdraw(Nanos(0), false) {}
    assert_eq!(decide(&elsewhere(ServerError), payers, Nanos(0), 1.0), Decision::OtherCandidate, "he cannot pay");
    assert_eq!(decide(&failed(ServerError), payers, Nanos(0), 1.0), give_up(false));
    while all.withdraw(Nanos(0)) {}
    assert_eq!(decide(&elsewhere(ServerError), payers, Nanos(0), 1.0), give_up(false), "nor can they together");
}

proptest! {
    #[test]
    fn nothing_is_tried_that_cannot_answer_before_the_deadline(
        result in 0_usize..10, tries in 0_u32..6, max in 0_u32..5, ra in prop::option::of(0_u64..100_000_000_000),
        deadline in 0_u64..40_000_000_000, first_byte in 0_u64..5_000_000_000, draw in -1.0_f64..2.0,
        key in any::<bool>(), candidate in any::<bool>(), now in 0_u64..40_000_000_000,
    ) {
        let failed = Failed {
            result: AttemptResult::ALL[result], tries, max_retries: max, retry_after: ra.map(Duration::from_nanos),
            deadline: Nanos(deadline), waits_until: Nanos(deadline), first_byte: Duration::from_nanos(first_byte),
            other_credential: key, other_candidate: candidate, ..failed(Good)
        };
        let decision = decide(&failed, alone(&RetryBudget::new()), Nanos(now), draw);
        let first_byte_at = |wait: Duration| Nanos(now).after(wait).after(failed.first_byte);
        match decision {
            Decision::RetrySame { after } => {
                prop_assert!(first_byte_at(after) < failed.deadline);
                prop_assert!(ra.is_none_or(|asked| after >= Duration::from_nanos(asked)));
                prop_assert!(ra.is_some() || after <= Duration::from_secs(8));
                prop_assert!(tries <= max);
            }
            Decision::OtherCredential => prop_assert!(key && first_byte_at(Duration::ZERO) < failed.deadline),
            Decision::OtherCandidate => prop_assert!(candidate && first_byte_at(Duration::ZERO) < failed.deadline),
            Decision::GiveUp { .. } => {}
        }
    }
}
