//! When a call may travel: limits, and the order in which those go who wait for them.
//!
//! A caller has been promised some number of requests and tokens in some length of time, perhaps several such promises
//! at once: its own, its tenant's, the endpoint's, the whole relay's. This crate says for each call whether all of them
//! allow it now, and if not, which one refuses and for how long.
//!
//! ```
//! use sluicegate_flow::{Ask, Cost, Kind, Label, Limit, LimitSet, Nanos, Quota, Scope};
//! use std::time::Duration;
//!
//! let minute = Duration::from_secs(60);
//! let requests = Limit::new(Label::new(Scope::Key, "backend"), Kind::Requests, Quota::window(600, minute));
//! let tokens = Limit::new(Label::new(Scope::Key, "backend"), Kind::Tokens, Quota::bucket(9_000, minute, 1.5, None));
//! let limits = LimitSet::new([requests, tokens]);
//! let ask = |tokens| Ask { cost: Cost { requests: 1, tokens }, ..Ask::default() };
//!
//! // What a call will use is estimated before it is sent and corrected when it is known.
//! let reservation = limits.reserve(Nanos(1_000_000), ask(4_000)).unwrap();
//! reservation.settle(Nanos(900_000_000), 1_250);
//!
//! let refusal = limits.reserve(Nanos(900_000_001), ask(13_000)).unwrap_err();
//! assert_eq!(refusal.refused_by(), "key:tokens_per_minute");
//! assert_eq!(refusal.left, 12_384);
//! ```
//!
//! - [`Limit`] is one promise. It counts by an exact sliding window, by a token bucket or by permits ([`Algorithm`]) and
//!   can be changed while it is in use without a free burst.
//! - [`LimitSet`] is all the limits of one caller, compiled once. A call takes from all of them or from none.
//! - [`LimitTable`] finds the set that concerns a call, and has state only for limits that are in use.
//! - [`Reservation`] is what a call holds: topped up while it runs, settled with its real use, or given back when it is
//!   dropped.
//! - [`Refusal`] says which limit, whose, why, how much is left, and when the same request will be admitted.
//! - [`estimate`] learns what calls use, so that what is reserved for the next ones is about right.
//! - [`Scheduler`] keeps those who found no room and may wait, and lets them go in a fair order as room comes.
//!
//! Pure code: no I/O, no clock ([`Nanos`] is an argument), no task. Nothing here waits for anything but a mutex held
//! for a few nanoseconds.

mod ask;
mod atom;
mod bucket;
pub mod egress;
pub mod estimate;
mod hash;
mod kept;
mod ladder;
mod limit;
mod meter;
mod permits;
mod probe;
mod quota;
mod refusal;
mod reservation;
mod scheduler;
mod set;
mod table;
mod time;
mod window;

pub use ask::{Ask, Cost, Pace};
pub use ladder::{HEADROOM, HOLD, Ladder};
pub use limit::{Gauge, Limit, LimitId, LimitStatus, Rate};
pub use quota::{Algorithm, Kind, Label, Quota, Scope};
pub use refusal::{Reason, Refusal};
pub use reservation::Reservation;
pub use scheduler::{
    Ahead, Backlog, Bounds, Debit, FairQueue, LimitWait, Outcome, Place, Scheduler, Shed, Sheds, Stats, Waiter,
    WaiterId,
};
pub use set::LimitSet;
pub use sluicegate_vocabulary::{Mode, Priority};
pub use table::{LimitTable, SetId, Spec};
pub use time::Nanos;
