//! The work on an answer, and where it lies.
//!
//! Finding an answer takes five kilobytes of state. Asked for anew with each call and given back, they would cost as much
//! as reading its head, and lie where nothing has been for a while. So each worker keeps the places of the calls that
//! ended last, and the next call begins in the one that was used last.
//!
//! What is kept is room only: a place is given back with nothing in it.

use super::Worker;
use super::connection::finish;
use crate::pipeline::{self, Arrival};
use crate::reply::ReplyBody;
use http::Response;
use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Places that one worker keeps.
const KEPT: usize = 64;

thread_local! {
    static PLACES: RefCell<Vec<Pin<Box<dyn Place>>>> = const { RefCell::new(Vec::new()) };
}

/// The work on an answer. Dropped, it leaves off.
pub(crate) enum Answering {
    /// A call's.
    Call(Lent),
    /// That on what is answered at once, or elsewhere.
    Other(Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>),
}

impl Answering {
    pub(super) fn call(worker: Arc<Worker>, arrival: Arrival) -> Self {
        let kept = PLACES.try_with(|places| places.borrow_mut().pop()).ok().flatten();
        let mut place = kept.unwrap_or_else(|| Box::pin(Room { answer, work: None }));
        place.as_mut().begin(worker, arrival);
        Self::Call(Lent(Some(place)))
    }

    pub(super) fn other(work: impl Future<Output = Response<ReplyBody>> + Send + 'static) -> Self {
        Self::Other(Box::pin(work))
    }
}

impl Future for Answering {
    type Output = Response<ReplyBody>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Call(Lent(Some(place))) => place.as_mut().poll(cx),
            Self::Call(Lent(None)) => Poll::Pending,
            Self::Other(work) => work.as_mut().poll(cx),
        }
    }
}

/// A place that goes back with its drop.
pub(crate) struct Lent(Option<Pin<Box<dyn Place>>>);

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut place) = self.0.take() else { return };
        place.as_mut().clear();
        // A thread that ends keeps nothing.
        let _ = PLACES.try_with(|places| {
            let mut places = places.borrow_mut();
            if places.len() < KEPT {
                places.push(place);
            }
        });
    }
}

async fn answer(worker: Arc<Worker>, arrival: Arrival) -> Response<ReplyBody> {
    let methods = arrival.methods;
    finish(pipeline::answer(&worker, arrival).await, methods)
}

/// A place for the work on a call, whatever its type is called.
trait Place: Future<Output = Response<ReplyBody>> + Send {
    /// Begins a call, in a place that has none.
    fn begin(self: Pin<&mut Self>, worker: Arc<Worker>, arrival: Arrival);

    /// Leaves off.
    fn clear(self: Pin<&mut Self>);
}

pin_project! {
    struct Room<A, W> {
        answer: A,
        #[pin]
        work: Option<W>,
    }
}

impl<A, W> Place for Room<A, W>
where
    A: Fn(Arc<Worker>, Arrival) -> W + Send,
    W: Future<Output = Response<ReplyBody>> + Send,
{
    #[inline]
    fn begin(self: Pin<&mut Self>, worker: Arc<Worker>, arrival: Arrival) {
        let mut this = self.project();
        if this.work.is_none() {
            // Made where it is to lie: all the room it will ever need would be copied, of which nothing is used yet.
            this.work.set(Some((this.answer)(worker, arrival)));
        }
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().work.set(None);
    }
}

impl<A, W: Future<Output = Response<ReplyBody>>> Future for Room<A, W> {
    type Output = Response<ReplyBody>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().work.as_pin_mut() {
            Some(work) => work.poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
#[path = "answering_tests.rs"]
mod tests;
