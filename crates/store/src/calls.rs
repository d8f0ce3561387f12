//! Single calls of the request log.
//!
//! A list of calls is paged by place, newest first, day by day, so no page costs more than another, and nothing is ever
//! counted to be skipped.

use crate::chunk;
use crate::columns::Word;
use crate::error::StoreError;
use crate::query::Filter;
use crate::record::{Ended, Owner, Skimmed};
use crate::sums::Tokens;
use crate::{batch, days, schema};
use sluicegate_vocabulary::Money;
use std::ops::ControlFlow;
use std::path::Path;

/// A place in the request log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The day, counted from the Unix epoch.
    pub day: i64,
    /// The number of the record.
    pub record: i64,
}

/// A call of the request log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// Its place in the log: where the next page begins.
    pub place: Place,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its `x-request-id`.
    pub request_id: String,
    /// The key.
    pub key: String,
    /// The model as its client named it.
    pub model: String,
    /// The provider that answered.
    pub provider: String,
    /// The status its client saw.
    pub status: i64,
    /// How it ended.
    pub end: String,
    /// Tokens in.
    pub input: i64,
    /// Tokens out.
    pub output: i64,
    /// What it cost, if it has a price.
    pub cost: Option<Money>,
    /// What its account paid.
    pub billed: Money,
    /// How long it took, in microseconds.
    pub total_us: i64,
}

/// A question for calls.
#[derive(Debug, Clone, Default)]
pub struct CallsQuery {
    /// Whose.
    pub filter: Filter,
    /// With this status.
    pub status: Option<u16>,
    /// With this `x-request-id`.
    pub request_id: Option<String>,
    /// The place of the last call of the page before.
    pub before: Option<Place>,
    /// Rows at most.
    pub limit: usize,
}

impl CallsQuery {
    /// The words that a call has to have, those first that few have.
    fn words(&self) -> Vec<(Word, u32)> {
        let Filter { tenant, key, model, label } = &self.filter;
        let hash = |word: Word, text: &Option<String>| Some((word, word.hash(text.as_ref()?.as_bytes())));
        let asked = [
            hash(Word::Request, &self.request_id),
            hash(Word::Key, key),
            self.status.map(|status| (Word::Status, batch::status(status))),
            hash(Word::Label, label),
            hash(Word::Tenant, tenant),
            hash(Word::Model, model),
        ];
        asked.into_iter().flatten().collect()
    }

    /// Whether this is one of them. Of thousands in a chunk few are, so no more of a record is read than it takes to say no.
    fn wants(&self, end: &Skimmed<'_>) -> bool {
        let is = |asked: &Option<String>, word: &[u8]| asked.as_ref().is_none_or(|asked| asked.as_bytes() == word);
        let is_owner = |owner: Owner<'_>| {
            let Filter { tenant, key, model, label } = &self.filter;
            [(tenant, owner.tenant), (key, owner.key), (model, owner.model), (label, owner.label)]
                .iter()
                .all(|(asked, word)| is(asked, word.as_bytes()))
        };
        self.status.is_none_or(|status| status == end.status)
            && is(&self.request_id, end.request_id)
            && (self.filter == Filter::default() || Owner::read(end.owner).is_ok_and(is_owner))
    }
}

pub(crate) fn calls(dir: &Path, query: &CallsQuery) -> Result<Vec<CallRow>, StoreError> {
    let (mut found, words) = (Vec::new(), query.words());
    let last = query.before.map_or(i64::MAX, |place| place.day);
    for day in days::list(dir)?.into_iter().rev().filter(|day| *day <= last) {
        if found.len() >= query.limit {
            break;
        }
        let log = schema::one_day(&days::path(dir, day))?;
        let before = query.before.filter(|place| place.day == day).map_or(i64::MAX, |place| place.record);
        chunk::newest(&log, before.unsigned_abs(), &words, &mut |record, bytes| {
            if let Ok(end) = Skimmed::read(bytes)
                && query.wants(&end)
                && let Ok(end) = end.whole()
            {
                found.push(row(Place { day, record: record.cast_signed() }, &end));
            }
            Ok(if found.len() < query.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
    }
    Ok(found)
}

fn row(place: Place, end: &Ended<'_>) -> CallRow {
    let sums = Tokens::of(&end.charges);
    CallRow {
        place,
        at_ms: end.at_ms,
        request_id: end.request_id.to_owned(),
        key: end.owner.key.to_owned(),
        model: end.owner.model.to_owned(),
        provider: end.charges.last().map_or("", |charge| charge.provider).to_owned(),
        status: end.status.into(),
        end: end.end.as_str().to_owned(),
        input: sums.input,
        output: sums.output,
        cost: sums.cost.map(Money::from_nanos),
        billed: Money::from_nanos(sums.billed),
        total_us: crate::sums::signed(end.total_us),
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
