//! Callers, each asking again as soon as it was answered, and what becomes of their calls.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};

use super::order::Order;
use super::relay::key;
use crate::{Outcome, answer};

/// A refused caller comes back after this, give or take half.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// A call, from its caller's side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) class: usize,
    pub(crate) sent: Instant,
    /// `None` while there is no answer.
    pub(crate) ended: Option<Instant>,
    /// 0 for no answer.
    pub(crate) status: u16,
    /// How long it waited in the relay, by the answer.
    pub(crate) queued: Duration,
}

/// What all callers of a proof write down together.
#[derive(Debug, Default)]
pub(crate) struct Book {
    stop: Cell<bool>,
    number: Cell<u64>,
    calls: RefCell<Vec<Told>>,
    /// What the first refusal or failure said.
    first: RefCell<Option<String>>,
}

impl Book {
    /// Every call, those included that have no answer yet.
    pub(crate) fn calls(&self) -> Vec<Told> {
        self.calls.borrow().clone()
    }

    /// What the first refusal or failure said.
    pub(crate) fn first_refusal(&self) -> String {
        self.first.borrow().clone().unwrap_or_else(|| "none".to_owned())
    }

    fn open(&self, class: usize, mut order: Order) -> (usize, Order) {
        let number = self.number.replace(self.number.get() + 1);
        order.number = number;
        let mut calls = self.calls.borrow_mut();
        calls.push(Told { class, sent: Instant::now(), ended: None, status: 0, queued: Duration::ZERO });
        (calls.len() - 1, order)
    }

    fn close(&self, place: usize, status: u16, queued: Duration) {
        if let Some(told) = self.calls.borrow_mut().get_mut(place) {
            told.ended = Some(Instant::now());
            told.status = status;
            told.queued = queued;
        }
    }
}

/// So many callers of a class.
#[derive(Debug, Clone)]
pub(crate) struct Group<F> {
    pub(crate) class: usize,
    pub(crate) callers: usize,
    /// What is asked next.
    pub(crate) order: F,
}

/// Lets the groups call for `span`, and returns what was written down when it was over.
pub(crate) async fn hammer<F>(address: SocketAddr, groups: Vec<Group<F>>, span: Duration) -> Outcome<Rc<Book>>
where
    F: Fn() -> Order + Clone + 'static,
{
    let book = Rc::new(Book::default());
    let mut tasks = Vec::new();
    for group in groups {
        for _ in 0..group.callers {
            let connection = answer::connect(address).await?;
            let (book, order) = (Rc::clone(&book), group.order.clone());
            tasks.push(tokio::task::spawn_local(caller(address, connection, group.class, order, book)));
        }
    }
    tokio::time::sleep(span).await;
    book.stop.set(true);
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _ = task.await;
    }
    Ok(book)
}

async fn caller(
    address: SocketAddr,
    mut connection: answer::Connection,
    class: usize,
    order: impl Fn() -> Order,
    book: Rc<Book>,
) {
    while !book.stop.get() {
        let (place, order) = book.open(class, order());
        let (status, queued, said) = match call(&mut connection, class, &order).await {
            Ok((status, queued, body)) => (status, queued, String::from_utf8_lossy(&body).into_owned()),
            Err(error) => (0, Duration::ZERO, error.to_string()),
        };
        book.close(place, status, queued);
        if status == 200 {
            continue;
        }
        book.first.borrow_mut().get_or_insert(format!("{status}: {said:.400}"));
        tokio::time::sleep(AFTER_REFUSAL.mul_f64(0.5 + fastrand::f64())).await;
        if status == 0 {
            match answer::connect(address).await {
                Ok(fresh) => connection = fresh,
                Err(_) => return,
            }
        }
    }
}

/// The status, how long the call waited in the relay, and the body.
async fn call(connection: &mut answer::Connection, class: usize, order: &Order) -> Outcome<(u16, Duration, Bytes)> {
    connection.ready().await?;
    let response = connection.send_request(request(class, order)?).await?;
    let status = response.status().as_u16();
    let queued = response.headers().get("x-sluicegate-queue-ms").and_then(|value| value.to_str().ok()?.parse().ok());
    let queued = Duration::from_millis(queued.unwrap_or(0));
    Ok((status, queued, response.into_body().collect().await?.to_bytes()))
}

/// The order as a request with the key of its class.
pub(crate) fn request(class: usize, order: &Order) -> Outcome<Request<Full<Bytes>>> {
    Ok(Request::post("/v1/chat/completions")
        .header(HOST, "127.0.0.1")
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, format!("Bearer {}", key(class)))
        .header("x-request-id", format!("call-{}", order.number))
        .body(Full::new(order.body()))?)
}
