//! Who waits how long, and in what order.
//!
//! Four classes share what there is by their weights while all of them wait, and a class that is alone has all of it. The
//! numbers that follow from an empty file are here, so that the scheduler is given values and has no defaults of its own.

use crate::units::{Period, Size};
use serde::Serialize;
use sluicegate_vocabulary::Priority;

/// How calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Priorities {
    /// The four classes.
    pub classes: Classes,
    /// Most calls that wait at once, over all classes. At least 1.
    pub max_queue: u64,
    /// Most bytes of request bodies that wait at once.
    pub max_queue_bytes: Size,
}

/// The four classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Classes {
    /// The last to be refused.
    pub critical: ClassRule,
    /// A person is waiting.
    pub high: ClassRule,
    /// What most calls are.
    pub normal: ClassRule,
    /// Bulk work on spare capacity.
    pub low: ClassRule,
}

/// One class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClassRule {
    /// Its share of what is let through while all classes wait, relative to the sum of the four. At least 1.
    pub weight: u32,
    /// How long one of its calls may wait that brings no deadline of its own.
    pub max_wait: Period,
}

impl Priorities {
    /// The rule of one class.
    #[must_use]
    pub const fn of(&self, class: Priority) -> ClassRule {
        match class {
            Priority::Critical => self.classes.critical,
            Priority::High => self.classes.high,
            Priority::Normal => self.classes.normal,
            Priority::Low => self.classes.low,
        }
    }
}

impl Default for Priorities {
    fn default() -> Self {
        let class = |weight, seconds| ClassRule { weight, max_wait: Period::from_secs(seconds) };
        Self {
            classes: Classes { critical: class(8, 10), high: class(4, 10), normal: class(2, 30), low: class(1, 300) },
            max_queue: 10_000,
            max_queue_bytes: Size::from_bytes(1 << 30),
        }
    }
}
