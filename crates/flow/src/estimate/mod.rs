//! What a call will probably use, learned from what calls have used.
//!
//! Tokens are reserved before a call is sent, and corrected when the provider has told what it used. The better the
//! estimate, the fuller the limit: what is reserved and not used keeps others waiting, and what is used beyond the
//! reservation is a debt. Two numbers are learned. A model's tokens for each byte of input, which depends on its
//! tokenizer and on the language its users write ([`Calibration`]). And how long the answers are that one key gets from
//! one model, which depends on what it is used for ([`Lengths`]).
//!
//! Whoever estimates a call also learns from it when it has ended, so what is known is looked up once ([`Estimates::of`])
//! and kept by the call.
//!
//! **Promises.** Nothing here grows without bound: of models and keys that have not been seen for long, what was
//! learned is forgotten first. Looking up takes constant time and one short lock, estimating and learning two each.

mod calibration;
mod lengths;
mod recent;

pub use self::calibration::Calibration;
pub use self::lengths::{Learned, Lengths};

use self::recent::Recent;
use crate::hash::Shards;
use parking_lot::Mutex;
use sluicegate_vocabulary::Mode;
use std::sync::Arc;

/// Output that is reserved where nothing is known: neither what the caller asks for, nor what the model can do, nor
/// what calls like it have used.
pub const UNKNOWN_OUTPUT: u64 = 4096;

/// How many locks what was learned is spread over.
const SHARDS: usize = 16;

/// How much output to reserve for a call that allows itself `max_tokens`, by a model that answers with at most `cap`.
///
/// Strict reserves the most there can be. Adaptive reserves what 95 of 100 such calls have stayed below, graceful what
/// 75 have, and as long as that is not known the most the caller asks for.
#[must_use]
pub fn reserve_output(mode: Mode, max_tokens: Option<u64>, cap: Option<u64>, learned: Option<Learned>) -> u64 {
    let cap = cap.unwrap_or(u64::MAX);
    let asked = max_tokens.map(|asked| asked.min(cap));
    let unknown = if cap == u64::MAX || mode != Mode::Strict { UNKNOWN_OUTPUT.min(cap) } else { cap };
    let usual = match (mode, learned) {
        (Mode::Strict, _) | (_, None) => return asked.unwrap_or(unknown),
        (Mode::Adaptive, Some(learned)) => learned.p95,
        (Mode::Graceful, Some(learned)) => learned.p75,
    };
    usual.min(asked.unwrap_or(cap))
}

/// What has been learned about models, and about the keys that use them. Keys and models are named by numbers that mean
/// the same across configurations.
///
/// A call asks for both at once, so what is known about a model hangs on each of its pairs: one look finds it all.
#[derive(Debug)]
pub struct Estimates {
    models: Known<u64, Mutex<Calibration>>,
    pairs: Known<(u64, u64), Usual>,
    /// The most models, and the most pairs of key and model, in each part.
    most: usize,
}

/// What is known by number, whoever uses it at present.
type Known<K, V> = Shards<Mutex<Recent<K, Arc<V>>>>;

/// What is usual for a key's calls to a model.
#[derive(Debug)]
pub struct Usual {
    /// Of the answers that the key gets from the model.
    lengths: Mutex<Lengths>,
    /// Of the model, whoever asks it.
    calibration: Arc<Mutex<Calibration>>,
}

impl Usual {
    /// The tokens in so many bytes of input, and how long answers are: `None` while too few have been seen.
    #[must_use]
    #[inline]
    pub fn estimate(&self, bytes: u64) -> (u64, Option<Learned>) {
        (self.calibration.lock().tokens(bytes), self.lengths.lock().learned())
    }

    /// A provider has counted the tokens of an input of so many bytes and, where its answer came to its end, those of the
    /// answer.
    #[inline]
    pub fn learn(&self, (bytes, input): (u64, u64), output: Option<u64>) {
        self.calibration.lock().learn(bytes, input);
        if let Some(output) = output {
            self.lengths.lock().learn(output);
        }
    }
}

impl Estimates {
    /// Knows nothing yet. Remembers at most about `most` models, and as many pairs of key and model; each pair takes a
    /// third of a kilobyte.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { models: Shards::new(SHARDS), pairs: Shards::new(SHARDS), most: most.div_ceil(SHARDS) }
    }

    /// What is known about a key's calls to a model.
    #[must_use]
    #[inline]
    pub fn of(&self, key: u64, model: u64) -> Arc<Usual> {
        let key = (key, model);
        let mut pairs = self.pairs.of(&key).lock();
        Arc::clone(pairs.get_or_insert_with(key, self.most, || self.first_of(model)))
    }

    #[cold]
    fn first_of(&self, model: u64) -> Arc<Usual> {
        let mut models = self.models.of(&model).lock();
        let calibration = Arc::clone(models.get_or_insert_with(model, self.most, Arc::default));
        Arc::new(Usual { lengths: Mutex::default(), calibration })
    }
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;
