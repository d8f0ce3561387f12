//! What is found at a start: the journal's files, and calls of which nobody knows how they ended.

use crate::error::StoreError;
use crate::journal::SegmentFile;
use crate::journal::segment::{self, SPARE};
use crate::record::{Charged, Ended, Intent, Record};
use sluicegate_ledger::Multiplier;
use sluicegate_vocabulary::{EndReason, Money, Usage, UsageSource};
use smallvec::smallvec;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

/// What is charged for a call whose answer had begun when the process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenCalls {
    /// What it was expected to cost.
    #[default]
    Expected,
    /// All that was held for it: the most it may have cost.
    Held,
    /// Nothing.
    Free,
}

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records that the database did not have yet.
    pub fed: u64,
    /// Calls that were open.
    pub open_calls: u64,
    /// What was charged for them.
    pub charged: Money,
    /// Bytes of a batch of records that was half written, and was cut off.
    pub torn_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// The journal as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) files: VecDeque<SegmentFile>,
    /// The number of the next record.
    pub(crate) next: u64,
    pub(crate) torn_bytes: u64,
}

/// Looks through the files of the journal. What follows the last whole batch of the last file was being written when the
/// process ended; it is cut off and kept beside.
pub(crate) fn look(dir: &Path, fed: u64, skip_damaged: bool) -> Result<Found, StoreError> {
    let mut found = Found { files: VecDeque::new(), next: fed, torn_bytes: 0 };
    let mut numbers = segment::list(dir)?;
    if numbers.last() == Some(&SPARE) {
        numbers.pop();
        let spare = segment::path(dir, SPARE);
        std::fs::remove_file(&spare).map_err(StoreError::file("cannot delete", spare))?;
    }
    let mut expected = None;
    for (at, first) in numbers.iter().copied().enumerate() {
        let scan = segment::scan(dir, first)?;
        let (path, last) = (segment::path(dir, first), at + 1 == numbers.len());
        if let Some(expected) = expected.filter(|expected| first > *expected && first > fed) {
            return Err(StoreError::Missing { path: dir.to_owned(), from: expected, to: first });
        }
        if scan.torn
            && !last
            && !skip_damaged
            && first + scan.records < numbers.get(at + 1).copied().unwrap_or(0).max(fed)
        {
            return Err(StoreError::Damaged { path, at: scan.end });
        }
        let bytes = scan.bytes.len() as u64;
        if last && scan.torn {
            let rest = scan.bytes.get(usize::try_from(scan.end).unwrap_or(0)..).unwrap_or_default();
            let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            found.torn_bytes = used as u64;
            let aside = path.with_extension("torn");
            std::fs::write(&aside, rest.get(..used).unwrap_or_default())
                .map_err(StoreError::file("cannot write", aside))?;
        }
        if scan.records == 0 {
            std::fs::remove_file(&path).map_err(StoreError::file("cannot delete", &path))?;
        } else {
            if last {
                let file = std::fs::File::options().write(true).open(&path);
                file.and_then(|file| file.set_len(scan.end).and_then(|()| file.sync_all()))
                    .map_err(StoreError::file("cannot cut", &path))?;
            }
            let next = first + scan.records;
            found.files.push_back(SegmentFile { first, next, end: scan.end, bytes: bytes.min(scan.end) });
            found.next = found.next.max(next);
            expected = Some(next);
        }
    }
    if let Some(first) = found.files.front().filter(|file| file.first > fed) {
        return Err(StoreError::Missing { path: dir.to_owned(), from: fed, to: first.first });
    }
    Ok(found)
}

/// Ends the calls that were open, each by what the policy says, and hands their ends on. Tells how many there were and
/// what was charged.
pub(crate) fn settle<'a>(
    open: impl Iterator<Item = &'a [u8]>,
    policy: OpenCalls,
    mut end: impl FnMut(&Ended<'_>),
) -> Result<(u64, Money), StoreError> {
    let intents = open.filter_map(|bytes| match Record::read(bytes) {
        Ok(Record::Intent(intent)) => Some(intent),
        _ => None,
    });
    let mut calls: Vec<Vec<Intent<'_>>> = Vec::new();
    for intent in intents {
        match calls.last_mut() {
            Some(call) if call.first().is_some_and(|first| first.call == intent.call) => call.push(intent),
            _ => calls.push(vec![intent]),
        }
    }
    let mut charged = Money::ZERO;
    for attempts in &calls {
        // Of several attempts only the last was answering: the others had failed before it began.
        let Some(last) = attempts.last() else { continue };
        let amount = match policy {
            OpenCalls::Expected => last.expected,
            OpenCalls::Held => last.held,
            OpenCalls::Free => Money::ZERO,
        };
        charged += amount;
        end(&closed(last, amount, attempts.len()));
    }
    Ok((calls.len() as u64, charged))
}

fn closed<'a>(intent: &Intent<'a>, amount: Money, attempts: usize) -> Ended<'a> {
    let charge = Charged {
        attempt: intent.attempt,
        provider: intent.provider,
        upstream: intent.upstream,
        usage: Usage { source: UsageSource::Estimated, ..Usage::default() },
        cost: Some(amount),
        billed: amount,
        price: intent.price,
        multiplier: Multiplier::ONE,
        lines: Vec::new().into(),
    };
    Ended {
        call: intent.call,
        at_ms: intent.at_ms,
        owner: intent.owner,
        request_id: intent.request_id,
        end: EndReason::Internal,
        status: 0,
        stream: false,
        cache_hit: false,
        attempts: u16::try_from(attempts).unwrap_or(u16::MAX),
        queued_us: 0,
        first_us: 0,
        total_us: 0,
        charges: smallvec![charge],
        saved: Money::ZERO,
        // What was charged is not charged again under the same key; what was not may be tried again.
        repeat: intent.repeat.filter(|_| amount > Money::ZERO),
    }
}
