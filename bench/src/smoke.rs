//! Seconds that show that everything the comparison stands on works: both proxies pass buffered calls and streams
//! without a wrong answer, streams can be held, CPU and memory can be read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::report::line;
use crate::servers::{self, Server};
use crate::template::Template;
use crate::{Outcome, closed, held, open};

/// Runs every kind of load for a moment through both proxies.
pub(crate) async fn run(relay: PathBuf) -> Outcome<ExitCode> {
    let folder = tempfile::tempdir()?;
    let upstream = servers::upstream(folder.path())?;
    let nginx = servers::nginx(upstream.buffered, folder.path(), false)?;
    let second = if relay == Path::new("nginx") {
        servers::nginx(upstream.buffered, &folder.path().join("again"), false)?
    } else {
        servers::relay(&relay, upstream.buffered, folder.path())?
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, server) in [("nginx", &nginx), ("relay", &second)] {
        for (what, problem) in checks(server).await? {
            match problem {
                None => passed += 1,
                Some(_) => failed += 1,
            }
            line(&format!("{name}: {what}: {}", problem.as_deref().unwrap_or("ok")));
        }
    }
    line(&format!("{passed} passed, {failed} failed"));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn checks(server: &Server) -> Outcome<Vec<(&'static str, Option<String>)>> {
    let pids = server.pids();
    let moment = Duration::from_millis(400);
    let mut results = Vec::new();
    let judge = |sample: &closed::Sample| {
        if sample.failed > 0 {
            Some(format!("{} failed: {}", sample.failed, sample.failure.as_deref().unwrap_or_default()))
        } else if sample.calls == 0 {
            Some("no call was answered".to_owned())
        } else if sample.cpu.is_zero() {
            Some("no CPU time was seen".to_owned())
        } else {
            None
        }
    };
    let buffered = closed::run(server.buffered, &pids, &Template::buffered(0), 8, moment / 4, moment).await?;
    results.push(("buffered calls", judge(&buffered)));
    let streamed = closed::run(server.streamed, &pids, &Template::streamed(50, 1000), 8, moment / 4, moment).await?;
    results.push(("streams of 50 events", judge(&streamed)));
    let open = open::run(server.buffered, &pids, &Template::buffered(20), 200.0, moment, 1).await?;
    results.push(("open loop", judge(&open)));
    let held = held::run(server.streamed, &pids, 100).await;
    results.push(("100 streams held open", held.err().map(|error| error.to_string())));
    Ok(results)
}
