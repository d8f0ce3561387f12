use super::*;
use crate::feed::books_path;
use crate::measure::Took;
use crate::schema;
use crate::sums::Dimension;
use std::path::Path;

/// A day long ago enough that all of these are over.
const FIRST: i64 = 1_790_000_000_000 / 86_400_000 * 86_400_000;

/// Roll-ups of many calls, as the feeder would have left them: so many days with so many keys, models and providers, and
/// each day's hours. Tells how many calls they are of.
fn filled(dir: &Path, days: i64, keys: i64, calls_each: i64) -> (Connection, i64) {
    let main = schema::books(&books_path(dir), std::time::Duration::from_secs(5)).unwrap();
    let figures = "7, 0, 1, 0, 700, 140, 70, 770, 7000, 7000, 3500, 1400, 7, 700";
    let figures = figures.replace('7', &calls_each.to_string());
    // Each key asks for two models at one provider; an hour has a tenth of the day's keys.
    let rows = |grain: i64, buckets: i64, length: i64, share: i64| {
        let sql = format!(
            "WITH RECURSIVE bucket(b) AS (SELECT 0 UNION ALL SELECT b + 1 FROM bucket WHERE b + 1 < {buckets}),
                 k(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM k WHERE k + 1 < {keys}),
                 m(m) AS (SELECT 0 UNION ALL SELECT 1)
             INSERT INTO rollups SELECT {grain}, {FIRST} + b * {length}, 'tenant-' || (k % 20), printf('key-%05d', k),
                 'model-' || ((k + m * 3) % 8), 'provider-' || (k % 4), 'team-' || (k % 10), {figures}
             FROM bucket, k, m WHERE (k + b) % {share} = 0"
        );
        main.execute_batch(&sql).unwrap();
    };
    rows(2, days, 86_400_000, 1);
    rows(1, days * 24, 3_600_000, 10);
    let number = |dimension: Dimension, column: &str| {
        let dimension = dimension as i64;
        main.execute_batch(&format!(
            "INSERT INTO sums SELECT grain, bucket, {dimension}, {column}, sum(calls), sum(errors), sum(cache_hits), sum(unpriced),
             sum(input), sum(cached), sum(output), sum(tokens), sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls),
             sum(saved)
             FROM rollups GROUP BY grain, bucket, {column}"
        ))
        .unwrap();
    };
    number(Dimension::All, "''");
    for (dimension, column) in [
        (Dimension::Tenant, "tenant"),
        (Dimension::Key, "key"),
        (Dimension::Model, "model"),
        (Dimension::Provider, "provider"),
        (Dimension::Label, "label"),
    ] {
        number(dimension, column);
    }
    let calls = main.query_row("SELECT sum(calls) FROM rollups WHERE grain = 2", [], |row| row.get(0)).unwrap();
    (main, calls)
}

/// The questions that the pages ask: of everybody by each thing, and of one key.
fn questions(days: i64, key: &str) -> Vec<(String, UsageQuery)> {
    let of = |name: &str, grain, by: Vec<By>, filter: Filter| {
        let to_ms = i64::MAX;
        (name.to_owned(), UsageQuery { grain, from_ms: FIRST, to_ms, filter, by, limit: 1000 })
    };
    let one = Filter { key: Some(key.to_owned()), ..Filter::default() };
    let all = Filter::default;
    let mut questions = vec![
        of("all, by day", Grain::Day, vec![By::Time], all()),
        of("all, by key", Grain::Day, vec![By::Key], all()),
        of("all, by tenant", Grain::Day, vec![By::Tenant], all()),
        of("all, by model", Grain::Day, vec![By::Model], all()),
        of("all, by model and day", Grain::Day, vec![By::Model, By::Time], all()),
        of("all, by provider", Grain::Day, vec![By::Provider], all()),
        of("all, by label", Grain::Day, vec![By::Label], all()),
        of("one key, by day", Grain::Day, vec![By::Time], one.clone()),
        of("one key, by day and model", Grain::Day, vec![By::Time, By::Model], one.clone()),
        of("one key, in all", Grain::Day, Vec::new(), one.clone()),
    ];
    // By the hour a page shows a week.
    let week = FIRST + (days - 7) * 86_400_000;
    for (name, filter) in [("all, by hour of a week", all()), ("one key, by hour of a week", one)] {
        let (name, mut asked) = of(name, Grain::Hour, vec![By::Time], filter);
        asked.from_ms = week;
        questions.push((name, asked));
    }
    questions
}

#[test]
fn a_question_about_everybody_has_the_same_answer_from_sums_and_from_roll_ups() {
    let dir = tempfile::tempdir().unwrap();
    let (main, calls) = filled(dir.path(), 9, 30, 2);
    for (name, asked) in questions(9, "key-00003") {
        let rows = usage(&main, &asked).unwrap();
        assert_eq!(rows, from_roll_ups(&main, &asked), "{name}");
        assert!(!rows.is_empty(), "{name}");
    }
    let (_, by_day) = questions(9, "").remove(0);
    assert_eq!(usage(&main, &by_day).unwrap().iter().map(|row| row.calls).sum::<i64>(), calls);
}

/// The same question to the roll-ups of everything.
fn from_roll_ups(main: &Connection, asked: &UsageQuery) -> Vec<UsageRow> {
    let by: Vec<&str> = asked.by.iter().map(|by| by.column()).collect();
    let names: String = by.iter().map(|column| format!("CAST({column} AS TEXT), ")).collect();
    let group = if by.is_empty() { String::new() } else { format!("GROUP BY {0} ORDER BY {0}", by.join(", ")) };
    let key = asked.filter.key.clone().unwrap_or_else(|| "%".to_owned());
    let sql = format!(
        "SELECT {names} sum(calls), sum(errors), sum(cache_hits), sum(unpriced), sum(input), sum(cached), sum(output),
         sum(cost), sum(billed), sum(total_us), sum(first_us), sum(first_calls), sum(saved)
         FROM rollups WHERE grain = ?1 AND bucket >= ?2 AND key LIKE ?3 {group} LIMIT 1000"
    );
    let mut statement = main.prepare(&sql).unwrap();
    let rows = statement.query_map(rusqlite::params![asked.grain as i64, asked.from_ms, key], |row| {
        let names = (0..by.len()).map(|place| row.get(place)).collect::<Result<_, _>>()?;
        figures(row, names, by.len())
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
#[ignore = "makes roll-ups of ten million calls, which takes minutes; its numbers are in docs/results"]
fn every_question_over_ten_million_calls_is_answered_within_50_ms() {
    let dir = tempfile::tempdir().unwrap();
    let (main, calls) = filled(dir.path(), 60, 1000, 84);
    let count = |table: &str| -> i64 {
        main.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    eprintln!("{calls} calls of 60 days and 1000 keys: {} roll-ups, {} sums", count("rollups"), count("sums"));
    drop(main);
    let reader = schema::read_only(&books_path(dir.path())).unwrap();
    let mut slowest = std::time::Duration::ZERO;
    for (name, asked) in questions(60, "key-00500") {
        let mut lines = 0;
        let took = Took::by(|| lines = usage(&reader, &asked).unwrap().len());
        eprintln!("| {name} | {lines} | {took} |");
        slowest = slowest.max(took.work);
    }
    assert!(slowest.as_millis() < 50, "{slowest:?}");
}
