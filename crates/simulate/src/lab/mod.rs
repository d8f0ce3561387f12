//! The laboratory: flow control on a virtual clock.
//!
//! Whether a queue is fair, a limit exact and a wait worth its while shows only under load that nobody wants to have,
//! and over hours. Here an hour passes in a fraction of a second, because time is a number: traffic is generated or
//! replayed ([`Offered`]), a provider with limits of its own answers it ([`Provider`]), and between the two stands what
//! is to be judged ([`Control`]). Sluicegate's part is played by the very code of `sluicegate-flow` that the relay runs;
//! that crate takes the time as an argument, so it cannot tell the difference.
//!
//! ```
//! use sluicegate_simulate::lab::{Ceiling, Control, Counted, Experiment, Form, Offered, Provider, Report, Shape, Traffic};
//! use std::time::Duration;
//!
//! let minute = Duration::from_secs(60);
//! let provider = Provider {
//!     ceilings: vec![Ceiling { counted: Counted::Requests, amount: 60, window: minute, form: Form::Window }],
//!     ..Provider::default()
//! };
//! let traffic = Traffic::new(Shape::Steady { rate: 2.0 }, 10 * minute);
//! let run = Experiment { offered: Offered::Generated(traffic), provider, control: Control::None, seed: 1 }.run();
//! let report = Report::of(&run);
//! assert!(report.refused["429 provider"] > report.offered / 3);
//! ```
//!
//! What a provider bears and what it allows are found out rather than configured; [`capacity`] and [`pacing`] judge the
//! laws by which that is done, each in a small world of its own.
//!
//! **Promises.** The same experiment under the same seed gives the same numbers, on every machine. Every call that is
//! offered has exactly one end. The provider is counted by means of its own, so that a limit that lets one call too many
//! through is caught by it.

mod call;
pub mod capacity;
mod draw;
mod engine;
mod enough;
mod events;
pub mod pacing;
mod policy;
mod provider;
mod record;
mod relay;
mod report;
mod run;
pub mod scenario;
pub mod text;
mod trace;
mod traffic;

pub use call::{ByClass, CLASSES, Call, Kinds, PATIENCE, Size};
pub use enough::{Enough, Needed, enough};
pub use policy::Retry;
pub use provider::{Ceiling, Counted, Form, Provider};
pub use record::{End, Record, Run};
pub use relay::{Concerns, Relay, Rule};
pub use report::{ClassReport, Report, Spread, WorstWindow, waiting};
pub use run::{Control, Experiment, MOST_CALLS};
pub use trace::{Names, Trace, TraceError};
pub use traffic::{Offered, Part, Shape, Spacing, Traffic};
