use super::*;

fn new(name: &str, hash: u8) -> NewKey<'_> {
    NewKey { name, hash: [hash; 32], terms: r#"{"owner":"Ada"}"#, metadata: "{}", expires_ms: None }
}

fn entries(store: &KeyStore) -> Vec<(u8, String, bool, Option<i64>)> {
    let mut found = Vec::new();
    store.each(|entry| found.push((entry.hash[0], entry.name.to_owned(), entry.disabled, entry.until_ms))).unwrap();
    found.sort();
    found
}

#[test]
fn keys_are_found_again_after_a_start_and_only_their_hashes_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    assert!(KeyStore::open_existing(dir.path()).unwrap().is_none());
    KeyStore::open(dir.path()).unwrap().create(&[new("a", 1), new("b", 2)], 10).unwrap();
    let store = KeyStore::open_existing(dir.path()).unwrap().unwrap();
    assert_eq!(entries(&store), [(1, "a".to_owned(), false, None), (2, "b".to_owned(), false, None)]);
    let key = store.get("a").unwrap().unwrap();
    assert_eq!((key.created_ms, key.terms.as_str(), key.secrets.len()), (10, r#"{"owner":"Ada"}"#, 1));
    assert_eq!(store.list("a", 10).unwrap().iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_name_or_a_secret_belongs_to_one_key_and_what_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).unwrap();
    store.create(&[new("a", 1)], 1).unwrap();
    let taken = store.create(&[new("b", 2), new("a", 3)], 1).unwrap_err();
    assert!(matches!(taken, KeyStoreError::NameTaken(_)), "{taken}");
    let same = store.create(&[new("c", 1)], 1).unwrap_err();
    assert_eq!(same.to_string(), "this secret is known already: it is a secret of key a");
    assert_eq!(store.count().unwrap(), 1);
}

#[test]
fn a_rotated_secret_is_good_for_its_grace_and_never_longer_than_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).unwrap();
    store.create(&[new("a", 1)], 1).unwrap();
    store.rotate("a", [2; 32], Duration::from_millis(100), 1000).unwrap();
    let key = store.rotate("a", [3; 32], Duration::from_secs(1), 1050).unwrap();
    let secrets: Vec<_> = key.secrets.iter().map(|secret| (secret.hash[0], secret.until_ms)).collect();
    assert_eq!(secrets, [(3, None), (2, Some(2050)), (1, Some(1100))]);
    // What is over is forgotten at the next rotation.
    let key = store.rotate("a", [4; 32], Duration::ZERO, 2000).unwrap();
    assert_eq!(key.secrets.iter().map(|secret| secret.hash[0]).collect::<Vec<_>>(), [4, 3, 2]);
    store.expire("a", Some(1500), 2000).unwrap();
    assert!(entries(&store).iter().all(|(.., until)| *until == Some(1500)));
}

#[test]
fn a_key_is_switched_off_and_on_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::open(dir.path()).unwrap();
    store.create(&[new("a", 1)], 1).unwrap();
    assert!(store.disable("a", true, 2).unwrap().disabled);
    assert!(entries(&store)[0].2);
    assert!(!store.disable("a", false, 3).unwrap().disabled);
    assert_eq!(store.delete("a").unwrap().changed_ms, 3);
    assert!(entries(&store).is_empty());
    assert!(matches!(store.delete("a"), Err(KeyStoreError::Unknown(_))));
    store.create(&[new("a", 1)], 4).unwrap();
}
