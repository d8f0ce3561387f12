use super::*;
use crate::schema;
use proptest::prelude::*;
use std::time::Duration;

fn database(dir: &tempfile::TempDir) -> Connection {
    schema::calls(&dir.path().join("calls.db"), Duration::ZERO).unwrap()
}

/// The records of these tests have two words, which are all of their bytes and the first of them.
const WORDS: &[Word; 2] = &[Word::Key, Word::Model];

fn hashes(bytes: &[u8]) -> [u32; 2] {
    [Word::Key.hash(bytes), Word::Model.hash(bytes.get(..1).unwrap_or_default())]
}

/// Writes records, whose bytes are their words, as chunks of so many.
fn write(database: &mut Connection, records: &[(u64, Vec<u8>)], each: usize) {
    let transaction = database.transaction().unwrap();
    for some in records.chunks(each) {
        let mut chunk = Chunk::new(WORDS, Vec::new());
        for (record, bytes) in some {
            chunk.push(*record, bytes, &hashes(bytes));
        }
        chunk.write(&transaction).unwrap();
    }
    transaction.commit().unwrap();
}

fn all(database: &Connection, since: u64, word: Option<&[u8]>) -> Vec<(u64, Vec<u8>)> {
    let words: Vec<_> = word.iter().map(|word| (Word::Key, Word::Key.hash(word))).collect();
    with(database, since, &words)
}

/// The records from a number on that seem to have some words.
fn with(database: &Connection, since: u64, words: &[(Word, u32)]) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    let mut see = |record, bytes: &[u8]| {
        seen.push((record, bytes.to_vec()));
        Ok(ControlFlow::Continue(()))
    };
    oldest(database, since, words, &mut see).unwrap();
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn records_come_back_in_their_order_however_they_are_cut_and_put_together(
        steps in prop::collection::vec((1..50_u64, prop::collection::vec(any::<u8>(), 0..4)), 1..60),
        count in prop_oneof![1..60_usize, 60..2500_usize],
        each in prop_oneof![1..20_usize, 20..600_usize],
        place in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut database = database(&dir);
        let mut number = 0;
        let records: Vec<(u64, Vec<u8>)> = steps.into_iter().cycle().take(count).map(|(step, bytes)| {
            number += step;
            (number, bytes)
        }).collect();
        write(&mut database, &records, each);
        for round in 0..2 {
            let from = place.index(usize::try_from(number).unwrap()) as u64;
            let since: Vec<_> = records.iter().filter(|(record, _)| *record >= from).cloned().collect();
            prop_assert_eq!(all(&database, from, None), since);
            let mut before = Vec::new();
            let mut see = |record, bytes: &[u8]| {
                before.push((record, bytes.to_vec()));
                Ok(ControlFlow::Continue(()))
            };
            newest(&database, from, &[], &mut see).unwrap();
            before.reverse();
            prop_assert_eq!(before, records.iter().filter(|(record, _)| *record < from).cloned().collect::<Vec<_>>());
            let word = &records[place.index(records.len())].1;
            let [key, model] = hashes(word);
            for asked in [&[(Word::Key, key)][..], &[(Word::Model, model), (Word::Key, key)]] {
                let seen = with(&database, 0, asked);
                prop_assert!(seen.is_sorted());
                let wanted: Vec<_> = records.iter().filter(|(_, bytes)| bytes == word).collect();
                prop_assert!(wanted.iter().all(|record| seen.binary_search(record).is_ok()), "in round {}", round);
            }
            gather(&mut database, WORDS, hashes).unwrap();
        }
    }

    #[test]
    fn no_chunk_is_too_odd_to_be_read(bytes: Vec<u8>) {
        let _ = entries(7, &bytes);
    }
}

#[test]
fn two_words_that_every_chunk_has_and_no_call_together_lead_to_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = database(&dir);
    // A hundred keys, each for one of fifty models: all of them are in every chunk.
    let record = |number: u64| (number, vec![(number % 50) as u8, (number % 100) as u8]);
    let records: Vec<_> = (1..=3000).map(record).collect();
    write(&mut database, &records, 500);
    let key = (Word::Key, hashes(&[7, 7])[0]);
    let for_model = |model: u8| with(&database, 0, &[key, (Word::Model, hashes(&[model])[1])]);
    assert_eq!(for_model(7).iter().filter(|(record, _)| record % 100 == 7).count(), 30);
    let in_vain = for_model(8);
    assert!(in_vain.len() < 10, "{} of 3000 are read", in_vain.len());
}

#[test]
fn a_chunk_with_a_filter_and_without_columns_is_read_whatever_its_size() {
    // As days are that were written before there were columns.
    let mut database = Connection::open_in_memory().unwrap();
    database.execute_batch(TABLES).unwrap();
    let mut chunk = Chunk::new(WORDS, Vec::new());
    let records: Vec<(u64, Vec<u8>)> = (1..=300).map(|record| (record, vec![(record % 7) as u8])).collect();
    for (record, bytes) in &records {
        chunk.push(*record, bytes, &hashes(bytes));
    }
    let transaction = database.transaction().unwrap();
    transaction.execute("INSERT INTO chunks VALUES (1, 300, 300, ?1)", [&chunk.records]).unwrap();
    transaction.execute("INSERT INTO words VALUES (1, ?1)", [filter(&chunk.hashes)]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(all(&database, 0, Some(&[3])), records);
    assert_eq!(all(&database, 0, Some(&[9])), []);
}

#[test]
fn a_word_that_is_not_there_is_seldom_taken_for_one_that_is() {
    let word = |number: u32| (Word::Request, Word::Request.hash(&number.to_le_bytes()));
    let words: Vec<u32> = (0..4096).map(|number| word(number).1).collect();
    let bits = filter(&words);
    assert!((0..4096).all(|number| may_have(&bits, &[word(number)])));
    let others = (10_000..30_000).filter(|number| may_have(&bits, &[word(*number)]));
    let taken = others.count();
    assert!(taken < 60, "{taken} of 20000");
}

#[test]
fn small_chunks_are_put_together_until_they_are_not_small() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = database(&dir);
    let records: Vec<(u64, Vec<u8>)> = (1..=3000_u64).map(|record| (record, record.to_le_bytes().to_vec())).collect();
    write(&mut database, &records, 10);
    let sizes = |database: &Connection| -> Vec<i64> {
        let mut query = database.prepare("SELECT calls FROM chunks ORDER BY first").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(sizes(&database).len(), 300);
    gather(&mut database, WORDS, hashes).unwrap();
    let together = sizes(&database);
    assert_eq!(together[..2], [1030, 1030]);
    assert_eq!(together.iter().sum::<i64>(), 3000);
    assert_eq!(all(&database, 0, None), records);
    assert_eq!(
        all(&database, 0, Some(&2000_u64.to_le_bytes())).iter().filter(|(record, _)| *record == 2000).count(),
        1
    );
    gather(&mut database, WORDS, |_| panic!("nothing is left to put together")).unwrap();
}

#[test]
fn what_was_written_before_a_kill_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = database(&dir);
    let records: Vec<(u64, Vec<u8>)> = (1..=30).map(|record| (record, vec![7])).collect();
    write(&mut database, &records, 10);
    let transaction = database.transaction().unwrap();
    cut(&transaction, WORDS, 11).unwrap();
    transaction.commit().unwrap();
    assert_eq!(all(&database, 0, None), records[..10]);
    write(&mut database, &records[10..], 7);
    assert_eq!(all(&database, 0, None), records);
}
