//! Listening a little to a body that nobody wants.
//!
//! A call refused before its body was read leaves bytes on the connection. If they are few they are read and thrown
//! away, so that the client gets its answer and the connection can be used again; if they are many the connection is
//! closed after the answer, which is cheaper than hearing them out.

use crate::inbound::Inbound;
use http_body_util::BodyExt;
use sluicegate_vocabulary::Fault;
use std::pin::Pin;
use std::time::Duration;

const MOST: usize = 256 * 1024;
const LONGEST: Duration = Duration::from_millis(500);

/// Reads a refused call's body away, within bounds, and hands the fault on. Boxed, because calls that are not refused
/// need not keep room for this.
pub(crate) fn discard(body: Inbound, fault: Fault) -> Pin<Box<dyn Future<Output = Fault> + Send>> {
    Box::pin(async move {
        // Out of time is as good as done: the connection will be closed instead of used again.
        let _ = tokio::time::timeout(LONGEST, read_away(body)).await;
        fault
    })
}

async fn read_away(mut body: Inbound) {
    let mut seen = 0;
    while seen < MOST {
        match body.frame().await {
            Some(Ok(frame)) => seen += frame.data_ref().map_or(0, bytes::Bytes::len),
            Some(Err(_)) | None => break,
        }
    }
}
