use super::*;

#[test]
fn a_day_has_the_name_of_its_date() {
    let dir = Path::new("d");
    assert_eq!(path(dir, of(1_795_219_200_000)), dir.join("calls-2026-11-21.db"));
    assert_eq!(path(dir, of(-1)), dir.join("calls-1969-12-31.db"));
    assert_eq!(path(dir, i64::MAX), dir.join(format!("calls-day{}.db", i64::MAX)));
}

#[test]
fn days_are_dropped_whole_by_age_and_by_size_and_never_today() {
    let dir = tempfile::tempdir().unwrap();
    for day in 100..110 {
        std::fs::write(path(dir.path(), day), [0; 1000]).unwrap();
    }
    assert_eq!(list(dir.path()).unwrap(), (100..110).collect::<Vec<_>>());
    let drop = |days, bytes| to_drop(dir.path(), 109, &Keep { days, bytes }).unwrap();
    assert!(drop(30, 1 << 20).is_empty());
    assert_eq!(drop(5, 1 << 20), [100, 101, 102, 103]);
    assert_eq!(drop(30, 3000), (100..107).collect::<Vec<_>>());
    assert_eq!(drop(0, 0), (100..109).collect::<Vec<_>>());
    delete(dir.path(), 100).unwrap();
    delete(dir.path(), 100).unwrap();
    assert_eq!(list(dir.path()).unwrap().len(), 9);
}
