//! Searches in made-up time, of providers with limits of all kinds.

use super::*;
use crate::call::TooMuch;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How a limit by the minute counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Refilled evenly; it holds so many minutes' worth.
    Bucket(f64),
    /// Never more than the limit in any minute.
    Sliding,
    /// Minutes of the clock.
    Fixed,
}

#[derive(Debug, Clone)]
struct ByMinute {
    limit: f64,
    kind: Kind,
    /// What a bucket holds, and since when.
    level: (f64, f64),
    taken: Vec<(f64, f64)>,
}

impl ByMinute {
    fn new(limit: f64, kind: Kind) -> Self {
        let holds = if let Kind::Bucket(minutes) = kind { limit * minutes } else { 0.0 };
        Self { limit, kind, level: (holds, 0.0), taken: Vec::new() }
    }

    fn has_room(&mut self, now: f64, amount: f64) -> bool {
        match self.kind {
            Kind::Bucket(minutes) => {
                let (level, at) = self.level;
                self.level = ((level + (now - at) * self.limit / 60.0).min(self.limit * minutes), now);
                self.level.0 >= amount
            }
            Kind::Sliding | Kind::Fixed => {
                let begun = if self.kind == Kind::Sliding { now - 60.0 } else { (now / 60.0).floor() * 60.0 };
                self.taken.retain(|(at, _)| *at > begun);
                self.taken.iter().map(|(_, amount)| amount).sum::<f64>() + amount <= self.limit
            }
        }
    }

    fn take(&mut self, now: f64, amount: f64) {
        self.level.0 -= amount;
        self.taken.push((now, amount));
    }
}

#[derive(Debug)]
struct Quotas {
    /// When the places are free again of calls that took one.
    places: Vec<f64>,
    requests: Option<ByMinute>,
    tokens: Option<ByMinute>,
}

/// A provider with hidden limits.
#[derive(Debug)]
struct Provider {
    hidden: Hidden,
    started: Instant,
    quotas: Mutex<Quotas>,
    salt: AtomicU64,
    asked: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Hidden {
    concurrency: Option<usize>,
    requests: Option<f64>,
    tokens: Option<f64>,
    kind: Kind,
    /// How long an answer takes.
    lasts: Duration,
    /// Whether a refusal says what there was too much of.
    says: bool,
}

const CALLS: u64 = 2_000;
/// How long a call still has its place when it has been answered.
const LINGERS: Duration = Duration::from_millis(3);

impl Endpoint for Provider {
    async fn ask(&self, ask: &Ask) -> Option<Tried> {
        let number = self.asked.fetch_add(1, Relaxed);
        if number >= CALLS {
            return None;
        }
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let tokens = ask.tokens + u64::from(ask.max_tokens);
        // No two answers take the same time.
        let lasts = self.hidden.lasts.mul_f64(0.9 + (number * 37 % 100) as f64 / 500.0);
        let refused = self.admit(tokens as f64, lasts);
        tokio::time::sleep(if refused.is_some() { Duration::from_millis(1) } else { lasts }).await;
        let went = refused.map_or(Went::Ok, |kind| Went::Limited(self.hidden.says.then_some(kind)));
        Some(Tried { went, began, ended: Instant::now(), tokens })
    }

    fn room(&self, _: &Ask) -> u64 {
        CALLS.saturating_sub(self.asked.load(Relaxed))
    }

    fn salt(&self) -> u64 {
        self.salt.fetch_add(1, Relaxed)
    }

    fn phase(&self, _: &str) {}

    fn over(&self) {}
}

impl Provider {
    fn new(hidden: Hidden) -> Arc<Self> {
        let limit = |limit: Option<f64>| limit.map(|limit| ByMinute::new(limit, hidden.kind));
        let quotas = Quotas { places: Vec::new(), requests: limit(hidden.requests), tokens: limit(hidden.tokens) };
        let (quotas, started) = (Mutex::new(quotas), Instant::now());
        Arc::new(Self { hidden, started, quotas, salt: AtomicU64::new(0), asked: AtomicU64::new(0) })
    }

    fn admit(&self, amount: f64, lasts: Duration) -> Option<TooMuch> {
        let now = self.started.elapsed().as_secs_f64();
        let mut quotas = self.quotas.lock();
        let Quotas { places, requests, tokens } = &mut *quotas;
        places.retain(|free| *free > now);
        if self.hidden.concurrency.is_some_and(|most| places.len() >= most) {
            return Some(TooMuch::Concurrency);
        }
        if requests.as_mut().is_some_and(|it| !it.has_room(now, 1.0)) {
            return Some(TooMuch::Requests);
        }
        if tokens.as_mut().is_some_and(|it| !it.has_room(now, amount)) {
            return Some(TooMuch::Tokens);
        }
        places.push(now + (lasts + LINGERS).as_secs_f64());
        let _ = requests.as_mut().map(|it| it.take(now, 1.0));
        let _ = tokens.as_mut().map(|it| it.take(now, amount));
        None
    }

    /// What the load before a search does: ten calls of each of so many callers.
    async fn load(self: &Arc<Self>) {
        for callers in [1, 4, 8, 16] {
            let mut calls = tokio::task::JoinSet::new();
            for _ in 0..callers {
                let it = Arc::clone(self);
                calls.spawn(async move {
                    for _ in 0..10 {
                        it.ask(&Ask::words(100, it.salt(), 64)).await;
                    }
                });
            }
            while calls.join_next().await.is_some() {}
        }
    }
}

async fn searched(hidden: Hidden) -> Limits {
    let provider = Provider::new(hidden);
    provider.load().await;
    limits(&provider, &Search::default(), true).await
}

/// What is said falsely: what was found is within ten percent, and what is said not to be there is not.
fn lies(found: &Limits, hidden: &Hidden) -> Option<String> {
    let is_true = |(found, because, hidden): (Bound, Option<Because>, Option<f64>)| {
        because.is_some() == found.found().is_none()
            && match (found, hidden) {
                (Bound::At(found), Some(hidden)) => (found / hidden - 1.0).abs() <= 0.1,
                (Bound::At(_), None) => false,
                (Bound::NoneUpTo(none), Some(hidden)) => none <= hidden * 1.02,
                (Bound::NoneUpTo(_), None) | (Bound::Unknown, _) => true,
            }
    };
    let all = [
        (found.concurrency, found.because.concurrency, hidden.concurrency.map(|most| most as f64)),
        (found.requests_per_minute, found.because.requests_per_minute, hidden.requests),
        (found.tokens_per_minute, found.because.tokens_per_minute, hidden.tokens),
    ];
    (!all.into_iter().all(is_true)).then(|| format!("{found:?}\n  of {hidden:?}"))
}

const KINDS: [Kind; 4] = [Kind::Bucket(1.0), Kind::Bucket(0.25), Kind::Sliding, Kind::Fixed];

#[tokio::test(start_paused = true)]
async fn each_limit_is_found_alone_and_beside_the_others() {
    let (c, r, t) = (Some(23), Some(240.0), Some(60_000.0));
    let mut wrong = Vec::new();
    for (concurrency, requests, tokens) in [(c, r, t), (c, None, None), (None, r, None), (None, None, t)] {
        for kind in KINDS {
            for lasts in [500, 100, 1] {
                for says in [true, false] {
                    let lasts = Duration::from_millis(lasts);
                    let hidden = Hidden { concurrency, requests, tokens, kind, lasts, says };
                    let found = searched(hidden).await;
                    let is_missed = concurrency.is_some() != found.concurrency.found().is_some()
                        || requests.is_some() != found.requests_per_minute.found().is_some()
                        || tokens.is_some() != found.tokens_per_minute.found().is_some();
                    wrong.extend(is_missed.then(|| format!("missed: {found:?}\n  of {hidden:?}")));
                    wrong.extend(lies(&found, &hidden));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of 96:\n{}", wrong.len(), wrong.join("\n"));
}

/// Calls of few tokens use as many of them, within what a search can tell, as calls of many; and windows touch.
#[tokio::test(start_paused = true)]
async fn nothing_false_is_said_of_limits_that_are_near_each_other() {
    for (concurrency, requests, tokens, kind, lasts, says) in [
        (Some(15), 243.0, 3_347.0, Kind::Fixed, 720, true),
        (Some(24), 499.0, 7_053.0, Kind::Bucket(0.25), 1, true),
        (None, 29.0, 29_335.0, Kind::Fixed, 1_521, false),
        (None, 34.0, 50_481.0, Kind::Fixed, 1_461, true),
    ] {
        let (requests, tokens, lasts) = (Some(requests), Some(tokens), Duration::from_millis(lasts));
        let hidden = Hidden { concurrency, requests, tokens, kind, lasts, says };
        assert_eq!(lies(&searched(hidden).await, &hidden), None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_what_there_is_too_much_of_is_believed_where_two_limits_are_alike() {
    let (requests, tokens) = (Some(240.0), Some(350_000.0));
    let lasts = Duration::from_millis(100);
    let hidden = Hidden { concurrency: None, requests, tokens, kind: Kind::Bucket(0.25), lasts, says: true };
    let found = searched(hidden).await;
    assert_eq!(lies(&found, &hidden), None);
    assert!(found.requests_per_minute.found().is_some() && found.tokens_per_minute.found().is_some(), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_found_where_everything_is_refused() {
    let lasts = Duration::from_millis(100);
    let requests = Some(0.0);
    let hidden = Hidden { concurrency: None, requests, tokens: None, kind: Kind::Sliding, lasts, says: false };
    let begun = Instant::now();
    let found = searched(hidden).await;
    let all = [found.concurrency, found.requests_per_minute, found.tokens_per_minute];
    assert!(all.iter().all(|bound| *bound == Bound::Unknown), "{found:?}");
    assert_eq!(found.because.tokens_per_minute, Some(Because::Refused));
    assert!(begun.elapsed() < Duration::from_secs(150), "{:?} of asking for nothing", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_the_allowance_has_no_room_for_is_not_begun() {
    let lasts = Duration::from_millis(100);
    let hidden = Hidden { concurrency: None, requests: None, tokens: None, kind: Kind::Sliding, lasts, says: true };
    let provider = Provider::new(hidden);
    provider.asked.store(CALLS - 20, Relaxed);
    let found = limits(&provider, &Search::default(), false).await;
    assert_eq!((found.concurrency, found.because.concurrency), (Bound::NoneUpTo(8.0), Some(Because::Allowance)));
    assert!(matches!(found.requests_per_minute, Bound::NoneUpTo(_)), "some calls were left for it: {found:?}");
    assert!(provider.asked.load(Relaxed) < CALLS);
}

/// Seeds of limits that are drawn.
const CASES: u64 = 100;

#[tokio::test(start_paused = true)]
async fn nothing_false_is_said_of_limits_of_any_size() {
    let mut wrong = Vec::new();
    for case in 0..CASES {
        let mut rng = fastrand::Rng::with_seed(case);
        // Small and large ones are as likely.
        let mut drawn = |share: f64, from: f64, to: f64| {
            let size = from * (to / from).powf(rng.f64());
            (rng.f64() < share).then_some(size.round())
        };
        let concurrency = drawn(0.7, 1.0, 60.0).map(|most| most as usize);
        let (requests, tokens) = (drawn(0.7, 5.0, 1_000.0), drawn(0.7, 3_000.0, 400_000.0));
        let lasts = Duration::from_secs_f64(drawn(1.0, 1.0, 3_000.0).unwrap_or(1.0) / 1_000.0);
        let kind = KINDS[rng.usize(..KINDS.len())];
        let hidden = Hidden { concurrency, requests, tokens, kind, lasts, says: rng.bool() };
        let found = searched(hidden).await;
        wrong.extend(lies(&found, &hidden).map(|lie| format!("{case}: {lie}")));
    }
    assert!(wrong.is_empty(), "{} of {CASES}:\n{}", wrong.len(), wrong.join("\n"));
}
