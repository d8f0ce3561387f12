//! Calls sent each at its time, and what became of them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::clients::{Clients, each_at_its_time};
use crate::flow::caller;
use crate::flow::order::Order;
use crate::report::complain;

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

/// Makes the calls of the plan, which is in order of time. Nobody waits longer than `patience` for an answer.
pub(crate) async fn drive(address: SocketAddr, plan: &[Planned], patience: Duration) -> Outcome<Load> {
    let began = Instant::now() + LEAD;
    let load = Load { began, calls: vec![Told::default(); plan.len()], first_error: None };
    let load = Rc::new(RefCell::new(load));
    let mut tell = TELL;
    let due = plan.iter().copied().enumerate().map(|(sent, planned)| {
        if planned.at >= tell {
            complain(&format!("{} s: {sent} calls sent", planned.at.as_secs()));
            tell += TELL;
        }
        (began + planned.at, planned)
    });
    let (clients, noted) = (Clients::of(address), Rc::clone(&load));
    let call = |planned| one(Rc::clone(&clients), planned);
    let ended = move |place: usize, sent: Instant, outcome| {
        let mut load = noted.borrow_mut();
        let (sent, ended) = (sent.saturating_duration_since(began), began.elapsed());
        let told = match outcome {
            Ok((status, queued)) => Told { sent, ended, status, queued },
            Err(error) => {
                load.first_error.get_or_insert_with(|| format!("{error}"));
                Told { sent, ended, ..Told::default() }
            }
        };
        load.calls.get_mut(place).into_iter().for_each(|call| *call = told);
    };
    each_at_its_time(due, patience, call, ended).await?;
    Rc::into_inner(load).map(RefCell::into_inner).ok_or_else(|| "a call has not ended".into())
}

async fn one(clients: Rc<Clients>, planned: Planned) -> Outcome<(u16, Option<Duration>)> {
    let (head, _) = clients.call(caller::request(planned.class, &planned.order)?).await?;
    let queued = head.headers.get("x-sluicegate-queue-ms");
    let queued = queued.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_millis);
    Ok((head.status.as_u16(), queued))
}
