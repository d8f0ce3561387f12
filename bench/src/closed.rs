//! A closed loop: so many callers, each asking again as soon as it was answered.
//!
//! It finds how much work gets done and what a call costs. Its latencies say what a caller feels when there are only so
//! many of them; for what happens at a given rate there is the open loop.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::template::Template;
use crate::{Outcome, answer, usage};

/// What one arm did in one round.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Calls answered rightly.
    pub(crate) calls: u64,
    /// Calls that failed or were answered wrongly.
    pub(crate) failed: u64,
    /// What the first failure was.
    pub(crate) failure: Option<String>,
    /// The length of the round.
    pub(crate) span: Duration,
    /// Time the proxy spent on a CPU in it.
    pub(crate) cpu: Duration,
    /// Latencies to the last byte, in nanoseconds.
    pub(crate) whole: Histogram<u64>,
    /// Latencies to the first byte of the body, in nanoseconds.
    pub(crate) first: Histogram<u64>,
}

impl Sample {
    /// CPU time for one call, in microseconds.
    pub(crate) fn micros_per_call(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count(self.calls.max(1))
    }

    /// Calls in a second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.calls) / self.span.as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}

/// A histogram for latencies: nanoseconds up to a minute, three digits.
pub(crate) fn latencies() -> Outcome<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?)
}

/// A length of time as histograms hold it.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What the callers of one round write down together.
struct Notes {
    on: Cell<bool>,
    stop: Cell<bool>,
    calls: Cell<u64>,
    failed: Cell<u64>,
    failure: RefCell<Option<String>>,
    whole: RefCell<Histogram<u64>>,
    first: RefCell<Histogram<u64>>,
}

/// Loads `address` with `callers` callers for `warm` and then `span`, and reads the CPU of `pids` around the latter.
pub(crate) async fn run(
    address: SocketAddr,
    pids: &[u32],
    template: &Template,
    callers: usize,
    warm: Duration,
    span: Duration,
) -> Outcome<Sample> {
    let notes = Rc::new(Notes {
        on: Cell::new(false),
        stop: Cell::new(false),
        calls: Cell::new(0),
        failed: Cell::new(0),
        failure: RefCell::new(None),
        whole: RefCell::new(latencies()?),
        first: RefCell::new(latencies()?),
    });
    let mut tasks = Vec::with_capacity(callers);
    for _ in 0..callers {
        let connection = answer::connect(address).await?;
        tasks.push(tokio::task::spawn_local(caller(address, connection, template.clone(), Rc::clone(&notes))));
    }
    tokio::time::sleep(warm).await;
    let before = usage::cpu(pids)?;
    let begin = Instant::now();
    notes.on.set(true);
    tokio::time::sleep(span).await;
    notes.on.set(false);
    let span = begin.elapsed();
    let cpu = usage::cpu(pids)?.saturating_sub(before);
    notes.stop.set(true);
    for task in tasks {
        task.await?;
    }
    Ok(Sample {
        calls: notes.calls.get(),
        failed: notes.failed.get(),
        failure: notes.failure.borrow().clone(),
        span,
        cpu,
        whole: notes.whole.borrow().clone(),
        first: notes.first.borrow().clone(),
    })
}

async fn caller(address: SocketAddr, mut connection: answer::Connection, template: Template, notes: Rc<Notes>) {
    while !notes.stop.get() {
        let begin = Instant::now();
        let result = answer::call(&mut connection, &template).await;
        match result {
            Ok(times) if notes.on.get() => {
                notes.calls.set(notes.calls.get() + 1);
                notes.whole.borrow_mut().saturating_record(nanos(times.last - begin));
                notes.first.borrow_mut().saturating_record(nanos(times.first - begin));
            }
            Ok(_) => {}
            Err(error) => {
                notes.failed.set(notes.failed.get() + 1);
                notes.failure.borrow_mut().get_or_insert(error.to_string());
                tokio::time::sleep(Duration::from_millis(20)).await;
                match answer::connect(address).await {
                    Ok(fresh) => connection = fresh,
                    Err(_) => return,
                }
            }
        }
    }
}
