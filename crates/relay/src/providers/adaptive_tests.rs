use super::super::ProviderState;
use super::super::standing::Standing;
use super::*;
use sluicegate_config::{Provider as Configured, ProviderKey, ProviderKind};
use sluicegate_flow::Bounds;

const SECOND: u64 = 1_000_000_000;

fn standing(configured: &Configured) -> Standing {
    let provider = Arc::new(ProviderState::new(configured, &Room::new(Bounds::default()), Default::default()));
    Standing::new(&provider, "m", configured)
}

fn configured() -> Configured {
    Configured::new("p", ProviderKind::OpenAi)
}

fn learn(standing: &Standing, in_flight: u32, at: u64) -> Arc<Adaptive> {
    let learned = standing.model.learn_concurrency(&standing.provider.room, in_flight, Nanos(at));
    learned.refused(Nanos(at), None);
    learned
}

/// As many calls in flight as may be, one of which after another has its first token.
fn saturate(standing: &Standing, learned: &Adaptive, seconds: std::ops::Range<u64>, first_token: Duration) {
    for second in seconds {
        let now = Nanos(second * SECOND);
        let set = standing.provider.room.table.set(sluicegate_flow::SetId(9, 9), now, || [learned.spec.clone()]);
        let ask = sluicegate_flow::Ask {
            cost: sluicegate_flow::Cost { requests: 1, tokens: 0 },
            class: sluicegate_vocabulary::Priority::Normal,
            pace: sluicegate_flow::Pace::Free,
        };
        let held: Vec<_> =
            std::iter::from_fn(|| standing.provider.room.try_take(standing.provider.room.now(), &set, ask).ok())
                .collect();
        for _ in 0..12 {
            learned.sample(now, first_token, 10);
        }
        drop(held);
    }
}

#[test]
fn a_learned_limit_grows_again_however_slow_the_answers_are() {
    let standing = standing(&configured());
    let learned = learn(&standing, 10, 0);
    for second in 2..20 {
        learned.refused(Nanos(second * SECOND), None);
    }
    assert_eq!(learned.law.limit(), 2);
    saturate(&standing, &learned, 30..60, Duration::from_secs(20));
    learned.timed_out(Nanos(62 * SECOND));
    saturate(&standing, &learned, 64..65, Duration::from_secs(20));
    assert!(learned.law.limit() > 10, "{}", learned.law.limit());
    assert_eq!(learned.threshold(), None);
}

#[test]
fn a_learned_limit_ends_five_minutes_after_the_last_refusal() {
    let standing = standing(&configured());
    let learned = learn(&standing, 10, 0);
    learned.refused(Nanos(100 * SECOND), None);
    assert!(standing.adaptive(Nanos(399 * SECOND)).is_some());
    assert!(standing.adaptive(Nanos(400 * SECOND)).is_none());
    assert!(learned.in_flight(Nanos(400 * SECOND)) == 0 && learned.limit.status(Nanos(0)).capacity > 1_000_000);
    learn(&standing, 10, 500 * SECOND);
    assert!(standing.adaptive(Nanos(501 * SECOND)).is_some(), "and can be learned again");
}

#[test]
fn what_was_learned_does_not_hold_where_what_is_told_is_not_to_be_followed() {
    let follows = standing(&configured());
    learn(&follows, 10, 0);
    let ignores = Standing::new(&follows.provider, "m", &Configured { learn_limits: false, ..configured() });
    assert!(follows.adaptive(Nanos(0)).is_some() && ignores.adaptive(Nanos(0)).is_none());
}

#[test]
fn the_accounts_of_a_provider_are_counted_once_each() {
    let key = |name: &str, group: &str| {
        let quota_group = group.to_owned();
        ProviderKey { quota_group, ..ProviderKey::new(name, "test", name.to_owned().into()) }
    };
    let keys = vec![key("a", "one"), key("b", "two"), key("c", "one")];
    assert_eq!(standing(&Configured { keys, ..configured() }).accounts, 2);
    assert_eq!(standing(&configured()).accounts, 1);
}
