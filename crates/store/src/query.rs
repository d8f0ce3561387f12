//! Questions about usage, by time and by whom.
//!
//! Sums are read from roll-ups and never from calls: a question about everybody or one name that is told apart by one thing
//! at most is answered from the sums of that thing, any other from the roll-ups of everything that is told apart.

use crate::error::StoreError;
use crate::record::Repeated;
use crate::sums::{Dimension, GRAINS};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use sluicegate_ledger::{Span, Subject, Unit};
use sluicegate_vocabulary::Money;

/// The length of what is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// By the minute. Kept for weeks.
    Minute = 0,
    /// By the hour. Kept for more than a year.
    Hour = 1,
    /// By the day of UTC. Kept.
    Day = 2,
}

/// By what usage may be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The beginning of the stretch of time.
    Time,
    /// The tenant.
    Tenant,
    /// The key.
    Key,
    /// The model as clients name it.
    Model,
    /// The provider.
    Provider,
    /// The label.
    Label,
}

impl By {
    const fn column(self) -> &'static str {
        match self {
            Self::Time => "bucket",
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Label => "label",
        }
    }
}

/// Whose calls are asked for: every word that is given has to be the call's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The tenant.
    pub tenant: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// The model as clients name it.
    pub model: Option<String>,
    /// The label.
    pub label: Option<String>,
}

impl Filter {
    fn conditions(&self, values: &mut Vec<Value>) -> String {
        let mut sql = String::new();
        for (column, word) in
            [("tenant", &self.tenant), ("key", &self.key), ("model", &self.model), ("label", &self.label)]
        {
            if let Some(word) = word {
                values.push(Value::from(word.clone()));
                sql.push_str(&format!(" AND {column} = ?{}", values.len()));
            }
        }
        sql
    }
}

/// A question about usage.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// The roll-ups to read. Bounds that do not lie on its ends take in what they touch.
    pub grain: Grain,
    /// From when, in milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// Until when; this moment is not in it.
    pub to_ms: i64,
    /// Whose.
    pub filter: Filter,
    /// By what it is told apart, at most two.
    pub by: Vec<By>,
    /// Rows at most.
    pub limit: u32,
}

impl UsageQuery {
    /// The sums that answer it, where it is about everybody or one name and told apart by one thing at most beside the
    /// time.
    fn sums(&self) -> Option<(Dimension, Option<&str>)> {
        let Filter { tenant, key, model, label } = &self.filter;
        let names =
            [(Dimension::Tenant, tenant), (Dimension::Key, key), (Dimension::Model, model), (Dimension::Label, label)];
        let mut asked = names.into_iter().filter_map(|(dimension, name)| Some((dimension, name.as_deref()?)));
        let (one, more) = (asked.next(), asked.next());
        let mut by = self.by.iter().take(2).filter_map(|by| Dimension::by(*by));
        let apart = by.try_fold(None, |before, by| match before {
            Some(other) if other != by => None,
            _ => Some(Some(by)),
        })?;
        match (one, more, apart) {
            (None, _, apart) => Some((apart.unwrap_or(Dimension::All), None)),
            (Some((dimension, name)), None, apart) if apart.is_none_or(|apart| apart == dimension) => {
                Some((dimension, Some(name)))
            }
            _ => None,
        }
    }
}

impl Dimension {
    /// By what is told apart; the time is none of these.
    const fn by(by: By) -> Option<Self> {
        match by {
            By::Time => None,
            By::Tenant => Some(Self::Tenant),
            By::Key => Some(Self::Key),
            By::Model => Some(Self::Model),
            By::Provider => Some(Self::Provider),
            By::Label => Some(Self::Label),
        }
    }
}

/// A row of an answer about usage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageRow {
    /// By what it is told apart, in the order asked; a time in milliseconds since the Unix epoch, as text.
    pub by: Vec<String>,
    /// Calls.
    pub calls: i64,
    /// Of which answered with an error, or not at all.
    pub errors: i64,
    /// Of which the response cache answered.
    pub cache_hits: i64,
    /// Of which have no price.
    pub unpriced: i64,
    /// Tokens in.
    pub input: i64,
    /// Of which the provider's cache had.
    pub cached: i64,
    /// Tokens out.
    pub output: i64,
    /// What providers are owed.
    pub cost: Money,
    /// What accounts paid.
    pub billed: Money,
    /// Time taken by all calls together, in microseconds.
    pub total_us: i64,
    /// Time to the first content of all calls that had any, in microseconds.
    pub first_us: i64,
    /// How many calls had any.
    pub first_calls: i64,
    /// What was saved by the cache and by choices.
    pub saved: Money,
}

const FIGURES: &str = "coalesce(sum(calls), 0), coalesce(sum(errors), 0), coalesce(sum(cache_hits), 0),
     coalesce(sum(unpriced), 0), coalesce(sum(input), 0), coalesce(sum(cached), 0), coalesce(sum(output), 0),
     coalesce(sum(cost), 0), coalesce(sum(billed), 0), coalesce(sum(total_us), 0), coalesce(sum(first_us), 0),
     coalesce(sum(first_calls), 0), coalesce(sum(saved), 0)";

/// Reads what [`FIGURES`] gave, from this place on.
fn figures(row: &Row<'_>, by: Vec<String>, from: usize) -> rusqlite::Result<UsageRow> {
    let at = |place: usize| row.get::<_, i64>(from + place);
    Ok(UsageRow {
        by,
        calls: at(0)?,
        errors: at(1)?,
        cache_hits: at(2)?,
        unpriced: at(3)?,
        input: at(4)?,
        cached: at(5)?,
        output: at(6)?,
        cost: Money::from_nanos(at(7)?),
        billed: Money::from_nanos(at(8)?),
        total_us: at(9)?,
        first_us: at(10)?,
        first_calls: at(11)?,
        saved: Money::from_nanos(at(12)?),
    })
}

pub(crate) fn usage(main: &Connection, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
    let grain = GRAINS.get(query.grain as usize).copied().unwrap_or(60_000);
    let from_ms = query.from_ms.div_euclid(grain).saturating_mul(grain);
    if let Some((dimension, name)) = query.sums() {
        return from_sums(main, query, from_ms, dimension, name);
    }
    let mut values = vec![Value::from(query.grain as i64), Value::from(from_ms), Value::from(query.to_ms)];
    let conditions = query.filter.conditions(&mut values);
    // Without statistics the planner may read a whole stretch of time for a few lines of one key.
    let table = match &query.filter {
        Filter { key: Some(_), .. } => "rollups INDEXED BY rollups_key",
        Filter { tenant: Some(_), .. } => "rollups INDEXED BY rollups_tenant",
        _ => "rollups",
    };
    let by: Vec<&str> = query.by.iter().take(2).map(|by| by.column()).collect();
    let names: String = by.iter().map(|column| format!("CAST({column} AS TEXT), ")).collect();
    let group = if by.is_empty() { String::new() } else { format!(" GROUP BY {0} ORDER BY {0}", by.join(", ")) };
    let sql = format!(
        "SELECT {names} {FIGURES} FROM {table} WHERE grain = ?1 AND bucket >= ?2 AND bucket < ?3{conditions}{group} LIMIT {}",
        query.limit
    );
    let mut statement = main.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let named = (0..by.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?;
        figures(row, named, by.len())
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Answers from the sums of single names. Names are sought one after the other and of each only the time that is asked
/// for is read, so it costs as much as what is told, however many names there are and however long the books go back.
fn from_sums(
    main: &Connection,
    query: &UsageQuery,
    from_ms: i64,
    dimension: Dimension,
    only: Option<&str>,
) -> Result<Vec<UsageRow>, StoreError> {
    let (grain, dimension) = (query.grain as i64, dimension as i64);
    let by_time = query.by.contains(&By::Time);
    let (bucket, group) =
        if by_time { ("CAST(bucket AS TEXT)", "GROUP BY bucket ORDER BY bucket") } else { ("''", "") };
    let sql = format!(
        "SELECT {bucket}, count(*), {FIGURES} FROM sums
         WHERE grain = ?1 AND dimension = ?2 AND name = ?3 AND bucket >= ?4 AND bucket < ?5 {group}"
    );
    let mut one = main.prepare_cached(&sql)?;
    let sql = "SELECT name FROM sums WHERE grain = ?1 AND dimension = ?2 AND name > ?3 ORDER BY name LIMIT 1";
    let mut next = main.prepare_cached(sql)?;
    let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    // The sums of all calls have no name.
    let mut name = only.unwrap_or_default().to_owned();
    loop {
        let rows = one.query_map(params![grain, dimension, name, from_ms, query.to_ms], |row| {
            let named = query.by.iter().take(2).map(|by| if *by == By::Time { row.get(0) } else { Ok(name.clone()) });
            let (named, lines) = (named.collect::<Result<_, _>>()?, row.get::<_, i64>(1)?);
            Ok((lines, figures(row, named, 2)?))
        })?;
        for row in rows {
            let (lines, row) = row?;
            // What nobody called has no line; where all is one line, it says so with zeros.
            if lines > 0 || query.by.is_empty() {
                found.push(row);
            }
        }
        if only.is_some() || dimension == Dimension::All as i64 || found.len() >= most {
            break;
        }
        match next.query_row(params![grain, dimension, name], |row| row.get(0)).optional()? {
            Some(following) => name = following,
            None => break,
        }
    }
    found.truncate(most);
    Ok(found)
}

/// What a subject has used in a stretch of time: what its budget begins with after a start.
pub(crate) fn used(main: &Connection, subject: &Subject, unit: Unit, span: Span) -> Result<i64, StoreError> {
    let (column, name) = match subject {
        Subject::Key(name) => ("key", name),
        Subject::Tenant(name) => ("tenant", name),
        Subject::Model(name) => ("model", name),
        Subject::Label(name) => ("label", name),
    };
    let sum = match unit {
        Unit::Money => "billed",
        Unit::Tokens => "tokens",
    };
    // The longest roll-ups on whose ends the stretch begins and ends, since shorter ones are more, and are forgotten.
    let fits = |grain: &i64| span == Span::EVER || (span.start_ms % grain == 0 && span.end_ms % grain == 0);
    let grain = GRAINS.iter().rposition(fits).unwrap_or(0);
    let sql = format!(
        "SELECT coalesce(sum({sum}), 0) FROM rollups WHERE grain = ?1 AND bucket >= ?2 AND bucket < ?3 AND {column} = ?4"
    );
    let grain = i64::try_from(grain).unwrap_or(0);
    let values = [grain.into(), span.start_ms.into(), span.end_ms.into(), Value::from(name.to_string())];
    Ok(main.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?)
}

/// What a key has used since the books began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyUse {
    /// What was charged for its calls.
    pub billed: Money,
    /// When its last call arrived, in milliseconds since the Unix epoch: to the minute, and after some weeks to the hour or
    /// the day.
    pub last_ms: Option<i64>,
}

pub(crate) fn key_use(main: &Connection, key: &str) -> Result<KeyUse, StoreError> {
    let dimension = Dimension::Key as i64;
    let sql = "SELECT coalesce(sum(billed), 0) FROM sums WHERE grain = 2 AND dimension = ?1 AND name = ?2";
    let billed = main.prepare_cached(sql)?.query_row(params![dimension, key], |row| row.get(0))?;
    let sql = "SELECT max(bucket) FROM sums WHERE grain = ?1 AND dimension = ?2 AND name = ?3";
    let mut last = main.prepare_cached(sql)?;
    let mut last_ms = None;
    for grain in [Grain::Minute, Grain::Hour, Grain::Day] {
        last_ms = last.query_row(params![grain as i64, dimension, key], |row| row.get(0))?;
        if last_ms.is_some() {
            break;
        }
    }
    Ok(KeyUse { billed: Money::from_nanos(billed), last_ms })
}

/// The calls of a time that must not be charged once more, the latest first, and when each arrived, in milliseconds since
/// the Unix epoch.
pub(crate) fn repeats(main: &Connection, since_ms: i64, most: usize) -> Result<Vec<(Repeated, i64)>, StoreError> {
    let sql = "SELECT key, request, at_ms FROM repeats WHERE at_ms >= ?1 ORDER BY at_ms DESC LIMIT ?2";
    let mut statement = main.prepare(sql)?;
    let rows = statement.query_map(params![since_ms, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        let key = u128::from_le_bytes(row.get(0)?);
        Ok((Repeated { key, request: row.get::<_, i64>(1)?.cast_unsigned() }, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
