//! Clients that send each call at its time, whether or not the last ones were answered.
//!
//! A call waits for nothing on this side: where no connection is free, another is opened. Connections that lay idle
//! for long are not used again, because the other side may be about to close them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::http::response::Parts;

use crate::{Outcome, answer};

/// A connection that was idle for longer is not used again.
const KEPT: Duration = Duration::from_secs(8);
/// Tasks that are over are let go of when there are more than so many.
const MOST_TASKS: usize = 10_000;

/// Clients of one server.
#[derive(Debug)]
pub(crate) struct Clients {
    address: SocketAddr,
    /// With the time since which each is idle, the latest last.
    idle: RefCell<Vec<(Instant, answer::Connection)>>,
}

impl Clients {
    pub(crate) fn of(address: SocketAddr) -> Rc<Self> {
        Rc::new(Self { address, idle: RefCell::default() })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Outcome<(Parts, Bytes)> {
        let mut connection = self.connection().await?;
        let (head, body) = connection.send_request(request).await?.into_parts();
        let whole = body.collect().await?.to_bytes();
        self.idle.borrow_mut().push((Instant::now(), connection));
        Ok((head, whole))
    }

    /// The connection that was used last, or a new one.
    async fn connection(&self) -> Outcome<answer::Connection> {
        loop {
            let latest = self.idle.borrow_mut().pop();
            let Some((since, mut connection)) = latest else { break };
            if since.elapsed() > KEPT {
                // So are all that are left.
                self.idle.borrow_mut().clear();
                break;
            }
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let mut connection = answer::connect(self.address).await?;
        connection.ready().await?;
        Ok(connection)
    }
}

/// Starts each call when it is due, in the order of the plan, and waits until all have ended. One that takes longer than
/// `patience` from its start is told to `ended` as an error, as every other is told with its place in the plan.
pub(crate) async fn each_at_its_time<P, T, C>(
    plan: impl IntoIterator<Item = (Instant, P)>,
    patience: Duration,
    call: impl Fn(P) -> C,
    ended: impl Fn(usize, Instant, Outcome<T>) + 'static,
) -> Outcome<()>
where
    T: 'static,
    C: Future<Output = Outcome<T>> + 'static,
{
    let ended = Rc::new(ended);
    let mut tasks = Vec::new();
    for (place, (due, planned)) in plan.into_iter().enumerate() {
        // The timer's grain is a millisecond; what falls due within it goes together.
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let (call, ended) = (call(planned), Rc::clone(&ended));
        tasks.push(tokio::task::spawn_local(async move {
            let sent = Instant::now();
            let outcome = tokio::time::timeout(patience, call).await;
            ended(place, sent, outcome.unwrap_or_else(|_| Err("no answer in time".into())));
        }));
        if tasks.len() > MOST_TASKS {
            tasks.retain(|task| !task.is_finished());
        }
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
