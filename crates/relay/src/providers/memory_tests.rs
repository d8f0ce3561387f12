use super::super::Providers;
use super::super::standing::Standing;
use super::*;
use crate::room::Room;
use sluicegate_config::{AdaptiveConcurrency, Provider as Configured, ProviderKind};
use sluicegate_flow::{Bounds, Nanos};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_800_000_000_000;

fn configured() -> Configured {
    let adaptive_concurrency = Some(AdaptiveConcurrency::default());
    let base_url = Some("http://10.0.0.1:8000/v1".to_owned());
    Configured { adaptive_concurrency, base_url, ..Configured::new("own", ProviderKind::OpenAiCompatible) }
}

fn providers(learned: Learned) -> Providers {
    Providers::new(&Room::new(Bounds::default()), learned)
}

fn standing(providers: &Providers) -> Standing {
    let configured = configured();
    Standing::new(&providers.provider(&configured), "llama", &configured)
}

fn limit(standing: &Standing) -> u32 {
    standing.adaptive(Nanos(0)).unwrap().law.limit()
}

/// A limit that was cut once, from 20 to 18.
fn cut(standing: &Standing) {
    let adaptive = standing.adaptive(Nanos(0)).unwrap();
    for at in 1..=10 {
        adaptive.sample(Nanos(2 * SECOND + at), Duration::from_secs(3), 0);
    }
    assert_eq!(limit(standing), 18);
}

fn at(at_ms: u64) -> LearnedLimit {
    let (provider, model) = ("own".to_owned(), "llama".to_owned());
    LearnedLimit { provider, address: configured().base_url.unwrap(), model, limit: 40.0, slow_start: false, at_ms }
}

fn believed(limit: LearnedLimit) -> bool {
    !Learned { limits: vec![limit] }.believed(NOW).limits.is_empty()
}

#[test]
fn a_limit_goes_on_at_seven_tenths_of_where_it_stood() {
    let before = providers(Learned::default());
    cut(&standing(&before));
    let learned = before.learned(NOW);
    assert_eq!(learned.limits.len(), 1);
    let after = providers(learned);
    let standing = standing(&after);
    assert_eq!(limit(&standing), 12);
    assert!(!standing.adaptive(Nanos(0)).unwrap().law.status().slow_start, "its bound was met before");
}

#[test]
fn one_that_has_not_moved_is_not_worth_keeping() {
    let providers = providers(Learned::default());
    let _standing = standing(&providers);
    assert_eq!(providers.learned(NOW), Learned::default());
}

#[test]
fn restarts_without_calls_do_not_wear_it_down_nor_make_it_young() {
    let mut learned = Learned { limits: vec![at(NOW - 1000)] };
    for restart in 0..20 {
        let providers = providers(learned.clone());
        if restart % 2 == 0 {
            assert_eq!(limit(&standing(&providers)), 28);
        } else {
            let _unused = providers.provider(&configured());
        }
        learned = providers.learned(NOW);
        assert_eq!(learned.limits, [at(NOW - 1000)]);
    }
}

#[test]
fn a_provider_that_moved_begins_anew() {
    let moved = LearnedLimit { address: "http://10.0.0.2:8000/v1".to_owned(), ..at(NOW) };
    let providers = providers(Learned { limits: vec![moved] });
    assert_eq!(limit(&standing(&providers)), 20);
}

#[test]
fn what_is_old_or_no_limit_is_not_believed() {
    assert!(believed(at(NOW)));
    assert!(believed(at(NOW - KEPT_FOR)));
    assert!(!believed(at(NOW - KEPT_FOR - 1)));
    assert!(!believed(at(NOW + AHEAD + 1)), "a clock that was set back");
    for limit in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(!believed(LearnedLimit { limit, ..at(NOW) }));
    }
    let many = Learned { limits: vec![at(NOW); MOST + 1] };
    assert_eq!(many.believed(NOW).limits.len(), MOST);
}

#[test]
fn a_reload_with_other_settings_forgets_nothing() {
    let providers = providers(Learned::default());
    cut(&standing(&providers));
    let other = AdaptiveConcurrency { ceiling: 500, ..AdaptiveConcurrency::default() };
    let reloaded = Configured { adaptive_concurrency: Some(other), ..configured() };
    let standing = Standing::new(&providers.provider(&reloaded), "llama", &reloaded);
    assert_eq!(limit(&standing), 12);
    assert_eq!(providers.learned(NOW).limits, [LearnedLimit { limit: 18.0, ..at(NOW) }]);
}
