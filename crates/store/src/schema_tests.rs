use super::*;

const SECOND: &str = "ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 7;";

#[test]
fn an_older_schema_becomes_the_newer_one_and_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let first = writable(&path, Duration::ZERO, SCATTERED, &["CREATE TABLE t(a INTEGER);"]).unwrap();
    first.execute("INSERT INTO t VALUES (1)", []).unwrap();
    drop(first);
    let second = writable(&path, Duration::ZERO, SCATTERED, &["never run again", SECOND]).unwrap();
    let row: (i64, i64) = second.query_row("SELECT a, b FROM t", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(row, (1, 7));
    drop(second);
    let older = writable(&path, Duration::ZERO, SCATTERED, &["CREATE TABLE t(a INTEGER);"]);
    assert!(matches!(older, Err(StoreError::Newer { found: 2, known: 1 })));
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    assert!(writable(&path, Duration::ZERO, SCATTERED, &["CREATE TABLE t(a INTEGER);", "nonsense"]).is_err());
    let again = writable(&path, Duration::ZERO, SCATTERED, &["CREATE TABLE t(a INTEGER);"]).unwrap();
    let version: i64 = again.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[test]
fn both_schemas_are_sound() {
    let dir = tempfile::tempdir().unwrap();
    let books = books(&dir.path().join("books.db"), Duration::ZERO).unwrap();
    let calls = calls(&dir.path().join("calls.db"), Duration::ZERO).unwrap();
    let page = |of: &Connection| of.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!((page(&books), page(&calls)), (BOTH, TOGETHER));
}
