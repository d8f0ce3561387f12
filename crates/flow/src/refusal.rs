//! A refusal that explains itself: which limit, whose, how much is left, what was asked, when to come back.
//!
//! The waiting time is true, not a guess: if nobody else takes from these limits, the same request is admitted after
//! exactly that long, and not a nanosecond earlier. Where several limits refuse, the one that takes longest is named,
//! since coming back for the first to recover would be in vain. To keep those who were refused together from coming
//! back together, whoever writes the header may add to it; it must not subtract.

use crate::limit::{Kind, Label, Scope};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::fmt;
use std::time::Duration;

/// Why a call was not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose limit refuses.
    pub label: Label,
    /// What it counts.
    pub kind: Kind,
    /// How much it allows in each window.
    pub set: u64,
    /// The window.
    pub window: Duration,
    /// How much of it is left; zero in debt.
    pub left: u64,
    /// How much the call asks for.
    pub needed: u64,
    /// When the same call will be admitted if nobody else takes any. Zero, and without meaning, if it never fits.
    pub retry_after: Duration,
    /// The call asks for more than this limit ever has. Waiting does not help.
    pub never_fits: bool,
}

impl Refusal {
    /// The sort of owner whose limit refuses.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.label.scope
    }

    /// Scope and limit in the form of `x-sluicegate-refused-by`, such as `key:tokens_per_minute`.
    #[must_use]
    pub fn refused_by(&self) -> String {
        format!("{}:{}_per_{}", self.scope(), self.kind, Per(self.window, "_"))
    }

    /// How long this refusal stands; for ever if the call never fits.
    pub(crate) const fn stands_for(&self) -> Duration {
        if self.never_fits { Duration::MAX } else { self.retry_after }
    }

    /// The waiting time in whole milliseconds, rounded up so that it stays true.
    #[must_use]
    pub fn retry_after_ms(&self) -> u64 {
        u64::try_from(self.retry_after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// The sentence a client reads.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, kind, set, left, needed, .. } = self;
        let owner = match label.scope {
            Scope::Overall => "The relay's overall limit".to_owned(),
            scope => format!("The limit of {scope} {}", label.name),
        };
        write!(f, "{owner} is {set} {kind} per {}; ", Per(self.window, " "))?;
        if self.never_fits {
            write!(f, "this request needs {needed} and can never fit. Ask for less, or have the limit raised.")
        } else {
            let seconds = self.retry_after_ms() as f64 / 1000.0;
            write!(f, "{left} are left and this request needs {needed}. Try again in {seconds} s.")
        }
    }
}

impl std::error::Error for Refusal {}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        let kind = match (refusal.never_fits, refusal.kind) {
            (true, _) => FaultKind::NeverFits,
            (false, Kind::Requests) => FaultKind::LimitRequests,
            (false, Kind::Tokens) => FaultKind::LimitTokens,
        };
        let fault = Self::new(kind, refusal.to_string()).refused_by(refusal.refused_by());
        if refusal.never_fits { fault } else { fault.retry_after_ms(refusal.retry_after_ms()) }
    }
}

/// A window as the words after "per": `minute`, or `90 seconds` with the given space.
struct Per(Duration, &'static str);

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(window, space) = self;
        match (window.as_secs(), window.subsec_nanos()) {
            (1, 0) => f.write_str("second"),
            (60, 0) => f.write_str("minute"),
            (3_600, 0) => f.write_str("hour"),
            (86_400, 0) => f.write_str("day"),
            (seconds, 0) => write!(f, "{seconds}{space}seconds"),
            _ => write!(f, "{}{space}milliseconds", window.as_millis()),
        }
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
