//! A request's body that did not come with its head.
//!
//! The connection reads, the call listens, both in one task. Nothing is read before the call asks, so a call that is
//! refused for its head alone costs no reading, and one that listens slowly slows its client down.

use crate::inbound::BrokenOff;
use bytes::Bytes;
use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};

/// Where the connection puts a body, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Feed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    piece: Option<Bytes>,
    end: Option<Result<(), BrokenOff>>,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
    /// Who asked for a piece and has not got it.
    asked: Option<Waker>,
}

impl Feed {
    pub(super) fn new(left: Option<u64>) -> Self {
        Self(Mutex::new(State { left, ..State::default() }))
    }

    /// Whether the call waits for the next piece.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.lock().asked.is_some()
    }

    /// Hands on what has come. `last` when the body ends with it.
    pub(super) fn give(&self, piece: Bytes, last: bool) {
        let mut state = self.0.lock();
        state.left = state.left.map(|left| left.saturating_sub(piece.len() as u64));
        state.piece = Some(piece).filter(|piece| !piece.is_empty());
        if last {
            state.end = Some(Ok(()));
        }
        if let Some(waker) = state.asked.take() {
            waker.wake();
        }
    }

    /// Nothing more will come.
    pub(super) fn fail(&self, why: BrokenOff) {
        let mut state = self.0.lock();
        state.end = Some(Err(why));
        if let Some(waker) = state.asked.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll_piece(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut state = self.0.lock();
        if let Some(piece) = state.piece.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match state.end.take() {
            Some(Ok(())) => {
                state.end = Some(Ok(()));
                Poll::Ready(None)
            }
            Some(Err(why)) => {
                state.end = Some(Ok(()));
                Poll::Ready(Some(Err(why)))
            }
            None => {
                state.asked = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        let state = self.0.lock();
        state.piece.is_none() && matches!(state.end, Some(Ok(())))
    }

    /// Bytes still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        let state = self.0.lock();
        let here = state.piece.as_ref().map_or(0, |piece| piece.len() as u64);
        state.left.map(|left| left + here)
    }
}
