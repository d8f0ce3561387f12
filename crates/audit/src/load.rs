//! Load: so many calls at once, or so many a second.
//!
//! Both are honest about different things. In a closed loop a number of callers each wait for their answer before they
//! ask again, so a slow endpoint is asked less; it shows what one endpoint does at a given concurrency. In an open loop
//! calls are due at fixed moments whatever happens, as the world's are, and each is timed **from when it was due**: where
//! a tool times from when it got round to sending, the slowest moments are left out just because nothing could be sent in
//! them (coordinated omission).

use crate::audit::Context;
use crate::call::{Sent, Went};
use crate::measure::{Objective, Step};
use crate::speech::Ask;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What load is made of.
#[derive(Debug, Clone)]
pub struct Load {
    /// Calls at once, step by step.
    pub steps: Vec<usize>,
    /// Calls for each caller of a step.
    pub calls_each: u64,
    /// Instead of steps: calls a second, for so long.
    pub rate: Option<(f64, Duration)>,
    /// Words in a call's prompt.
    pub words: usize,
    /// Tokens in an answer, at most.
    pub max_tokens: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self { steps: vec![1, 4, 8, 16], calls_each: 10, rate: None, words: 100, max_tokens: 64 }
    }
}

/// Steps until an objective breaks or calls are refused, or the one rate that was asked for.
pub(crate) async fn load(context: &Arc<Context>, load: &Load, objectives: &[Objective]) -> Vec<Step> {
    if let Some((rate, lasting)) = load.rate {
        return open(context, load, rate, lasting).await.into_iter().collect();
    }
    let mut steps = Vec::new();
    for &concurrency in &load.steps {
        let Some(step) = closed(context, load, concurrency).await else { break };
        context.progress.step(&step);
        let stop = step.limited > 0 || objectives.iter().any(|objective| !objective.holds(&step));
        steps.push(step);
        if stop {
            break;
        }
    }
    steps
}

/// So many callers, each asking again when answered. `None` when there was no room in the budget for any call.
async fn closed(context: &Arc<Context>, load: &Load, concurrency: usize) -> Option<Step> {
    let left = Arc::new(AtomicU64::new(load.calls_each * concurrency as u64));
    let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        let (context, left, sent, words, max_tokens) =
            (Arc::clone(context), Arc::clone(&left), Arc::clone(&sent), load.words, load.max_tokens);
        callers.spawn(async move {
            while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                let Some(answer) = context.send(&Ask::words(words, context.salt(), max_tokens)).await else { break };
                let refused = matches!(answer.went, Went::Limited(_));
                sent.lock().push(answer);
                if refused {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
    }
    while callers.join_next().await.is_some() {}
    let lasted = begun.elapsed();
    let sent = std::mem::take(&mut *sent.lock());
    (!sent.is_empty()).then(|| Step { concurrency: Some(concurrency), ..Step::of(&sent, lasted) })
}

/// Calls due at even moments.
async fn open(context: &Arc<Context>, load: &Load, rate: f64, lasting: Duration) -> Option<Step> {
    let count = (rate * lasting.as_secs_f64()).ceil() as u64;
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    let mut sent = Vec::new();
    for index in 0..count {
        let due = begun + Duration::from_secs_f64(index as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        let ask = Ask::words(load.words, context.salt(), load.max_tokens);
        let context = Arc::clone(context);
        calls.spawn(async move { context.send_due(&ask, due).await });
        while let Some(Ok(Some(answer))) = calls.try_join_next() {
            sent.push(answer);
        }
    }
    while let Some(answer) = calls.join_next().await {
        sent.extend(answer.ok().flatten());
    }
    (!sent.is_empty()).then(|| Step { rate: Some(rate), ..Step::of(&sent, begun.elapsed()) })
}
