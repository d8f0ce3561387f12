//! What has happened to a migration: when, by whom, why, and what was known then.

use crate::machine::Phase;
use crate::share::Share;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Entries that are kept; older ones go.
pub const KEPT: usize = 200;
/// Characters of a name or a reason that are kept.
const LONGEST: usize = 300;
/// Who did what nobody asked for.
pub(crate) const ITSELF: &str = "sluicegate";

/// A moment, in milliseconds since the Unix epoch: what has to survive a restart cannot be counted by a clock that does
/// not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It began.
    Started,
    /// It went on to the next step.
    Advanced,
    /// It stands where it is.
    Paused,
    /// It goes on from there.
    Resumed,
    /// It waits for a person's approval.
    AwaitsApproval,
    /// A step is over and the guards have not decided, so it lasts longer.
    Held,
    /// A guard spoke, and nothing but saying so was asked for.
    Alerted,
    /// All traffic went back.
    RolledBack,
    /// All traffic moved.
    Promoted,
    /// It was defined anew.
    Redefined,
}

impl Action {
    /// The word used in events, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Advanced => "advanced",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::AwaitsApproval => "awaits_approval",
            Self::Held => "held",
            Self::Alerted => "alerted",
            Self::RolledBack => "rolled_back",
            Self::Promoted => "promoted",
            Self::Redefined => "redefined",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Moment,
    /// By whom: a person's name, or `sluicegate`.
    pub who: String,
    /// What.
    pub action: Action,
    /// Why, in one sentence.
    pub why: String,
    /// The step it stood at afterwards, from 0.
    pub step: usize,
    /// The new side's share afterwards.
    pub share: Share,
    /// What it was afterwards.
    pub phase: Phase,
    /// What was known then, one sentence for each guard.
    pub evidence: Vec<String>,
}

/// The latest entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    entries: VecDeque<Entry>,
    forgotten: u64,
}

impl History {
    pub(crate) fn add(&mut self, mut entry: Entry) {
        for text in [&mut entry.who, &mut entry.why] {
            if let Some((end, _)) = text.char_indices().nth(LONGEST) {
                text.truncate(end);
            }
        }
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }

    /// The oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&Entry> {
        self.entries.back()
    }

    /// How many older ones are no longer kept.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
