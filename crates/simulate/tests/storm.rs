//! Whether retries make a storm worse, on a virtual clock.
//!
//! A server works its calls off in order, a fixed number a second, and goes on with those whose callers have given up: the
//! wasted work by which an overload outlives its cause. Callers come at a steady rate and are served by the relay's own
//! laws: the breaker, the budgets, the table of what to do with a failed try. Beside them stand callers who simply try
//! again, to show that the server is one that can be kept down. Two servers stand in for each other in the same way.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{
    Breaker, BreakerSettings, Decision, Failed, FailoverBudget, Pass, Payers, RetryBudget, decide,
};
use sluicegate_vocabulary::AttemptResult;

const MILLISECOND: u64 = 1_000_000;
/// The caller's side of a try: it gives up after this.
const PATIENCE_MS: u64 = 1000;
const RETRIES: u32 = 2;

/// Who decides about tries.
enum Law {
    /// As the relay does.
    Ours(BreakerSettings),
    /// Again at once, as often as is usual, whatever happened; at the next server where there are several.
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
    /// 0 once its caller has given up.
    number: u32,
    /// At this server.
    tries: u32,
    server: usize,
    /// Servers that were asked, this one included.
    asked: usize,
    pass: Option<Pass>,
}

/// A try to be made.
#[derive(Clone, Copy)]
struct Due {
    number: u32,
    tries: u32,
    server: usize,
    asked: usize,
}

struct Server {
    breaker: Arc<Breaker>,
    budget: RetryBudget,
    queue: VecDeque<Queued>,
    /// Of these, the first so many have been given up.
    left: usize,
    worked: f64,
}

impl Server {
    fn new(settings: BreakerSettings) -> Self {
        let (breaker, budget) = (Arc::new(Breaker::new(settings)), RetryBudget::new());
        Self { breaker, budget, queue: VecDeque::new(), left: 0, worked: 0.0 }
    }
}

#[derive(Default)]
struct Second {
    calls: u64,
    tries: u64,
    good: u64,
}

struct Storm {
    ours: bool,
    servers: Vec<Server>,
    /// What the servers have in common, where there are several.
    all: Option<FailoverBudget>,
    rng: fastrand::Rng,
    now: u64,
    calls: usize,
    /// Tries to be made, by their millisecond.
    again: BTreeMap<u64, Vec<Due>>,
    seconds: Vec<Second>,
}

fn ours() -> Law {
    Law::Ours(BreakerSettings::default())
}

/// As the relay does where the operator wants nobody isolated.
fn without_breakers() -> Law {
    Law::Ours(BreakerSettings { consecutive: u32::MAX, success_rate: 0.0, ..BreakerSettings::default() })
}

/// Plays `weather` by the second at so many calls a second for each of so many servers, whose weather is the same.
fn play(law: &Law, servers: usize, rate: u64, weather: &[Weather]) -> Vec<Second> {
    let (ours, settings) = match law {
        Law::Ours(settings) => (true, *settings),
        Law::Again => (false, BreakerSettings::default()),
    };
    let mut storm = Storm {
        ours,
        servers: (0..servers).map(|_| Server::new(settings)).collect(),
        all: (servers > 1).then(FailoverBudget::new),
        rng: fastrand::Rng::with_seed(1),
        now: 0,
        calls: 0,
        again: BTreeMap::new(),
        seconds: Vec::new(),
    };
    for weather in weather {
        storm.seconds.push(Second::default());
        for _ in 0..1000 {
            storm.step(rate * servers as u64, *weather);
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
        for _ in 0..due {
            let server = self.calls % self.servers.len();
            self.calls += 1;
            self.send(Due { number: 1, tries: 1, server, asked: 1 }, weather);
        }
        for due in self.again.remove(&self.now).unwrap_or_default() {
            self.send(due, weather);
        }
        for server in 0..self.servers.len() {
            if let Weather::Works(capacity) = weather {
                self.work(server, capacity);
            }
            // Whoever gives up does so although the server does not hear of it.
            let (now, mut late, it) = (self.now, Vec::new(), &mut self.servers[server]);
            while let Some(queued) = it.queue.get_mut(it.left).filter(|queued| queued.until <= now) {
                let gone = Try { number: 0, tries: 0, server, asked: 0, pass: None };
                late.push(std::mem::replace(&mut queued.try_, gone));
                it.left += 1;
            }
            for try_ in late {
                self.failed(try_, AttemptResult::Timeout);
            }
        }
        self.now += 1;
    }

    fn send(&mut self, due: Due, weather: Weather) {
        let Due { number, tries, mut server, mut asked } = due;
        let now = self.nanos();
        let pass = if self.ours {
            // Who is isolated is passed over.
            loop {
                match self.servers[server].breaker.admit(now) {
                    Ok(pass) => break Some(pass),
                    Err(_) if asked < self.servers.len() => {
                        (server, asked) = ((server + 1) % self.servers.len(), asked + 1);
                    }
                    // Refused without asking anybody.
                    Err(_) => return,
                }
            }
        } else {
            None
        };
        self.second().tries += 1;
        let try_ = Try { number, tries, server, asked, pass };
        match weather {
            Weather::Works(_) => {
                let until = self.now + PATIENCE_MS;
                self.servers[server].queue.push_back(Queued { try_, until });
            }
            Weather::Fails => self.failed(try_, AttemptResult::ServerError),
        }
    }

    fn work(&mut self, server: usize, capacity: u64) {
        self.servers[server].worked += capacity as f64 / 1000.0;
        while self.servers[server].worked >= 1.0 {
            let it = &mut self.servers[server];
            it.worked -= 1.0;
            let Some(Queued { try_, .. }) = it.queue.pop_front() else {
                // An idle server saves nothing.
                it.worked = 0.0;
                return;
            };
            it.left = it.left.saturating_sub(1);
            if try_.number == 0 {
                continue;
            }
            self.second().good += 1;
            let (now, draw) = (self.nanos(), self.rng.f64());
            let it = &self.servers[server];
            if let Some(pass) = try_.pass {
                it.breaker.record(pass, AttemptResult::Ok, now, None, draw);
                if try_.number == 1 {
                    it.budget.earn();
                    self.all.iter().for_each(|all| all.earn(now));
                }
            }
        }
    }

    fn failed(&mut self, try_: Try, result: AttemptResult) {
        let Try { number, tries, server, asked, pass } = try_;
        let (now, draw) = (self.nanos(), self.rng.f64());
        let same = Due { number: number + 1, tries: tries + 1, server, asked };
        let next = Due { number: number + 1, tries: 1, server: (server + 1) % self.servers.len(), asked: asked + 1 };
        let again = if let Some(pass) = pass {
            let it = &self.servers[server];
            it.breaker.record(pass, result, now, None, draw);
            let failed = Failed {
                result,
                throttle: None,
                retry_after: None,
                should_retry: None,
                tries,
                max_retries: RETRIES,
                deadline: now.after(Duration::from_secs(30)),
                waits_until: now.after(Duration::from_secs(30)),
                first_byte: Duration::from_millis(100),
                other_credential: false,
                other_candidate: asked < self.servers.len(),
                bytes_sent: false,
                repeatable: true,
            };
            match decide(&failed, Payers { own: &it.budget, all: self.all.as_ref() }, now, self.rng.f64()) {
                Decision::RetrySame { after } => u64::try_from(after.as_millis()).ok().map(|wait| (wait, same)),
                Decision::OtherCandidate => Some((0, next)),
                _ => None,
            }
        } else {
            (number <= RETRIES).then_some((0, next))
        };
        if let Some((wait, due)) = again {
            self.again.entry(self.now + wait + 1).or_default().push(due);
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

/// Alone, and two that stand in for each other.
const SERVERS: [usize; 2] = [1, 2];

fn sum(seconds: &[Second]) -> (u64, u64) {
    seconds.iter().fold((0, 0), |(calls, tries), second| (calls + second.calls, tries + second.tries))
}

/// What was saved before, and one a second.
fn allowed(calls: u64, seconds: u64) -> f64 {
    calls as f64 * 1.1 + seconds as f64 + 100.0
}

#[test]
fn retry_amplification_le_1_1_when_everything_fails_for_ten_minutes() {
    for servers in SERVERS {
        let (calls, tries) = sum(&play(&ours(), servers, RATE, &[Weather::Fails; 600]));
        assert!((tries as f64) <= allowed(calls, 600), "{tries} tries of {calls} calls to {servers}");
        // Isolated, they are hardly asked at all.
        assert!(tries < 1000 * servers as u64, "{tries} tries of dead servers");
    }
}

#[test]
fn retry_amplification_le_1_1_without_a_breaker_too() {
    for servers in SERVERS {
        let (calls, tries) = sum(&play(&without_breakers(), servers, RATE, &[Weather::Fails; 120]));
        assert!(tries >= calls, "each is asked");
        assert!((tries as f64) <= allowed(calls, 120), "{tries} tries of {calls} calls to {servers}");
    }
    // So is a rate at which no breaker would open: two in five calls fail.
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
    assert!(tries as f64 <= allowed(calls, 600), "{tries} tries of {calls} calls");
}

/// After how many seconds servers that were slow are well again, whose callers follow this law.
fn after_they_were_slow(servers: usize, law: &Law) -> Option<usize> {
    let seconds = play(law, servers, RATE, &trigger(Weather::Works(100), USUAL));
    let (calls, tries) = sum(&seconds);
    assert!((tries as f64) <= allowed(calls, seconds.len() as u64), "{tries} tries of {calls} calls to {servers}");
    recovered(&seconds, 20)
}

#[test]
fn servers_that_were_slow_recover_within_30_s_after_the_trigger() {
    for servers in SERVERS {
        let after = after_they_were_slow(servers, &ours());
        assert!(after.is_some_and(|after| after <= 30), "{servers} recovered after {after:?} s");
    }
}

/// They first work off what came meanwhile, which takes as long as there is little to spare.
#[test]
fn without_breakers_servers_that_were_slow_recover_within_60_s_after_the_trigger() {
    for servers in SERVERS {
        let after = after_they_were_slow(servers, &without_breakers());
        assert!(after.is_some_and(|after| after <= 60), "{servers} recovered after {after:?} s");
    }
}

#[test]
fn servers_that_failed_recover_within_30_s_after_the_trigger() {
    for servers in SERVERS {
        let seconds = play(&ours(), servers, RATE, &trigger(Weather::Fails, USUAL));
        let after = recovered(&seconds, 20);
        assert!(after.is_some_and(|after| after <= 30), "{servers} recovered after {after:?} s");
    }
}

#[test]
fn callers_who_simply_try_again_keep_such_servers_down() {
    for servers in SERVERS {
        let seconds = play(&Law::Again, servers, RATE, &trigger(Weather::Works(100), USUAL));
        assert_eq!(recovered(&seconds, 20), None, "this storm would prove nothing: {servers}");
    }
}
