use super::*;
use crate::egress::health::HealthState;
use crate::egress::shadow::Told;
use AttemptResult::{AuthError, Ok as Good, RateLimited, ServerError};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const ONE: Charge = Charge { requests: 1, tokens: 0, input_tokens: 0, output_tokens: 0 };

fn member(id: u64, role: Role) -> Member {
    Member { id, health: Arc::new(Health::new(role)), quota: Arc::new(Shadow::new(1.0)), capacity: 64, share: 1 }
}

fn pool(n: u64) -> Pool {
    Pool::new((0..n).map(|id| member(id, Role::Primary)))
}

/// A cheap stream of draws.
fn draw(n: u64) -> u64 {
    mixed(n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

static NOTHING: Levels = Levels { requests: None, tokens: None, input_tokens: None, output_tokens: None };

fn quota(seconds: u64) -> Option<(Throttle, &'static Levels)> {
    Some((Throttle::QuotaRequests { reset: Some(Duration::from_secs(seconds)) }, &NOTHING))
}

fn requests(limit: u64, remaining: u64) -> Levels {
    let told = Told { limit: Some(limit), remaining: Some(remaining), reset: None };
    Levels { requests: Some(told), ..Levels::default() }
}

/// Which keys a thousand calls at `now` use.
fn used(pool: &Pool, now: u64) -> Vec<usize> {
    let mut counts = vec![0; pool.members().len()];
    for i in 0..1000 {
        if let Ok(lease) = pool.choose(Nanos(now), ONE, None, draw(i)) {
            counts[lease.index()] += 1;
            lease.record(Good, None, Nanos(now), 0.5);
        }
    }
    counts
}

fn fail(pool: &Pool, index: usize, now: u64, result: AttemptResult, times: usize) {
    for _ in 0..times {
        pool.members()[index].health.record(result, None, false, Nanos(now), 1.0);
    }
}

#[test]
fn calls_are_spread_evenly_over_equal_keys() {
    let pool = pool(4);
    assert!(used(&pool, 0).into_iter().all(|count| (150..350).contains(&count)));
    // Also what is under way.
    let leases: Vec<_> = (0..400).map(|i| pool.choose(Nanos(0), ONE, None, draw(i)).unwrap()).collect();
    let in_flight: Vec<_> = pool.members().iter().map(|member| member.health.in_flight()).collect();
    assert!(in_flight.iter().all(|&n| (90..=110).contains(&n)), "{in_flight:?}");
    drop(leases);
    assert!(pool.members().iter().all(|member| member.health.in_flight() == 0));
}

#[test]
fn exhausted_credential_gets_no_traffic() {
    for n in [1, 3] {
        let pool = pool(n);
        let lease = pool.choose(Nanos(0), ONE, None, 0).unwrap();
        let spent = lease.index();
        lease.record(RateLimited, quota(30), Nanos(0), 1.0);
        for now in [0, 1, 10, 29, 35] {
            assert_eq!(used(&pool, now * SECOND)[spent], 0, "after {now} s of {n} keys");
        }
        // The reset and a fifth of it.
        assert!(used(&pool, 36 * SECOND)[spent] > 0);
    }
}

#[test]
fn a_wait_of_a_day_is_believed_for_minutes() {
    let pool = pool(1);
    let lease = pool.choose(Nanos(0), ONE, None, 0).unwrap();
    lease.record(RateLimited, quota(86_400), Nanos(0), 1.0);
    assert!(pool.choose(Nanos(299 * SECOND), ONE, None, 0).is_err());
    assert!(pool.choose(Nanos(361 * SECOND), ONE, None, 0).is_ok());
}

#[test]
fn a_pool_whose_only_key_is_exhausted_says_when_to_come_back() {
    let pool = pool(1);
    let lease = pool.choose(Nanos(0), ONE, None, 0).unwrap();
    lease.record(RateLimited, quota(30), Nanos(0), 0.0);
    let none = pool.choose(Nanos(10 * SECOND), ONE, None, 0).unwrap_err();
    assert_eq!(none.wait, Some(Duration::from_secs(20)));
}

#[test]
fn keys_of_one_account_are_one_quota() {
    let account = Arc::new(Shadow::new(1.0));
    let pool = Pool::new((0..3).map(|id| Member { quota: Arc::clone(&account), ..member(id, Role::Primary) }));
    let lease = pool.choose(Nanos(0), ONE, None, 0).unwrap();
    lease.observe(Nanos(0), &requests(60, 12));
    assert_eq!(used(&pool, 0).into_iter().sum::<usize>(), 10);
    lease.record(RateLimited, quota(30), Nanos(0), 0.0);
    assert_eq!(used(&pool, 20 * SECOND).into_iter().sum::<usize>(), 0, "what one of them is refused, all are");
}

#[test]
fn a_conversation_stays_at_its_key_unless_that_is_much_worse() {
    let pool = pool(5);
    let at = |conversation: u64, n: u64| pool.choose(Nanos(0), ONE, Some(conversation), draw(n)).unwrap().index();
    let homes: Vec<_> = (0..100).map(|conversation| at(conversation, 0)).collect();
    for (conversation, home) in homes.iter().enumerate() {
        for n in 1..10 {
            assert_eq!(at(conversation as u64, n), *home);
        }
    }
    assert!((0..5).all(|index| homes.iter().filter(|&&home| home == index).count() > 5), "{homes:?}");
    // Four errors leave (1 - 0.34)^2 of its score; four more of other kinds and it would be set aside.
    fail(&pool, homes[0], 0, ServerError, 4);
    assert_ne!(at(0, 1), homes[0]);
}

#[test]
fn when_a_key_goes_only_its_own_conversations_move() {
    let pool = pool(5);
    let at = |conversation: u64| pool.choose(Nanos(0), ONE, Some(conversation), 0).unwrap().index();
    let before: Vec<_> = (0..200).map(at).collect();
    pool.members()[2].health.set_role(Role::Held);
    for (conversation, before) in before.into_iter().enumerate() {
        let after = at(conversation as u64);
        assert!(if before == 2 { after != 2 } else { after == before });
    }
}

#[test]
fn a_standby_is_used_when_no_primary_can_be() {
    let pool = Pool::new([member(0, Role::Primary), member(1, Role::Primary), member(2, Role::Standby)]);
    assert_eq!(used(&pool, 0)[2], 0);
    fail(&pool, 0, 0, AuthError, 1);
    assert_eq!(used(&pool, 0), [0, 1000, 0]);
    fail(&pool, 1, 0, ServerError, 5);
    assert_eq!(used(&pool, 0), [0, 0, 1000]);
    pool.members()[2].health.set_role(Role::Held);
    pool.members()[0].health.revive();
    assert_eq!(used(&pool, 0), [1000, 0, 0]);
}

#[test]
fn a_primary_that_is_only_paced_is_waited_for() {
    let pool = Pool::new([member(0, Role::Primary), member(1, Role::Standby)]);
    let lease = pool.choose(Nanos(0), ONE, None, 0).unwrap();
    lease.observe(Nanos(0), &requests(60, 0));
    let wait = pool.choose(Nanos(0), ONE, None, 0).unwrap_err().wait.unwrap();
    assert!(wait < Duration::from_secs(2));
    assert_eq!(pool.choose(Nanos(wait.as_nanos() as u64), ONE, None, 0).unwrap().index(), 0);
}

#[test]
fn suspect_and_dead_keys_get_no_call_while_others_work() {
    let pool = pool(3);
    fail(&pool, 0, 0, AuthError, 1);
    pool.members()[1].health.record(RateLimited, Some(Throttle::Billing), false, Nanos(0), 0.5);
    for now in [0, 61, 700, 10_000] {
        assert_eq!(used(&pool, now * SECOND), [0, 0, 1000]);
    }
    // They are probed from the background, one at a time each.
    let now = Nanos(10_000 * SECOND);
    let probes: Vec<_> = std::iter::from_fn(|| pool.probe(now)).collect();
    assert_eq!(probes.iter().map(Lease::index).collect::<Vec<_>>(), [0, 1]);
    for probe in probes {
        probe.record(Good, None, now, 0.5);
    }
    assert!(used(&pool, 10_000 * SECOND).into_iter().all(|count| count > 200));
}

#[test]
fn a_key_put_aside_is_tried_with_one_call_when_its_time_comes() {
    let pool = pool(2);
    fail(&pool, 0, 0, ServerError, 5);
    assert_eq!(used(&pool, SECOND / 2), [0, 1000]);
    let probe = pool.choose(Nanos(SECOND), ONE, None, 0).unwrap();
    assert!(probe.is_probe());
    assert_eq!(probe.index(), 0);
    assert_eq!(used(&pool, SECOND), [0, 1000]);
    probe.record(ServerError, None, Nanos(SECOND), 1.0);
    assert_eq!(used(&pool, 2 * SECOND), [0, 1000]);
    let probe = pool.choose(Nanos(3 * SECOND), ONE, None, 0).unwrap();
    probe.record(Good, None, Nanos(3 * SECOND), 1.0);
    // Its errors are forgotten with time.
    assert!(used(&pool, 120 * SECOND)[0] > 0);
    assert!(used(&pool, 120 * SECOND)[0] > 300);
}

fn choose_for(pool: &Pool, owner: u64, now: u64) -> Lease {
    let wanted = Wanted { owner: Some(owner), ..Wanted::default() };
    pool.choose_with(Nanos(now), wanted, || ONE, |_| Some(())).unwrap().0
}

#[test]
fn a_call_that_only_one_key_has_the_means_for_tries_no_other() {
    let pool = Pool::new([member(0, Role::Primary), member(1, Role::Primary), member(2, Role::Standby)]);
    fail(&pool, 0, 0, ServerError, 5);
    for owner in [1, 2] {
        let lease = choose_for(&pool, owner, SECOND);
        assert_eq!((lease.index() as u64, lease.is_probe()), (owner, false));
    }
    let own = choose_for(&pool, 0, SECOND);
    assert_eq!((own.index(), own.is_probe()), (0, true), "its own it does");
    drop(own);
    let alone = Pool::new([pool.members()[0].clone()]);
    assert_eq!(choose_for(&alone, 9, SECOND).index(), 0, "and any when there is nothing else");
}

#[test]
fn a_standby_that_was_put_aside_is_tried_when_no_primary_can_be_used() {
    let pool = Pool::new([member(0, Role::Standby), member(1, Role::Primary)]);
    fail(&pool, 0, 0, ServerError, 5);
    assert_eq!(used(&pool, SECOND), [0, 1000]);
    fail(&pool, 1, SECOND, AuthError, 1);
    let trial = pool.choose(Nanos(SECOND), ONE, None, 0).unwrap();
    assert_eq!((trial.index(), trial.is_probe()), (0, true));
}

#[test]
fn when_all_keys_are_put_aside_the_one_that_is_due_first_is_used() {
    let pool = pool(3);
    for (index, now) in [(1, 0), (0, SECOND / 4), (2, SECOND / 2)] {
        fail(&pool, index, now, ServerError, 5);
    }
    assert_eq!(pool.choose(Nanos(SECOND / 2), ONE, None, 7).unwrap().index(), 1);
}

#[test]
fn without_a_key_there_is_no_wait_that_helps() {
    assert_eq!(pool(0).choose(Nanos(0), ONE, None, 0).unwrap_err().wait, None);
    let dead = pool(1);
    dead.members()[0].health.record(RateLimited, Some(Throttle::Billing), false, Nanos(0), 0.5);
    assert_eq!(dead.choose(Nanos(0), ONE, None, 0).unwrap_err().wait, None);
}

/// Ten minutes of more calls than fit, answered at once by keys of different limits.
#[test]
fn keys_together_reach_what_their_limits_add_up_to() {
    let limits = [60_u64, 120, 600, 30];
    let pool = pool(limits.len() as u64);
    let mut levels: Vec<f64> = limits.iter().map(|&limit| limit as f64 / 6.0).collect();
    let caps = levels.clone();
    let (mut went, mut refused, step) = (0, 0, SECOND / 100);
    for tick in 0..60_000 {
        let now = Nanos(tick * step);
        for (index, level) in levels.iter_mut().enumerate() {
            *level = (*level + limits[index] as f64 / 60.0 / 100.0).min(caps[index]);
        }
        let Ok(lease) = pool.choose(now, ONE, None, draw(tick)) else { continue };
        let index = lease.index();
        if levels[index] >= 1.0 {
            levels[index] -= 1.0;
            lease.observe(now, &requests(limits[index], levels[index] as u64));
            lease.record(Good, None, now, 0.5);
            went += 1;
        } else {
            lease.record(RateLimited, quota(1), now, 0.5);
            refused += 1;
        }
    }
    let all = limits.iter().sum::<u64>() * 10;
    assert!(went as f64 >= 0.97 * all as f64, "{went} of {all}");
    assert!(refused <= all / 100, "{refused} refused");
}

proptest! {
    #[test]
    fn held_suspect_dead_and_exhausted_keys_are_never_chosen_before_their_time(
        n in 1_u64..5,
        steps in prop::collection::vec((0_u64..5 * SECOND, 0_usize..14, any::<u64>(), prop::option::of(0_u64..9)), 1..200),
    ) {
        let pool = pool(n);
        let mut now = 0;
        for (pause, what, draw, conversation) in steps {
            now += pause;
            if what == 13 {
                let role = [Role::Primary, Role::Standby, Role::Held][(draw % 3) as usize];
                pool.members()[(draw / 3 % n) as usize].health.set_role(role);
                continue;
            }
            let before: Vec<_> = pool.members().iter().map(|member| member.health.status(Nanos(now)).state).collect();
            let exhausted: Vec<_> = pool.members().iter().map(|member| member.quota.exhausted_until(Nanos(now))).collect();
            let Ok(lease) = pool.choose(Nanos(now), ONE, conversation, draw) else { continue };
            let index = lease.index();
            prop_assert_ne!(pool.members()[index].health.role(), Role::Held);
            prop_assert_eq!(exhausted[index], None);
            if let HealthState::Suspect { until, .. } | HealthState::Dead { until } = before[index] {
                prop_assert!(lease.is_probe() && until <= Nanos(now));
            }
            let refused = match what {
                10 => quota(draw % 100),
                11 => Some((Throttle::Billing, &NOTHING)),
                12 => Some((Throttle::Concurrency { limit: None }, &NOTHING)),
                _ => None,
            };
            let result = AttemptResult::ALL.get(what).copied().unwrap_or(RateLimited);
            lease.record(result, refused, Nanos(now), 0.5);
            prop_assert!(pool.members().iter().all(|member| member.health.in_flight() == 0));
        }
    }
}
