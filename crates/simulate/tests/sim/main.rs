//! The simulator over real sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests may fail loudly")]

mod client;
mod endpoints;
mod faults;
mod limits;
mod markers;
mod refusals;
