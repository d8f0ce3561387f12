use super::*;
use sluicegate_config::{Breaker, Period, ProviderKind, Share};
use std::time::Duration;

fn provider() -> Configured {
    Configured::new("p", ProviderKind::OpenAi)
}

#[test]
fn what_the_file_leaves_out_is_what_the_machinery_takes_for_usual() {
    assert_eq!(breaker(&provider()), BreakerSettings::default());
    let asked = Configured { adaptive_concurrency: Some(AdaptiveConcurrency::default()), ..provider() };
    assert_eq!(adaptive(&asked), Some(SloAimdSettings::default()));
    assert_eq!(adaptive(&provider()), None);
}

#[test]
fn what_the_file_says_of_a_breaker_holds() {
    let stated = Breaker {
        failure_threshold: 7,
        success_rate: Share::from_percent(80),
        min_requests: 9,
        recovery_timeout: Some(Period::from_secs(30)),
        half_open_max_requests: 4,
    };
    let settings = breaker(&Configured { breaker: Some(stated), ..provider() });
    assert_eq!((settings.consecutive, settings.samples, settings.probes), (7, 9, 4));
    assert_eq!((settings.success_rate, settings.least), (0.8, 1.0));
    assert_eq!((settings.open_first, settings.open_longest), (Duration::from_secs(30), Duration::from_secs(30)));
    let never = breaker(&Configured { breaker: None, ..provider() });
    assert_eq!((never.consecutive, never.success_rate), (u32::MAX, 0.0));
}
