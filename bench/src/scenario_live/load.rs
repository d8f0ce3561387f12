//! Calls sent each at its time, whether or not the last ones were answered, and what became of them.
//!
//! A call waits for nothing on this side: where no connection is free, another is opened. Connections that lay idle
//! for long are not used again, because the other side may be about to close them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;

use crate::flow::caller;
use crate::flow::order::Order;
use crate::report::complain;
use crate::{Outcome, answer};

/// Connections that were idle for longer are given up.
const KEPT: Duration = Duration::from_secs(8);
/// How often it is said how far the load has come.
const TELL: Duration = Duration::from_secs(60);
/// From the call of this function to the first moment.
const LEAD: Duration = Duration::from_millis(200);

/// A call that is to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    /// Since the beginning.
    pub(crate) at: Duration,
    /// Its class, 0 the highest.
    pub(crate) class: usize,
    /// Numbered by its place in the plan.
    pub(crate) order: Order,
}

/// A call that was made. Times are since the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// When it was sent, at or after its time in the plan.
    pub(crate) sent: Duration,
    /// When its answer was there.
    pub(crate) ended: Duration,
    /// 0 for no answer.
    pub(crate) status: u16,
    /// What the relay says it waited, if it says so.
    pub(crate) queued: Option<Duration>,
}

/// All that was made, in the order of the plan.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) began: Instant,
    pub(crate) calls: Vec<Told>,
    /// What the first failure without an answer said.
    pub(crate) first_error: Option<String>,
}

struct Caller {
    address: SocketAddr,
    /// With the time since which each is idle, the latest last.
    idle: RefCell<Vec<(Instant, answer::Connection)>>,
    first_error: RefCell<Option<String>>,
}

/// Makes the calls of the plan, which is in order of time. Nobody waits longer than `patience` for an answer.
pub(crate) async fn drive(address: SocketAddr, plan: &[Planned], patience: Duration) -> Outcome<Load> {
    let caller = Rc::new(Caller { address, idle: RefCell::default(), first_error: RefCell::default() });
    let began = Instant::now() + LEAD;
    let (mut tasks, mut tell) = (Vec::with_capacity(plan.len()), TELL);
    for planned in plan.iter().copied() {
        tokio::time::sleep_until((began + planned.at).into()).await;
        if planned.at >= tell {
            complain(&format!("{} s: {} calls sent", planned.at.as_secs(), tasks.len()));
            tell += TELL;
        }
        let caller = Rc::clone(&caller);
        tasks.push(tokio::task::spawn_local(async move {
            let sent = began.elapsed();
            let answered = tokio::time::timeout(patience, caller.call(planned)).await;
            let ended = began.elapsed();
            match answered.unwrap_or_else(|_| Err("no answer in time".into())) {
                Ok((status, queued)) => Told { sent, ended, status, queued },
                Err(error) => {
                    caller.first_error.borrow_mut().get_or_insert(error.to_string());
                    Told { sent, ended, ..Told::default() }
                }
            }
        }));
    }
    let mut calls = Vec::with_capacity(tasks.len());
    for task in tasks {
        calls.push(task.await?);
    }
    let first_error = caller.first_error.borrow().clone();
    Ok(Load { began, calls, first_error })
}

impl Caller {
    async fn call(&self, planned: Planned) -> Outcome<(u16, Option<Duration>)> {
        let mut connection = self.connection().await?;
        let response = connection.send_request(caller::request(planned.class, &planned.order)?).await?;
        let status = response.status().as_u16();
        let queued = response.headers().get("x-sluicegate-queue-ms");
        let queued = queued.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_millis);
        response.into_body().collect().await?;
        self.idle.borrow_mut().push((Instant::now(), connection));
        Ok((status, queued))
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
