//! A refusal that explains itself: which limit, whose, how much is left, what was asked, when to come back.
//!
//! The waiting time is true, not a guess: if nobody else takes from these limits, the same request is admitted after
//! exactly that long, and not a nanosecond earlier. Where several limits refuse, the one that takes longest is named,
//! since coming back for the first to recover would be in vain. To keep those who were refused together from coming
//! back together, whoever writes the header may add to it; it must not subtract.

use crate::limit::Limit;
use crate::quota::{Kind, Label, Scope};
use sluicegate_vocabulary::{Fault, FaultKind};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a limit refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not enough is left.
    Exhausted,
    /// Enough is left, but it is let go evenly, and the next is not due yet. Only those are told so who asked for it.
    Pace,
    /// Permits are left, but not for this class.
    Class,
    /// The call asks for more than this limit ever has. Waiting does not help.
    NeverFits,
}

impl Reason {
    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Pace => "pace",
            Self::Class => "class",
            Self::NeverFits => "never_fits",
        }
    }
}

/// Why a call was not admitted.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The limit that refuses.
    pub limit: Arc<Limit>,
    /// Why.
    pub reason: Reason,
    /// How much of it is left, for permits to this class; zero in debt.
    pub left: u64,
    /// How much the call asks for.
    pub needed: u64,
    /// When the same call will be admitted if nobody else takes any. `None` if it never fits, and for permits: they come
    /// back when somebody ends.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Whose limit refuses.
    #[must_use]
    pub fn label(&self) -> &Label {
        self.limit.label()
    }

    /// The sort of owner whose limit refuses.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.label().scope
    }

    /// What the limit counts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.limit.kind()
    }

    /// How much it allows in each window, or in flight.
    #[must_use]
    pub fn set(&self) -> u64 {
        self.limit.quota().set
    }

    /// The window; zero for permits.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.limit.quota().window
    }

    /// Whether waiting can never help.
    #[must_use]
    pub fn never_fits(&self) -> bool {
        self.reason == Reason::NeverFits
    }

    /// Scope and limit in the form of `x-sluicegate-refused-by`, such as `key:tokens_per_minute`.
    #[must_use]
    pub fn refused_by(&self) -> String {
        match self.kind() {
            Kind::Concurrency => format!("{}:concurrency", self.scope()),
            kind => format!("{}:{kind}_per_{}", self.scope(), Per(self.window(), "_")),
        }
    }

    /// How long this refusal stands: for ever if the call never fits. Of permits nobody knows, and they are soon back
    /// compared with a window.
    pub(crate) fn stands_for(&self) -> Duration {
        if self.never_fits() { Duration::MAX } else { self.retry_after.unwrap_or_default() }
    }

    /// The waiting time in whole milliseconds, rounded up so that it stays true.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after.map(|wait| u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

/// The sentence a client reads.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, set, left, needed) = (self.label(), self.set(), self.left, self.needed);
        match label.scope {
            Scope::Overall => write!(f, "The relay's overall limit is ")?,
            scope => write!(f, "The limit of {scope} {} is ", label.name)?,
        }
        match self.kind() {
            Kind::Concurrency => write!(f, "{set} requests at once; ")?,
            kind => write!(f, "{set} {kind} per {}; ", Per(self.window(), " "))?,
        }
        match self.reason {
            Reason::NeverFits => {
                write!(f, "this request needs {needed} and can never fit. Ask for less, or have the limit raised.")?;
            }
            Reason::Class => write!(f, "the rest is kept for higher classes. Try again when one of them has ended.")?,
            Reason::Exhausted if self.retry_after.is_none() => {
                write!(f, "all of them are under way. Try again when one has ended.")?;
            }
            Reason::Exhausted => write!(f, "{left} are left and this request needs {needed}.")?,
            Reason::Pace => write!(f, "{left} are left, let go evenly, and the next is not due yet.")?,
        }
        self.retry_after_ms().map_or(Ok(()), |ms| write!(f, " Try again in {} s.", ms as f64 / 1000.0))
    }
}

impl std::error::Error for Refusal {}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        let kind = match (refusal.reason, refusal.kind()) {
            (Reason::NeverFits, _) => FaultKind::NeverFits,
            (_, Kind::Requests | Kind::Concurrency) => FaultKind::LimitRequests,
            (_, Kind::Tokens) => FaultKind::LimitTokens,
        };
        let fault = Self::new(kind, refusal.to_string()).refused_by(refusal.refused_by());
        match refusal.retry_after_ms() {
            Some(ms) => fault.retry_after_ms(ms),
            None => fault,
        }
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
