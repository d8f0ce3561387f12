//! Stage five: has this been answered before?
//!
//! No cache can be configured in this version, so every call passes on to admission and its receipt says that the
//! cache was off. The stage stands here because its place is a promise: a hit takes from no limit and costs nothing, so
//! the question must be asked before [`crate::admit`] and never after.

use crate::call::{Plan, Request};
use crate::reply::Reply;

/// An answer kept from before, if there is one.
pub(crate) const fn look_up(_request: &Request, _plan: &Plan) -> Option<Reply> {
    None
}
