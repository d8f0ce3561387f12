//! An open loop: calls fall due at a given rate, whether or not the last ones were answered.
//!
//! Real traffic does not wait for the proxy, so a closed loop hides what a stall does: while it lasts nobody asks.
//! Here the moments are drawn beforehand (exponential gaps from a seed, the same for both arms), a thread that only
//! sleeps hands them out, and a call's time begins at its moment even if no connection was free then.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use crate::closed::{Sample, latencies, nanos};
use crate::template::Template;
use crate::{Outcome, answer, usage};

/// Calls that may be out at once; more than that wait, and their waiting counts.
const MOST_CONNECTIONS: usize = 2_000;

struct State {
    idle: Vec<answer::Connection>,
    opened: usize,
    sample: Sample,
}

/// Sends `rate` calls a second for `span` and records each from the moment it was due. The first tenth of them only
/// warms up.
pub(crate) async fn run(
    address: SocketAddr,
    pids: &[u32],
    template: &Template,
    rate: f64,
    span: Duration,
    seed: u64,
) -> Outcome<Sample> {
    let state = Rc::new(RefCell::new(State {
        idle: Vec::new(),
        opened: 0,
        sample: Sample {
            calls: 0,
            failed: 0,
            failure: None,
            span,
            cpu: Duration::ZERO,
            whole: latencies()?,
            first: latencies()?,
        },
    }));
    let before = usage::cpu(pids)?;
    let mut due = moments(rate, span, seed);
    let warm_until = Instant::now() + span / 10;
    let mut tasks = Vec::new();
    while let Some(moment) = due.recv().await {
        let taken = state.borrow_mut().idle.pop();
        let (template, shared) = (template.clone(), Rc::clone(&state));
        tasks.push(tokio::task::spawn_local(async move {
            let result = one(address, taken, &template, &shared).await;
            let state = &mut *shared.borrow_mut();
            match result {
                Ok(times) => {
                    state.sample.calls += 1;
                    if moment >= warm_until {
                        state.sample.whole.saturating_record(nanos(times.last.saturating_duration_since(moment)));
                        state.sample.first.saturating_record(nanos(times.first.saturating_duration_since(moment)));
                    }
                }
                Err(error) => {
                    state.sample.failed += 1;
                    state.sample.failure.get_or_insert(error.to_string());
                }
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    let mut sample = state.borrow().sample.clone();
    sample.cpu = usage::cpu(pids)?.saturating_sub(before);
    Ok(sample)
}

async fn one(
    address: SocketAddr,
    taken: Option<answer::Connection>,
    template: &Template,
    state: &Rc<RefCell<State>>,
) -> Outcome<answer::Times> {
    let mut connection = match taken {
        Some(connection) => connection,
        None => loop {
            // Decided in one breath, so that no two calls take the same place.
            let (taken, may_open) = {
                let state = &mut *state.borrow_mut();
                let taken = state.idle.pop();
                let may_open = taken.is_none() && state.opened < MOST_CONNECTIONS;
                state.opened += usize::from(may_open);
                (taken, may_open)
            };
            match taken {
                Some(connection) => break connection,
                None if may_open => break answer::connect(address).await?,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        },
    };
    let times = answer::call(&mut connection, template).await?;
    state.borrow_mut().idle.push(connection);
    Ok(times)
}

/// The moments at which calls fall due, each sent when it has come. The runtime's own timer has a grain of a
/// millisecond, which is three times what is to be measured; a sleeping thread has one of some 50 microseconds.
fn moments(rate: f64, span: Duration, seed: u64) -> tokio::sync::mpsc::UnboundedReceiver<Instant> {
    let (send, receive) = unbounded_channel();
    std::thread::spawn(move || {
        let mut random = fastrand::Rng::with_seed(seed);
        let begin = Instant::now();
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / rate);
            if at >= span {
                return;
            }
            std::thread::sleep((begin + at).saturating_duration_since(Instant::now()));
            if send.send(begin + at).is_err() {
                return;
            }
        }
    });
    receive
}
