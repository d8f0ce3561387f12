//! Whether retries make a storm worse, on a virtual clock.
//!
//! A server works its calls off in order, a fixed number a second, and goes on with those whose callers have given up: the
//! wasted work by which an overload outlives its cause. Callers come at a steady rate and are served by the relay's own
//! laws: the breaker, the retry budget, the table of what to do with a failed try. Beside them stand callers who simply
//! try again, to show that the server is one that can be kept down.

#![expect(clippy::panic, reason = "helpers of tests may fail loudly")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Breaker, BreakerSettings, Decision, Failed, Pass, RetryBudget, decide};
use sluicegate_vocabulary::AttemptResult;

const MILLISECOND: u64 = 1_000_000;
/// The caller's side of a try: it gives up after this.
const PATIENCE_MS: u64 = 1000;
const RETRIES: u32 = 2;

/// Who decides about tries.
enum Law {
    /// As the relay does.
    Ours { breaker: Arc<Breaker>, budget: RetryBudget },
    /// Again at once, as often as is usual, whatever happened.
    Again,
}

/// What the server does to the calls that reach it.
#[derive(Clone, Copy, PartialEq)]
enum Weather {
    /// It works off so many calls a second.
    Works(u64),
    /// It answers 500 at once.
    Fails,
}

/// A call that the server has to work off, and when its caller gives up.
struct Queued {
    try_: Try,
    until: u64,
}

struct Try {
    number: u32,
    pass: Option<Pass>,
}

#[derive(Default)]
struct Second {
    calls: u64,
    tries: u64,
    good: u64,
}

struct Storm {
    law: Law,
    rng: fastrand::Rng,
    now: u64,
    queue: VecDeque<Queued>,
    /// Of these, the first so many have been given up.
    left: usize,
    /// Tries to be made, by their millisecond.
    again: BTreeMap<u64, Vec<u32>>,
    worked: f64,
    seconds: Vec<Second>,
}

fn ours() -> Law {
    Law::Ours { breaker: Arc::new(Breaker::new(BreakerSettings::default())), budget: RetryBudget::new() }
}

/// Plays `weather` by the second at so many calls a second.
fn play(law: Law, rate: u64, weather: &[Weather]) -> Vec<Second> {
    let mut storm = Storm {
        law,
        rng: fastrand::Rng::with_seed(1),
        now: 0,
        queue: VecDeque::new(),
        left: 0,
        again: BTreeMap::new(),
        worked: 0.0,
        seconds: Vec::new(),
    };
    for weather in weather {
        storm.seconds.push(Second::default());
        for _ in 0..1000 {
            storm.step(rate, *weather);
        }
    }
    storm.seconds
}

impl Storm {
    fn nanos(&self) -> Nanos {
        // Later than the beginning of time, as a running process is.
        Nanos((self.now + 1_000_000) * MILLISECOND)
    }

    fn second(&mut self) -> &mut Second {
        self.seconds.last_mut().unwrap_or_else(|| panic!("no second has begun"))
    }

    /// One millisecond.
    fn step(&mut self, rate: u64, weather: Weather) {
        let due = (self.now + 1) * rate / 1000 - self.now * rate / 1000;
        self.second().calls += due;
        for number in (0..due).map(|_| 1).chain(self.again.remove(&self.now).unwrap_or_default()) {
            self.send(number, weather);
        }
        if let Weather::Works(capacity) = weather {
            self.work(capacity);
        }
        // Whoever gives up does so although the server does not hear of it.
        let mut late = Vec::new();
        while let Some(queued) = self.queue.get_mut(self.left).filter(|queued| queued.until <= self.now) {
            late.push(std::mem::replace(&mut queued.try_, Try { number: 0, pass: None }));
            self.left += 1;
        }
        for try_ in late {
            self.failed(try_, AttemptResult::Timeout);
        }
        self.now += 1;
    }

    fn send(&mut self, number: u32, weather: Weather) {
        let now = self.nanos();
        let pass = match &self.law {
            Law::Ours { breaker, .. } => match breaker.admit(now) {
                Ok(pass) => Some(pass),
                // Refused without asking anybody.
                Err(_) => return,
            },
            Law::Again => None,
        };
        self.second().tries += 1;
        let try_ = Try { number, pass };
        match weather {
            Weather::Works(_) => self.queue.push_back(Queued { try_, until: self.now + PATIENCE_MS }),
            Weather::Fails => self.failed(try_, AttemptResult::ServerError),
        }
    }

    fn work(&mut self, capacity: u64) {
        self.worked += capacity as f64 / 1000.0;
        while self.worked >= 1.0 {
            self.worked -= 1.0;
            let Some(Queued { try_, .. }) = self.queue.pop_front() else {
                // An idle server saves nothing.
                self.worked = 0.0;
                return;
            };
            self.left = self.left.saturating_sub(1);
            if try_.number == 0 {
                continue;
            }
            self.second().good += 1;
            let (now, draw) = (self.nanos(), self.rng.f64());
            if let (Law::Ours { breaker, budget }, Some(pass)) = (&self.law, try_.pass) {
                breaker.record(pass, AttemptResult::Ok, now, None, draw);
                if try_.number == 1 {
                    budget.earn();
                }
            }
        }
    }

    fn failed(&mut self, try_: Try, result: AttemptResult) {
        let (now, draw) = (self.nanos(), self.rng.f64());
        let wait = match (&self.law, try_.pass) {
            (Law::Ours { breaker, budget }, Some(pass)) => {
                breaker.record(pass, result, now, None, draw);
                let failed = Failed {
                    result,
                    throttle: None,
                    retry_after: None,
                    should_retry: None,
                    tries: try_.number,
                    max_retries: RETRIES,
                    deadline: now.after(Duration::from_secs(30)),
                    waits_until: now.after(Duration::from_secs(30)),
                    first_byte: Duration::from_millis(100),
                    other_credential: false,
                    other_candidate: false,
                    bytes_sent: false,
                    repeatable: true,
                };
                match decide(&failed, budget, now, self.rng.f64()) {
                    Decision::RetrySame { after } => u64::try_from(after.as_millis()).ok(),
                    _ => None,
                }
            }
            _ => (try_.number <= RETRIES).then_some(0),
        };
        if let Some(wait) = wait {
            self.again.entry(self.now + wait + 1).or_default().push(try_.number + 1);
        }
    }
}

/// When, in seconds after the end of the trigger, nineteen of twenty calls are good again for as long as is left.
fn recovered(seconds: &[Second], ends: usize) -> Option<usize> {
    let well = |second: &Second| second.good * 20 >= second.calls * 19;
    (ends..seconds.len().saturating_sub(5)).find(|from| seconds.iter().skip(*from).all(well)).map(|at| at - ends)
}

/// Ten quiet seconds, a trigger of ten, and two minutes in which to come back.
fn trigger(weather: Weather, usual: Weather) -> Vec<Weather> {
    [vec![usual; 10], vec![weather; 10], vec![usual; 120]].concat()
}

const USUAL: Weather = Weather::Works(1000);
const RATE: u64 = 800;

#[test]
fn retry_amplification_le_1_1_when_everything_fails_for_ten_minutes() {
    let seconds = play(ours(), RATE, &[Weather::Fails; 600]);
    let (calls, tries) =
        seconds.iter().fold((0, 0), |(calls, tries), second| (calls + second.calls, tries + second.tries));
    // The floor: what was saved before, and one a second.
    let allowed = calls as f64 * 1.1 + 600.0 + 100.0;
    assert!((tries as f64) <= allowed, "{tries} tries of {calls} calls");
    // Isolated, it is hardly asked at all.
    assert!(tries < 1000, "{tries} tries of a dead server");
}

#[test]
fn retry_amplification_le_1_1_without_a_breaker_too() {
    // A rate that no breaker opens at: two in five calls fail.
    let budget = RetryBudget::new();
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut tries, calls) = (0_u64, 600 * RATE);
    for call in 0..calls {
        let now = Nanos(1_000_000_000 + call * 1_000_000_000 / RATE);
        for number in 1..=1 + RETRIES {
            tries += 1;
            if rng.f64() >= 0.4 {
                if number == 1 {
                    budget.earn();
                }
                break;
            }
            if !budget.withdraw(now, false) {
                break;
            }
        }
    }
    assert!(tries as f64 <= calls as f64 * 1.1 + 600.0 + 100.0, "{tries} tries of {calls} calls");
}

#[test]
fn a_server_that_was_slow_recovers_within_30_s_after_the_trigger() {
    let seconds = play(ours(), RATE, &trigger(Weather::Works(100), USUAL));
    let after = recovered(&seconds, 20);
    assert!(after.is_some_and(|after| after <= 30), "recovered after {after:?} s");
}

#[test]
fn a_server_that_failed_recovers_within_30_s_after_the_trigger() {
    let seconds = play(ours(), RATE, &trigger(Weather::Fails, USUAL));
    let after = recovered(&seconds, 20);
    assert!(after.is_some_and(|after| after <= 30), "recovered after {after:?} s");
}

#[test]
fn callers_who_simply_try_again_keep_such_a_server_down() {
    let seconds = play(Law::Again, RATE, &trigger(Weather::Works(100), USUAL));
    assert_eq!(recovered(&seconds, 20), None, "this storm would prove nothing");
}
