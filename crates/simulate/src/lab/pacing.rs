//! Whether calls are paced so that a provider need not refuse them.
//!
//! A provider counts requests and tokens in two buckets of ten seconds' worth and tells their levels with each answer,
//! which comes a second later. More calls come than fit, and wait in a queue. The production code's [`Shadow`] says when
//! the next may go. Good pacing meets few refusals and wastes little of the quota: either alone is easy.

use super::draw::Draw;
use super::events::Events;
use sluicegate_flow::Nanos;
use sluicegate_flow::egress::{Charge, Levels, Sent, Shadow, Throttle, Told};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Who sends to the provider, and what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Instances of the relay.
    pub gateways: usize,
    /// Whether the instances share one copy of the provider's count, or each has its own and a share of one over them.
    pub shared: bool,
    /// Somebody else uses half of the quota, unpaced.
    pub stranger: bool,
    /// The provider tells its levels.
    pub told: bool,
}

impl Setting {
    /// One instance alone.
    pub const ALONE: Self = Self { gateways: 1, shared: true, stranger: false, told: true };
    /// One instance beside somebody else.
    pub const BESIDE_A_STRANGER: Self = Self { stranger: true, ..Self::ALONE };
    /// Four instances with one count, beside somebody else.
    pub const FOUR_SHARING: Self = Self { gateways: 4, ..Self::BESIDE_A_STRANGER };
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paced {
    /// Calls that came.
    pub offered: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Requests sent for them.
    pub sent: usize,
    /// Requests that the provider refused.
    pub refused: usize,
    /// Part of the provider's requests that were used, by us and others.
    pub used: f64,
}

impl Paced {
    /// Part of the requests sent that were refused.
    #[must_use]
    pub fn refused_part(&self) -> f64 {
        self.refused as f64 / self.sent.max(1) as f64
    }
}

const REQUESTS_PER_MINUTE: f64 = 600.0;
const TOKENS_PER_MINUTE: f64 = 1_200_000.0;
/// Seconds' worth that its buckets hold.
const BUCKET: f64 = 10.0;
/// Calls a second that come, all in all, and the stranger's.
const OFFERED: f64 = 13.0;
const STRANGER: f64 = 5.0;
/// A call waits so long at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// On the way to the provider, and back with a refusal.
const ON_THE_WAY: Duration = Duration::from_millis(50);

struct Bucket {
    level: f64,
    rate: f64,
    at: Nanos,
}

impl Bucket {
    fn new(per_minute: f64) -> Self {
        let rate = per_minute / 60.0;
        Self { level: rate * BUCKET, rate, at: Nanos::ZERO }
    }

    fn refill(&mut self, now: Nanos) {
        let passed = self.at.until(now).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.rate * BUCKET);
        self.at = now;
    }

    fn missing(&self, cost: f64) -> Duration {
        Duration::from_secs_f64(((cost - self.level) / self.rate).max(0.0))
    }

    fn told(&self) -> Told {
        let limit = Some((self.rate * 60.0).round() as u64);
        Told { limit, remaining: Some(self.level as u64), reset: Some(self.missing(self.rate * BUCKET)) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Call {
    came: Nanos,
    tokens: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Arrives,
    StrangerArrives,
    /// A request comes to the provider.
    Reaches {
        gateway: usize,
        call: Call,
        sent: Sent,
    },
    Answers {
        gateway: usize,
        sent: Sent,
        told: Levels,
    },
    Refuses {
        gateway: usize,
        call: Call,
        sent: Sent,
        told: Levels,
        throttle: Throttle,
    },
    Wakes {
        gateway: usize,
    },
}

struct Gateway {
    quota: Arc<Shadow>,
    queue: VecDeque<Call>,
    /// A wake-up is planned for then.
    wakes: Option<Nanos>,
}

struct World {
    setting: Setting,
    events: Events<Event>,
    requests: Bucket,
    tokens: Bucket,
    taken: usize,
    gateways: Vec<Gateway>,
    sizes: Draw,
    times: Draw,
    paced: Paced,
}

/// Plays a setting for so long.
#[must_use]
pub fn play(setting: Setting, length: Duration, seed: u64) -> Paced {
    let one = Arc::new(Shadow::new(1.0));
    let count = setting.gateways.max(1);
    let quota = || if setting.shared { Arc::clone(&one) } else { Arc::new(Shadow::new(1.0 / count as f64)) };
    let mut world = World {
        setting,
        events: Events::new(),
        requests: Bucket::new(REQUESTS_PER_MINUTE),
        tokens: Bucket::new(TOKENS_PER_MINUTE),
        taken: 0,
        gateways: (0..count).map(|_| Gateway { quota: quota(), queue: VecDeque::new(), wakes: None }).collect(),
        sizes: Draw::new(seed, 1),
        times: Draw::new(seed, 2),
        paced: Paced { offered: 0, answered: 0, sent: 0, refused: 0, used: 0.0 },
    };
    world.events.plan(Nanos::ZERO, Event::Arrives);
    if setting.stranger {
        world.events.plan(Nanos::ZERO, Event::StrangerArrives);
    }
    while let Some((now, event)) = world.events.next() {
        if now > Nanos::ZERO.after(length) {
            break;
        }
        world.happen(now, event);
    }
    let all = REQUESTS_PER_MINUTE / 60.0 * (length.as_secs_f64() + BUCKET);
    Paced { used: world.taken as f64 / all, ..world.paced }
}

impl World {
    fn happen(&mut self, now: Nanos, event: Event) {
        match event {
            Event::Arrives => {
                self.paced.offered += 1;
                let call = Call { came: now, tokens: self.size() };
                let gateway = (self.times.bits() % self.gateways.len() as u64) as usize;
                if let Some(gateway) = self.gateways.get_mut(gateway) {
                    gateway.queue.push_back(call);
                }
                self.send(gateway, now);
                let pause = Duration::from_secs_f64(self.times.exponential(OFFERED));
                self.events.plan(now.after(pause), Event::Arrives);
            }
            Event::StrangerArrives => {
                let tokens = self.size();
                let _ = self.take(now, tokens);
                let pause = Duration::from_secs_f64(self.times.exponential(STRANGER));
                self.events.plan(now.after(pause), Event::StrangerArrives);
            }
            Event::Reaches { gateway, call, sent } => self.reach(gateway, now, call, sent),
            Event::Answers { gateway, sent, told } => {
                self.paced.answered += 1;
                if let Some(gateway) = self.gateways.get(gateway) {
                    gateway.quota.observe(now, &sent, &told);
                    gateway.quota.succeeded(&sent);
                }
                self.send(gateway, now);
            }
            Event::Refuses { gateway, call, sent, told, throttle } => {
                let draw = self.times.unit();
                if let Some(gateway) = self.gateways.get_mut(gateway) {
                    gateway.quota.refused(now, &sent, throttle, &told, draw);
                    gateway.queue.push_front(call);
                }
                self.send(gateway, now);
            }
            Event::Wakes { gateway } => {
                let due = |gateway: &&mut Gateway| gateway.wakes == Some(now);
                if let Some(gateway) = self.gateways.get_mut(gateway).filter(due) {
                    gateway.wakes = None;
                } else {
                    return;
                }
                self.send(gateway, now);
            }
        }
    }

    /// Input and the output allowed.
    fn size(&mut self) -> u64 {
        let input = self.sizes.lognormal(500.0, 1.0).min(20_000.0);
        let output = [256.0, 512.0, 1024.0, 4096.0];
        let output = output.get(self.sizes.share(&[4.0, 3.0, 2.0, 0.5])).copied().unwrap_or_default();
        (input + output) as u64
    }

    fn take(&mut self, now: Nanos, tokens: u64) -> Result<(), Throttle> {
        let tokens = tokens as f64;
        self.requests.refill(now);
        self.tokens.refill(now);
        // `retry-after` is a whole number of seconds, and at least one.
        let missing = self.requests.missing(1.0).max(self.tokens.missing(tokens)).as_secs_f64();
        let reset = Some(Duration::from_secs_f64(missing.ceil().max(1.0)));
        if self.requests.level < 1.0 {
            return Err(Throttle::QuotaRequests { reset });
        }
        if self.tokens.level < tokens {
            return Err(Throttle::QuotaTokens { reset });
        }
        self.requests.level -= 1.0;
        self.tokens.level -= tokens;
        self.taken += 1;
        Ok(())
    }

    fn reach(&mut self, gateway: usize, now: Nanos, call: Call, sent: Sent) {
        let taken = self.take(now, call.tokens);
        let told =
            Levels { requests: Some(self.requests.told()), tokens: Some(self.tokens.told()), ..Levels::default() };
        let told = if self.setting.told { told } else { Levels::default() };
        match taken {
            Ok(()) => {
                let took = Duration::from_secs_f64(self.times.lognormal(0.6, 0.5).min(20.0));
                self.events.plan(now.after(took), Event::Answers { gateway, sent, told });
            }
            Err(throttle) => {
                self.paced.refused += 1;
                self.events.plan(now.after(ON_THE_WAY), Event::Refuses { gateway, call, sent, told, throttle });
            }
        }
    }

    /// Sends what may go, and plans to look again when the next may.
    fn send(&mut self, index: usize, now: Nanos) {
        let Some(gateway) = self.gateways.get_mut(index) else { return };
        while let Some(call) = gateway.queue.front().copied() {
            if call.came.after(PATIENCE) < now {
                gateway.queue.pop_front();
                continue;
            }
            match gateway.quota.acquire(now, Charge { requests: 1, tokens: call.tokens, ..Charge::default() }) {
                Ok(sent) => {
                    gateway.queue.pop_front();
                    self.paced.sent += 1;
                    self.events.plan(now.after(ON_THE_WAY), Event::Reaches { gateway: index, call, sent });
                }
                Err(wait) => {
                    let at = now.after(wait);
                    if gateway.wakes.is_none_or(|planned| planned > at) {
                        gateway.wakes = Some(at);
                        self.events.plan(at, Event::Wakes { gateway: index });
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "pacing_tests.rs"]
mod tests;
