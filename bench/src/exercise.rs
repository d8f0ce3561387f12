//! Calls of every kind, for a relay that takes notes of how it goes through its own code.
//!
//! The binary that is shipped is laid out by such notes (`scripts/dist.sh`). So that it is not laid out for one kind of
//! call, they come from many: alone and with limits, prices, books and the cache, whole and as streams, in the formats of
//! all clients. Most come from a relay with everything on, which is what a relay is run for.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::instructions::{ARMS, EVERYTHING, ask};
use crate::report::complain;
use crate::servers::{self, CLIENT_KEY};
use crate::template::Template;
use crate::{Outcome, answer};

const CALLERS: usize = 20;
/// Rounds with everything on; of each other arm there is one.
const ROUNDS_OF_EVERYTHING: usize = 6;
/// Calls in a round: whole answers, streams, and those of each of the other formats.
const WHOLE: usize = 4_000;
const STREAMS: usize = 400;
const TRANSLATED: usize = 200;

/// Asks a relay in every arm.
pub(crate) async fn run(relay: PathBuf) -> Outcome<ExitCode> {
    let folder = tempfile::tempdir()?;
    let upstream = servers::upstream(folder.path())?;
    for arm in ARMS {
        complain(arm.name);
        let variables = [("BENCH_KEY".to_owned(), CLIENT_KEY.to_owned())];
        let place = folder.path().join(arm.name);
        let relay = servers::relay_with(&relay, &arm.config(upstream.buffered), &variables, &place)?;
        let mut connections = Vec::with_capacity(CALLERS);
        for _ in 0..CALLERS {
            connections.push(answer::connect(relay.buffered).await?);
        }
        let rounds = if arm.name == EVERYTHING { ROUNDS_OF_EVERYTHING } else { 1 };
        for _ in 0..rounds {
            connections = ask(connections, WHOLE, &Template::buffered(0)).await?;
            connections = ask(connections, STREAMS, &Template::streamed(50, 5_000)).await?;
            for template in Template::translated() {
                connections = ask(connections, TRANSLATED, &template).await?;
            }
        }
        drop(connections);
    }
    Ok(ExitCode::SUCCESS)
}
