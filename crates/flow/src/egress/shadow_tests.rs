use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

const fn one(tokens: u64) -> Charge {
    Charge { requests: 1, tokens, input_tokens: 0, output_tokens: 0 }
}

const fn requests(limit: u64, remaining: u64) -> Levels {
    let told = Told { limit: Some(limit), remaining: Some(remaining), reset: None };
    Levels { requests: Some(told), tokens: None, input_tokens: None, output_tokens: None }
}

const QUOTA: Throttle = Throttle::QuotaRequests { reset: None };

/// A shadow that has heard `remaining` of 600 a minute at the start.
fn told(remaining: u64) -> Shadow {
    let shadow = Shadow::new(1.0);
    let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
    shadow.observe(Nanos(0), &sent, &requests(600, remaining));
    shadow
}

fn take_all(shadow: &Shadow, now: u64) -> usize {
    (0..10_000).take_while(|_| shadow.acquire(Nanos(now), one(0)).is_ok()).count()
}

#[test]
fn a_provider_that_says_nothing_is_not_paced() {
    let shadow = Shadow::new(1.0);
    assert_eq!(take_all(&shadow, 0), 10_000);
    shadow.succeeded(&Sent::default());
    assert!((shadow.headroom(Nanos(0)) - 1.0).abs() < 1e-9);
}

#[test]
fn what_is_left_is_sent_less_a_margin_and_then_the_wait_is_true() {
    let shadow = told(113);
    assert_eq!(take_all(&shadow, 0), 100);
    let wait = shadow.acquire(Nanos(0), one(0)).unwrap_err();
    assert!((wait.as_secs_f64() - 0.012).abs() < 1e-6, "{wait:?}");
    assert!(shadow.acquire(Nanos(nanos(wait) - 1000), one(0)).is_err());
    assert!(shadow.acquire(Nanos(nanos(wait)), one(0)).is_ok());
}

#[test]
fn what_was_sent_since_is_taken_off_what_was_told() {
    let shadow = told(600);
    let early = shadow.acquire(Nanos(0), one(0)).unwrap();
    for _ in 0..50 {
        shadow.acquire(Nanos(0), one(0)).unwrap();
    }
    shadow.observe(Nanos(0), &early, &requests(600, 113));
    assert_eq!(take_all(&shadow, 0), 50);
}

#[test]
fn an_answer_to_an_earlier_request_says_nothing_new() {
    let shadow = told(600);
    let first = shadow.acquire(Nanos(0), one(0)).unwrap();
    let second = shadow.acquire(Nanos(0), one(0)).unwrap();
    shadow.observe(Nanos(1), &second, &requests(600, 100));
    let before = shadow.status(Nanos(1));
    shadow.observe(Nanos(1), &first, &requests(600, 599));
    shadow.observe(Nanos(1), &second, &requests(600, 599));
    assert_eq!(shadow.status(Nanos(1)), before);
}

#[test]
fn every_count_must_have_room_and_a_refusal_takes_from_none() {
    let shadow = Shadow::new(1.0);
    let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
    let told = Told { limit: Some(60_000), remaining: Some(1121), reset: None };
    shadow.observe(Nanos(0), &sent, &Levels { tokens: Some(told), ..requests(600, 600) });
    assert!(shadow.acquire(Nanos(0), one(1001)).is_err());
    let before = shadow.status(Nanos(0));
    assert!(shadow.acquire(Nanos(0), one(1001)).is_err());
    assert_eq!(shadow.status(Nanos(0)), before);
    assert!(shadow.acquire(Nanos(0), one(1000)).is_ok());
}

#[test]
fn a_request_larger_than_all_there_is_goes_when_nothing_is_used() {
    let shadow = Shadow::new(1.0);
    let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
    let told = Told { limit: Some(6000), remaining: Some(1000), reset: None };
    shadow.observe(Nanos(0), &sent, &Levels { tokens: Some(told), ..Levels::default() });
    let wait = shadow.acquire(Nanos(0), one(50_000)).unwrap_err();
    assert!((wait.as_secs_f64() - 50.0).abs() < 1e-3, "{wait:?}");
    assert!(shadow.acquire(Nanos(nanos(wait)), one(50_000)).is_ok());
    assert!(shadow.acquire(Nanos(nanos(wait) + 400 * SECOND), one(50)).is_err(), "in debt");
}

#[test]
fn more_than_was_ever_seen_is_not_counted_on_unless_it_is_needed() {
    let shadow = Shadow::new(1.0);
    let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
    let told = Told { limit: Some(6000), remaining: Some(1000), reset: None };
    shadow.observe(Nanos(0), &sent, &Levels { tokens: Some(told), ..Levels::default() });
    // The bucket may hold no more than the thousand that were seen, however long it had to refill.
    let went = (0..100).take_while(|_| shadow.acquire(Nanos(600 * SECOND), one(100)).is_ok()).count();
    assert_eq!(went, 8);
    assert!(shadow.acquire(Nanos(1200 * SECOND), one(2000)).is_ok());
}

#[test]
fn after_a_refusal_nothing_goes_until_the_wait_is_over_and_then_little_until_an_answer() {
    for (reset, hold) in [(None, 0.1), (Some(0.5), 0.5), (Some(30.0), 2.0)] {
        let shadow = told(600);
        let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
        let reset = reset.map(Duration::from_secs_f64);
        shadow.refused(Nanos(0), &sent, Throttle::QuotaRequests { reset }, &Levels::default(), 0.0);
        let hold = (hold * SECOND as f64) as u64;
        assert!(shadow.headroom(Nanos(hold - 1)) < 1e-9);
        let went = |from: u64, to: u64| {
            let times = (from..to).step_by(SECOND as usize / 1000);
            times.filter_map(|now| shadow.acquire(Nanos(now), one(0)).ok()).collect::<Vec<_>>()
        };
        assert_eq!(went(0, hold).len(), 0);
        let trickled = went(hold, hold + 3 * SECOND);
        assert!((2..=6).contains(&trickled.len()), "{}", trickled.len());
        let now = hold + 3 * SECOND;
        shadow.observe(Nanos(now), &trickled[0], &requests(600, 0));
        assert!((20..=30).contains(&went(now, now + 4 * SECOND).len()), "the share's whole pace, less a margin");
    }
}

#[test]
fn a_wait_that_is_not_named_is_found_out_by_single_requests_ever_less_often() {
    let shadow = Shadow::new(1.0);
    let untold = Throttle::QuotaRequests { reset: None };
    let refuse = |now: u64, sent: &Sent| shadow.refused(Nanos(now), sent, untold, &Levels::default(), 0.0);
    // Sent together, refused together: one refusal.
    for _ in 0..10 {
        refuse(0, &Sent::default());
    }
    let mut now = 0;
    for hold in [100, 200, 400, 800, 1600, 2000, 2000] {
        let over = now + hold * SECOND / 1000;
        assert!(shadow.acquire(Nanos(over - 1), one(0)).is_err(), "{hold} ms are not over");
        let trial = shadow.acquire(Nanos(over), one(0)).unwrap();
        assert!(shadow.acquire(Nanos(over), one(0)).is_err(), "one at a time");
        refuse(over, &trial);
        now = over;
    }
    let trial = shadow.acquire(Nanos(now + 2 * SECOND), one(0)).unwrap();
    shadow.succeeded(&trial);
    let went = (0..2000).filter(|ms| shadow.acquire(Nanos(now + (2000 + ms) * SECOND / 1000), one(0)).is_ok()).count();
    assert!(went > 2, "{went} went in the two seconds after one had got through");
}

#[test]
fn an_answer_that_has_begun_ends_the_single_requests() {
    let shadow = Shadow::new(1.0);
    let untold = Throttle::QuotaRequests { reset: None };
    shadow.refused(Nanos(0), &Sent::default(), untold, &Levels::default(), 0.0);
    let all = |from: u64| (0..20).filter_map(|_| shadow.acquire(Nanos(from), one(0)).ok()).collect::<Vec<_>>();
    assert_eq!(all(SECOND / 20).len(), 0);
    let trial = all(SECOND / 5);
    assert_eq!(trial.len(), 1);
    shadow.got_through(&Sent::default());
    assert_eq!(all(SECOND / 5).len(), 0, "that one was sent before the refusal");
    shadow.got_through(&trial[0]);
    assert_eq!(all(SECOND / 5).len(), 20);
}

#[test]
fn an_unforeseen_refusal_cuts_the_share_once_a_second_and_successes_raise_it() {
    let shadow = told(600);
    let sent: Vec<_> = (0..20).map(|_| shadow.acquire(Nanos(0), one(0)).unwrap()).collect();
    for sent in &sent {
        shadow.refused(Nanos(1), sent, QUOTA, &requests(600, 0), 0.0);
    }
    assert!((shadow.status(Nanos(1)).share - 0.8).abs() < 1e-9);
    for _ in 0..25 {
        shadow.succeeded(&Sent::default());
    }
    assert!((shadow.status(Nanos(1)).share - 0.9).abs() < 1e-9);
    for _ in 0..1000 {
        shadow.succeeded(&Sent::default());
    }
    assert!((shadow.status(Nanos(1)).share - 1.0).abs() < 1e-9);
}

#[test]
fn a_limit_that_only_refusals_tell_is_not_kept_to_for_ever() {
    let shadow = Shadow::new(1.0);
    shadow.refused(Nanos(0), &Sent::default(), QUOTA, &requests(6, 0), 0.0);
    let minute = |from: u64| {
        let mut went = 0;
        for step in 0..6000 {
            let now = Nanos(from + step * SECOND / 100);
            if let Ok(sent) = shadow.acquire(now, one(0)) {
                shadow.succeeded(&sent);
                went += 1;
            }
        }
        went
    };
    minute(0);
    let second = minute(60 * SECOND);
    assert!(second > 1000, "nobody refuses, and {second} went in a minute");
}

#[test]
fn after_a_refusal_the_pace_is_whole_again_when_a_request_got_through() {
    let shadow = told(600);
    let early = shadow.acquire(Nanos(0), one(0)).unwrap();
    shadow.refused(Nanos(1), &early, QUOTA, &requests(600, 0), 0.0);
    let took = |from: u64, seconds: u64| {
        let at = (0..seconds * 100).map(|step| Nanos(from + step * SECOND / 100));
        at.filter_map(|now| shadow.acquire(now, one(0)).ok()).collect::<Vec<_>>()
    };
    shadow.succeeded(&early);
    let trickle = took(3 * SECOND, 20);
    shadow.succeeded(trickle.last().unwrap());
    let whole = took(23 * SECOND, 20);
    assert!(whole.len() > 3 * trickle.len(), "{} then {}", trickle.len(), whole.len());
}

#[test]
fn a_refusal_that_is_no_matter_of_quota_changes_nothing() {
    let shadow = told(600);
    let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
    let before = shadow.status(Nanos(0));
    for throttle in [Throttle::Concurrency { limit: Some(3) }, Throttle::Billing, Throttle::Overloaded] {
        shadow.refused(Nanos(0), &sent, throttle, &Levels::default(), 0.0);
    }
    assert_eq!(shadow.status(Nanos(0)), before);
}

#[test]
fn a_days_limit_refills_by_the_day() {
    let shadow = Shadow::new(1.0);
    let sent = shadow.acquire(Nanos(0), one(0)).unwrap();
    let told = Told { limit: Some(14_400), remaining: Some(5), reset: Some(Duration::from_secs(86_370)) };
    shadow.observe(Nanos(0), &sent, &Levels { requests: Some(told), ..Levels::default() });
    assert_eq!(take_all(&shadow, 0), 4);
    let wait = shadow.acquire(Nanos(0), one(0)).unwrap_err();
    assert!((3.0..6.5).contains(&wait.as_secs_f64()), "{wait:?}");
}

#[test]
fn without_levels_refusals_alone_set_the_rate() {
    let shadow = Shadow::new(1.0);
    let refuse = |at: u64| {
        let sent = shadow.acquire(Nanos(at), one(0)).unwrap_or_default();
        shadow.refused(Nanos(at), &sent, QUOTA, &Levels::default(), 0.0);
    };
    refuse(0);
    let flood = |from: u64, end: u64| {
        (from..end).step_by(SECOND as usize / 100).filter(|&now| shadow.acquire(Nanos(now), one(0)).is_ok()).count()
    };
    assert_eq!(flood(0, SECOND / 10), 0);
    shadow.succeeded(&shadow.acquire(Nanos(SECOND / 10), one(0)).unwrap());
    assert_eq!(flood(2 * SECOND, 4 * SECOND), 200);
    refuse(4 * SECOND);
    shadow.succeeded(&shadow.acquire(Nanos(4 * SECOND + SECOND / 10), one(0)).unwrap());
    let after = flood(6 * SECOND, 7 * SECOND);
    assert!((20..100).contains(&after), "{after}");
}

/// A provider that counts as its limit says.
struct Honest {
    level: f64,
    cap: f64,
    rate: f64,
    at: u64,
}

impl Honest {
    fn take(&mut self, now: u64, cost: f64) -> bool {
        self.level = (self.level + (now - self.at) as f64 / SECOND as f64 * self.rate).min(self.cap);
        self.at = now;
        let fits = self.level >= cost;
        if fits {
            self.level -= cost;
        }
        fits
    }
}

/// Sends calls of these sizes, in thousandths of the provider's bucket, to an honest provider as soon as the shadow lets them, or after the pause if that is later.
/// Answers come after the latency given for each.
fn refused_by(provider: &mut Honest, calls: &[(u64, u64, u64)]) -> usize {
    let shadow = Shadow::new(1.0);
    let mut answers: Vec<(u64, Sent, Levels)> = Vec::new();
    let (mut now, mut refused) = (0, 0);
    for (i, &(pause, size, latency)) in calls.iter().enumerate() {
        now += pause;
        let tokens = (size as f64 / 1000.0 * provider.cap) as u64;
        let sent = loop {
            answers.sort_by_key(|(at, ..)| *at);
            while answers.first().is_some_and(|(at, ..)| *at <= now) {
                let (at, sent, told) = answers.remove(0);
                shadow.observe(Nanos(at), &sent, &told);
            }
            match shadow.acquire(Nanos(now), one(tokens)) {
                Ok(sent) => break sent,
                Err(wait) => {
                    let answer = answers.first().map_or(u64::MAX, |(at, ..)| *at);
                    now = answer.min(now + nanos(wait));
                }
            }
        };
        refused += usize::from(!provider.take(now, tokens as f64));
        let told =
            Told { limit: Some((provider.rate * 60.0) as u64), remaining: Some(provider.level as u64), reset: None };
        // The first answer is heard before anything else is sent.
        let latency = if i == 0 { 0 } else { latency };
        answers.push((now + latency, sent, Levels { tokens: Some(told), ..Levels::default() }));
    }
    refused
}

proptest! {
    #[test]
    fn alone_no_request_is_refused_in_whatever_order_the_answers_come(
        limit in 600_u64..1_000_000,
        seconds in 2_u64..60,
        calls in prop::collection::vec((Just(0), 1_u64..80, 1_u64..20 * SECOND), 20..300),
    ) {
        let rate = limit as f64 / 60.0;
        let cap = rate * seconds as f64;
        let mut provider = Honest { level: cap, cap, rate, at: 0 };
        prop_assert_eq!(refused_by(&mut provider, &calls), 0);
    }

    #[test]
    fn alone_no_request_is_refused_when_each_is_answered_before_the_next(
        limit in 600_u64..1_000_000,
        seconds in 2_u64..60,
        calls in prop::collection::vec((SECOND..40 * SECOND, 1_u64..800, 1..SECOND), 20..100),
    ) {
        let rate = limit as f64 / 60.0;
        let cap = rate * seconds as f64;
        let mut provider = Honest { level: cap, cap, rate, at: 0 };
        prop_assert_eq!(refused_by(&mut provider, &calls), 0);
    }

    #[test]
    fn nothing_that_is_told_makes_it_panic_or_wait_for_ever(
        steps in prop::collection::vec(
            (0_u64..10 * SECOND, 0_u8..4, prop::option::of(0_u64..u64::MAX), prop::option::of(0_u64..1_000_000), 0_u64..100_000),
            1..100,
        ),
    ) {
        let shadow = Shadow::new(0.25);
        let (mut now, mut last) = (0, Sent::default());
        for (pause, what, limit, remaining, seconds) in steps {
            now += pause;
            let told = Told { limit, remaining, reset: Some(Duration::from_secs(seconds)) };
            let levels = Levels { requests: Some(told), tokens: Some(told), ..Levels::default() };
            match what {
                0 => shadow.observe(Nanos(now), &last, &levels),
                1 => shadow.refused(Nanos(now), &last, Throttle::QuotaTokens { reset: told.reset }, &levels, 0.0),
                2 => shadow.refused(Nanos(now), &last, Throttle::Slope, &levels, 0.0),
                _ => {
                    if let Ok(sent) = shadow.acquire(Nanos(now), one(seconds)) {
                        last = sent;
                    }
                    shadow.succeeded(&last);
                }
            }
            let headroom = shadow.headroom(Nanos(now));
            prop_assert!((0.0..=1.0).contains(&headroom), "{headroom}");
        }
    }
}
