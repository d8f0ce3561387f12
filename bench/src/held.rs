//! Many streams held open at once, for what they cost in memory.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;

use crate::template::Template;
use crate::{Outcome, answer, usage};

/// Memory before and while the streams are open, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) streams: usize,
    pub(crate) before: u64,
    pub(crate) during: u64,
}

/// Opens `streams` streams of one event a second each, waits until every one has begun and all have gone on for a
/// while, and reads the memory of `pids` then.
pub(crate) async fn run(address: SocketAddr, pids: &[u32], streams: usize) -> Outcome<Held> {
    let before = usage::memory(pids)?;
    let template = Template::streamed(120, 1);
    let mut tasks = Vec::with_capacity(streams);
    for number in 0..streams {
        let mut connection = answer::connect(address).await?;
        let mut body = answer::begin(&mut connection, &template)
            .await
            .map_err(|error| format!("stream {number} of {streams}: {error}"))?;
        tasks.push(tokio::task::spawn_local(async move {
            while let Some(Ok(_)) = body.frame().await {}
            drop(connection);
        }));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let during = usage::memory(pids)?;
    let ended = tasks.iter().filter(|task| task.is_finished()).count();
    for task in tasks {
        task.abort();
    }
    if ended > 0 {
        return Err(format!("{ended} of {streams} streams ended before the memory was read").into());
    }
    Ok(Held { streams, before, during })
}
