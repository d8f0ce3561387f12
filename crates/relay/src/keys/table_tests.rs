use super::*;
use sluicegate_store::StoredSecret;

fn stored(name: &str, hashes: &[u8]) -> StoredKey {
    let secrets = hashes.iter().map(|hash| StoredSecret { hash: [*hash; 32], until_ms: None }).collect();
    StoredKey {
        id: 1,
        name: name.to_owned(),
        terms: "{}".to_owned(),
        metadata: "{}".to_owned(),
        disabled: false,
        expires_ms: None,
        created_ms: 0,
        changed_ms: 0,
        secrets,
    }
}

fn look(table: &Table, hash: u8, now_ms: i64) -> &'static str {
    match table.look(&[hash; 32], || now_ms, 1) {
        Look::Ready(_) => "ready",
        Look::Asleep(_) => "asleep",
        Look::Disabled => "disabled",
        Look::Expired => "expired",
        Look::Unknown => "unknown",
    }
}

#[test]
fn a_change_is_in_force_when_it_returns() {
    let table = Table::default();
    assert!(table.is_empty());
    table.apply(&stored("a", &[1, 2]));
    assert_eq!((look(&table, 1, 0), look(&table, 2, 0), look(&table, 3, 0)), ("asleep", "asleep", "unknown"));
    table.apply(&StoredKey { disabled: true, ..stored("a", &[1, 2]) });
    assert_eq!((look(&table, 1, 0), look(&table, 2, 0)), ("disabled", "disabled"));
    table.apply(&StoredKey { expires_ms: Some(100), ..stored("a", &[1, 2]) });
    assert_eq!((look(&table, 1, 99), look(&table, 1, 100)), ("asleep", "expired"));
    table.remove(&[1; 32]);
    table.remove(&[1; 32]);
    assert!(!table.is_empty());
    table.remove(&[2; 32]);
    assert!(table.is_empty() && look(&table, 1, 0) == "unknown");
}

#[test]
fn terms_that_many_keys_have_are_kept_once() {
    let mut filling = Filling::default();
    for number in 0..100 {
        let terms = if number == 0 { r#"{"budget":1}"# } else { "{}" };
        filling.add(KeyEntry { hash: [number; 32], id: 1, name: "a", terms, disabled: false, until_ms: None });
    }
    let (table, bounded) = filling.done(&["\"budget\""]);
    assert!(bounded);
    let terms = |hash: u8| match table.look(&[hash; 32], || 0, 1) {
        Look::Asleep(entry) => Arc::clone(&entry.terms),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&terms(5), &terms(99)) && !Arc::ptr_eq(&terms(0), &terms(99)));
}
