//! A call as the laboratory knows it: when, whose, how urgent, how large, how patient.
//!
//! Nothing of a call's content matters to flow control, so nothing of it is here. What a call will use is known to the
//! laboratory from the start, but not to what it judges: that sees the estimate, and the use only at the end.

use super::draw::Draw;
use sluicegate_flow::Nanos;
use sluicegate_vocabulary::{Endpoint, Priority};
use std::time::Duration;

/// The four classes, highest first, as every table and every array by class here has them.
pub const CLASSES: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

/// A class's place in [`CLASSES`].
pub(crate) const fn rank(class: Priority) -> usize {
    match class {
        Priority::Critical => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}

/// A value for every class, in the order of [`CLASSES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByClass<T>(pub [T; 4]);

impl<T> ByClass<T> {
    /// A class's own.
    pub const fn of(&self, class: Priority) -> &T {
        let Self([critical, high, normal, low]) = self;
        match class {
            Priority::Critical => critical,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }

    /// A class's own, to change.
    pub const fn of_mut(&mut self, class: Priority) -> &mut T {
        let Self([critical, high, normal, low]) = self;
        match class {
            Priority::Critical => critical,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }
}

/// How long a call of each class waits unless its client says otherwise.
pub const PATIENCE: ByClass<Duration> =
    ByClass([Duration::from_secs(10), Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(300)]);

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When it arrives.
    pub at: Nanos,
    /// Its class.
    pub class: Priority,
    /// Whose it is: an index into [`super::Names::keys`].
    pub key: u32,
    /// What it asks for.
    pub endpoint: Endpoint,
    /// Which model: an index into [`super::Names::models`].
    pub model: u32,
    /// Tokens of input.
    pub tokens_in: u32,
    /// Tokens of output it will have.
    pub tokens_out: u32,
    /// Tokens of output that are reserved for it before anybody can know.
    pub reserve_out: u32,
    /// How long its client waits for the first byte; the class's default when absent.
    pub patience: Option<Duration>,
    /// How long the provider works on it; by the provider's own pace when absent.
    pub service: Option<Duration>,
    /// The client of a closed loop, who sends the next call when this one has ended.
    pub client: Option<u32>,
}

impl Call {
    /// When it is too late for the first byte.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.at.after(self.patience.unwrap_or(*PATIENCE.of(self.class)))
    }

    /// Tokens it will use.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.tokens_in as u64 + self.tokens_out as u64
    }

    /// Tokens to reserve for it.
    #[must_use]
    pub const fn reserved(&self) -> u64 {
        self.tokens_in as u64 + self.reserve_out as u64
    }
}

/// A number of tokens that differs from call to call.
#[derive(Debug, Clone, PartialEq)]
pub enum Size {
    /// Always this many.
    Fixed(u32),
    /// Lognormal: half the calls have fewer than `median`; `sigma` 1 spreads as real prompts and answers do.
    Lognormal {
        /// The middle.
        median: u32,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// One of these, each as likely as its share.
    Table(Vec<(u32, f64)>),
}

/// The most tokens a drawn size has: what the largest models take.
const LARGEST: f64 = 2_000_000.0;

impl Size {
    fn draw(&self, draw: &mut Draw) -> u32 {
        match self {
            Self::Fixed(tokens) => *tokens,
            Self::Lognormal { median, sigma } => {
                draw.lognormal(f64::from(*median), *sigma).round().clamp(1.0, LARGEST) as u32
            }
            Self::Table(rows) => {
                let shares: Vec<f64> = rows.iter().map(|(_, share)| *share).collect();
                rows.get(draw.share(&shares)).map_or(0, |(tokens, _)| *tokens)
            }
        }
    }

    /// What 95 of 100 draws do not exceed: what a relay that has learned this distribution reserves.
    #[must_use]
    pub fn p95(&self) -> u32 {
        match self {
            Self::Fixed(tokens) => *tokens,
            // 1.645 standard deviations above the middle lie 5 %.
            Self::Lognormal { median, sigma } => (f64::from(*median) * (1.645 * sigma).exp()).min(LARGEST) as u32,
            Self::Table(rows) => {
                let mut rows: Vec<(u32, f64)> = rows.clone();
                rows.sort_by_key(|(tokens, _)| *tokens);
                let mut left = 0.95 * rows.iter().map(|(_, share)| share).sum::<f64>();
                for (tokens, share) in &rows {
                    left -= share;
                    if left <= 1e-9 {
                        return *tokens;
                    }
                }
                rows.last().map_or(0, |(tokens, _)| *tokens)
            }
        }
    }

    /// The average.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(tokens) => f64::from(*tokens),
            Self::Lognormal { median, sigma } => f64::from(*median) * (sigma * sigma / 2.0).exp(),
            Self::Table(rows) => {
                let whole: f64 = rows.iter().map(|(_, share)| share).sum();
                rows.iter().map(|(tokens, share)| f64::from(*tokens) * share / whole.max(f64::MIN_POSITIVE)).sum()
            }
        }
    }
}

/// What calls are like, apart from when they come.
#[derive(Debug, Clone, PartialEq)]
pub struct Kinds {
    /// Shares of the classes that calls ask for; they need not add up to anything.
    pub classes: ByClass<f64>,
    /// The highest class that calls of a key can have, by its number; the others can have any.
    pub highest_of_key: Vec<Priority>,
    /// The highest class that calls to an endpoint can have; to the others, any.
    pub highest_of_endpoint: Vec<(Endpoint, Priority)>,
    /// Shares of the endpoints.
    pub endpoints: Vec<(Endpoint, f64)>,
    /// How many keys call.
    pub keys: u32,
    /// How unevenly: key number n calls in proportion to n to the minus this. 0 is evenly, 1 is what popularity is like.
    pub skew: f64,
    /// How many models are called, each as often.
    pub models: u32,
    /// Tokens of input.
    pub tokens_in: Size,
    /// Tokens of output.
    pub tokens_out: Size,
    /// How long clients wait, where not as long as their class does.
    pub patience: Option<ByClass<Duration>>,
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            classes: ByClass([0.1, 0.2, 0.4, 0.3]),
            highest_of_key: Vec::new(),
            highest_of_endpoint: Vec::new(),
            endpoints: vec![(Endpoint::ChatCompletions, 1.0)],
            keys: 20,
            skew: 1.0,
            models: 1,
            tokens_in: Size::Lognormal { median: 600, sigma: 1.0 },
            tokens_out: Size::Lognormal { median: 150, sigma: 0.8 },
            patience: None,
        }
    }
}

impl Kinds {
    /// Tokens of a call on the average.
    #[must_use]
    pub fn mean_tokens(&self) -> f64 {
        self.tokens_in.mean() + self.tokens_out.mean()
    }
}

/// Draws calls of the given kinds.
#[derive(Debug, Clone)]
pub(crate) struct Dealer {
    kinds: Kinds,
    endpoints: Vec<f64>,
    /// For each key, the share of calls that it and those before it make.
    keys: Vec<f64>,
    reserve_out: u32,
    draw: Draw,
}

/// More keys than this are drawn as this many: their shares no longer differ in effect.
const MOST_KEYS: u32 = 1_000_000;

impl Dealer {
    pub(crate) fn new(kinds: &Kinds, seed: u64) -> Self {
        let mut sum = 0.0;
        let keys = (1..=kinds.keys.clamp(1, MOST_KEYS)).map(|number| {
            sum += f64::from(number).powf(-kinds.skew);
            sum
        });
        Self {
            endpoints: kinds.endpoints.iter().map(|(_, share)| *share).collect(),
            keys: keys.collect(),
            reserve_out: kinds.tokens_out.p95(),
            draw: Draw::new(seed, 2),
            kinds: kinds.clone(),
        }
    }

    /// The next call, of any class.
    pub(crate) fn deal(&mut self, at: Nanos, client: Option<u32>) -> Call {
        let class = self.draw.share(&self.kinds.classes.0);
        self.of_class(at, CLASSES.get(class).copied().unwrap_or_default(), client)
    }

    /// The next call, of this class or the highest below it that it can have.
    pub(crate) fn of_class(&mut self, at: Nanos, class: Priority, client: Option<u32>) -> Call {
        let at_key = self.draw.unit() * self.keys.last().copied().unwrap_or_default();
        let key = self.keys.partition_point(|&up_to| up_to <= at_key).min(self.keys.len() - 1);
        let endpoint = self.kinds.endpoints.get(self.draw.share(&self.endpoints));
        let endpoint = endpoint.map_or(Endpoint::ChatCompletions, |(endpoint, _)| *endpoint);
        let of_endpoint = self.kinds.highest_of_endpoint.iter().find(|(own, _)| *own == endpoint);
        let highest = self.kinds.highest_of_key.get(key).into_iter().chain(of_endpoint.map(|(_, highest)| highest));
        let class = highest.fold(class, |class, highest| class.min(*highest));
        let models = u64::from(self.kinds.models.max(1));
        let tokens_out = self.kinds.tokens_out.draw(&mut self.draw);
        Call {
            at,
            class,
            key: key as u32,
            endpoint,
            model: (self.draw.bits() % models) as u32,
            tokens_in: self.kinds.tokens_in.draw(&mut self.draw),
            tokens_out,
            reserve_out: self.reserve_out,
            patience: self.kinds.patience.map(|patience| *patience.of(class)),
            service: None,
            client,
        }
    }
}
