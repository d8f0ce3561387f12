//! The body of an answer as it leaves: at once, or step by step with pauses, and with an end that may be a broken one.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::stats::InFlight;

/// One step of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Hand these bytes over.
    Send(Bytes),
    /// Let what was handed over leave, and wait so long (zero: only let it leave).
    Pause(Duration),
    /// Break the connection: with a reset, or (false) by closing it before the promised end.
    Break(bool),
}

/// An answer that was broken off on purpose.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off on purpose")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The body of an answer.
pub(crate) enum SimBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// Step by step.
    Steps(Box<Steps>),
}

/// A delivery under way.
pub(crate) struct Steps {
    steps: std::vec::IntoIter<Step>,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The time up to which pauses have been planned, so that a pace does not drift.
    due: Instant,
    call: InFlight,
    /// Set to make the connection end with a reset.
    reset: Arc<AtomicBool>,
}

impl SimBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }

    pub(crate) fn steps(steps: Vec<Step>, call: InFlight, reset: Arc<AtomicBool>) -> Self {
        Self::Steps(Box::new(Steps { steps: steps.into_iter(), pause: None, due: Instant::now(), call, reset }))
    }
}

impl Steps {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.steps.next() {
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                // Waking oneself would not let the other side's reading in between; the runtime's own yield does.
                Some(Step::Pause(time)) if time.is_zero() => self.pause = Some(Box::pin(tokio::task::yield_now())),
                Some(Step::Pause(time)) => {
                    self.due = self.due.checked_add(time).unwrap_or(self.due);
                    self.pause = Some(Box::pin(tokio::time::sleep_until(self.due)));
                }
                Some(Step::Break(reset)) => {
                    self.reset.store(reset, Relaxed);
                    self.call.done();
                    return Poll::Ready(Some(Err(Broken)));
                }
                None => {
                    self.call.done();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Self::Steps(steps) => steps.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Steps(_) => SizeHint::default(),
        }
    }
}
