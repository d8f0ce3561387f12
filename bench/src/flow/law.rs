//! A promise, and whether what was seen keeps it.

use std::fmt;

/// One promise with the figures that speak for or against it.
#[derive(Debug, Clone)]
pub(crate) struct Law {
    what: String,
    holds: bool,
}

impl Law {
    /// `what` says the promise and what was seen.
    pub(crate) fn new(what: impl Into<String>, holds: bool) -> Self {
        Self { what: what.into(), holds }
    }

    pub(crate) const fn holds(&self) -> bool {
        self.holds
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", if self.holds { "holds " } else { "BROKEN" }, self.what)
    }
}
