//! How each call ended, and everything that is asked about a run afterwards is computed from that.

use super::call::Call;
use super::provider::Counted;
use sluicegate_flow::Nanos;
use std::time::Duration;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Answered in full.
    Answered,
    /// 429: a limit of the caller's own, at our side.
    Limited,
    /// 503: no room to wait.
    Full,
    /// 504: the deadline has passed or cannot be met.
    Late,
    /// 400: it can never fit a limit.
    NeverFits,
    /// 429 from the provider, handed to the client.
    ProviderRefused,
    /// A server error of the provider, handed to the client.
    ProviderFailed,
    /// Never: nobody thought of the call again.
    Stuck,
}

impl End {
    /// All of them but the good one, with the words that tables and JSON have for them.
    pub const REFUSALS: [(Self, &'static str); 7] = [
        (Self::Limited, "429 limit"),
        (Self::Full, "503 queue full"),
        (Self::Late, "504 deadline"),
        (Self::NeverFits, "400 never fits"),
        (Self::ProviderRefused, "429 provider"),
        (Self::ProviderFailed, "5xx provider"),
        (Self::Stuck, "never told"),
    ];
}

/// One call and how it fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The call.
    pub call: Call,
    /// When its last attempt was sent; `None` if none was.
    pub sent: Option<Nanos>,
    /// How many attempts were sent.
    pub attempts: u32,
    /// When the client knew.
    pub ended: Nanos,
    /// How.
    pub end: End,
}

impl Record {
    /// How long an answered call waited before it was sent.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.sent.filter(|_| self.end == End::Answered).map(|sent| self.call.at.until(sent))
    }
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Every call, in order of arrival.
    pub records: Vec<Record>,
    /// Every attempt that was sent, in order, with its call's index in [`Self::records`].
    pub sends: Vec<(Nanos, u32)>,
    /// How often each limit made a call wait or refused it, most often first.
    pub binding: Vec<(String, u64)>,
    /// How long traffic was offered.
    pub length: Duration,
    /// Whether traffic was cut off because there were more calls than a run holds.
    pub cut: bool,
}

impl Run {
    /// The most that was sent in any stretch as long as `window`, attempts that the provider refused included.
    #[must_use]
    pub fn worst_window(&self, window: Duration, counted: Counted) -> u64 {
        let amount = |id: u32| match counted {
            Counted::Requests => 1,
            Counted::Tokens => self.records.get(id as usize).map_or(0, |record| record.call.used()),
        };
        let (mut inside, mut most) = (0, 0);
        let mut oldest = self.sends.iter().peekable();
        for (at, id) in &self.sends {
            inside += amount(*id);
            while let Some((_, gone)) = oldest.next_if(|(then, _)| then.after(window) <= *at) {
                inside -= amount(*gone);
            }
            most = most.max(inside);
        }
        most
    }
}
