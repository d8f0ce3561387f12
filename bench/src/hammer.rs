//! Minutes of everything at once: good calls, streams, providers that fail in every way, callers that leave.
//!
//! Afterwards the relay must still run, every good call must have been answered rightly, nothing may be left in flight,
//! files must be closed again, and memory must not have grown from the first quarter to the last.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::report::{complain, line, megabytes};
use crate::servers::{self, Server};
use crate::template::Template;
use crate::{Outcome, answer, closed, usage};

/// Failures of the provider that are ordered, each streamed and buffered.
const FAULTS: &[&str] = &[
    "[[sim:status=500]]",
    "[[sim:status=529]]",
    "[[sim:status=429]]",
    "[[sim:reset]]",
    "[[sim:reset=5]]",
    "[[sim:tokens=60]][[sim:truncate=5]]",
    "[[sim:tokens=60]][[sim:error-in-stream=5]]",
    "[[sim:malformed=2]]",
    "[[sim:empty]]",
    "[[sim:gzip]]",
    "[[sim:split]]",
    "[[sim:keepalive]]",
];

/// Memory may be so much above what it was after a quarter of the time.
const GROWTH: f64 = 1.5;

/// Loads the relay for `minutes` and judges it.
pub(crate) async fn run(relay: PathBuf, minutes: u64) -> Outcome<ExitCode> {
    let folder = tempfile::tempdir()?;
    let upstream = servers::upstream(folder.path())?;
    let mut relay = servers::relay_beside_failures(&relay, upstream.buffered, folder.path())?;
    let address = relay.buffered;
    let files_before = usage::open_files(relay.pid())?;
    let stop = Rc::new(Cell::new(false));
    let disturbed = Rc::new(Cell::new(0_u64));
    for seed in 0..16 {
        tokio::task::spawn_local(disturb(address, seed, Rc::clone(&stop), Rc::clone(&disturbed)));
    }
    let until = Instant::now() + Duration::from_secs(minutes * 60);
    let mut problems = Vec::new();
    let (mut calls, mut early, mut turn) = (0, None, 0_u64);
    while Instant::now() < until {
        let template = if turn.is_multiple_of(2) { Template::buffered(0) } else { Template::streamed(50, 500) };
        turn += 1;
        let sample = closed::run(address, &relay.pids(), &template, 32, Duration::ZERO, Duration::from_secs(5)).await?;
        calls += sample.calls;
        if sample.failed > 0 {
            problems.push(format!("{} good calls failed: {}", sample.failed, sample.failure.unwrap_or_default()));
        }
        if let Some(status) = relay.ended()? {
            problems.push(format!("the relay ended with {status}: {}", relay.output()));
            break;
        }
        if early.is_none() && until.saturating_duration_since(Instant::now()) < Duration::from_secs(minutes * 45) {
            early = Some(usage::resident(relay.pid())?);
        }
    }
    stop.set(true);
    tokio::time::sleep(Duration::from_secs(3)).await;
    problems.extend(aftermath(&mut relay, files_before, early)?);
    line(&format!("{calls} good calls and {} disturbed ones in {minutes} min", disturbed.get()));
    for problem in &problems {
        complain(problem);
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with the relay after the storm.
fn aftermath(relay: &mut Server, files_before: usize, early: Option<u64>) -> Outcome<Vec<String>> {
    let mut problems = Vec::new();
    if relay.ended()?.is_some() {
        return Ok(problems);
    }
    let now = usage::resident(relay.pid())?;
    line(&format!("memory {:.1} MB at the end, {:.1} MB early", megabytes(now), megabytes(early.unwrap_or(now))));
    if let Some(early) = early
        && megabytes(now) > megabytes(early) * GROWTH
    {
        problems.push(format!("memory grew from {:.1} to {:.1} MB", megabytes(early), megabytes(now)));
    }
    // Connections to the provider may stay open, as a pool keeps them; those of callers are gone.
    let files = usage::open_files(relay.pid())?;
    line(&format!("{files} open files at the end, {files_before} at the start"));
    if files > files_before + 256 {
        problems.push(format!("{files} files are still open, {files_before} were at the start"));
    }
    if relay.output().contains("panicked") {
        problems.push(format!("a panic: {}", relay.output()));
    }
    Ok(problems)
}

/// Orders failures, and leaves in the middle of streams, until told to stop.
async fn disturb(address: SocketAddr, seed: u64, stop: Rc<Cell<bool>>, count: Rc<Cell<u64>>) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !stop.get() {
        count.set(count.get() + 1);
        let Ok(mut connection) = answer::connect(address).await else { continue };
        if random.u8(..4) == 0 {
            // Leaves with the stream open.
            drop(answer::begin(&mut connection, &Template::streamed(200, 50)).await);
        } else if let Some(markers) = random.choice(FAULTS) {
            drop(answer::call(&mut connection, &Template::fault(markers, random.bool())).await);
        }
    }
}
