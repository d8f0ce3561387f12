use super::*;
use crate::schema;
use proptest::prelude::*;
use std::time::Duration;

fn database(dir: &tempfile::TempDir) -> Connection {
    schema::calls(&dir.path().join("calls.db"), Duration::ZERO).unwrap()
}

/// Writes records, whose bytes are their words, as chunks of so many.
fn write(database: &mut Connection, records: &[(u64, Vec<u8>)], each: usize) {
    let transaction = database.transaction().unwrap();
    for some in records.chunks(each) {
        let mut chunk = Chunk::default();
        for (record, bytes) in some {
            chunk.push(*record, bytes);
            chunk.add(Word::Key.hash(bytes));
        }
        chunk.write(&transaction).unwrap();
    }
    transaction.commit().unwrap();
}

fn all(database: &Connection, since: u64, word: Option<&[u8]>) -> Vec<(u64, Vec<u8>)> {
    let words: Vec<u32> = word.iter().map(|word| Word::Key.hash(word)).collect();
    let mut seen = Vec::new();
    let mut see = |record, bytes: &[u8]| {
        seen.push((record, bytes.to_vec()));
        Ok(ControlFlow::Continue(()))
    };
    oldest(database, since, &words, &mut see).unwrap();
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn records_come_back_in_their_order_however_they_are_cut_and_put_together(
        steps in prop::collection::vec((1..50_u64, prop::collection::vec(any::<u8>(), 0..4)), 1..60),
        each in 1..20_usize,
        place in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut database = database(&dir);
        let mut number = 0;
        let records: Vec<(u64, Vec<u8>)> = steps.into_iter().map(|(step, bytes)| {
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
            let with_word = all(&database, 0, Some(word));
            for record in records.iter().filter(|(_, bytes)| bytes == word) {
                prop_assert!(with_word.contains(record), "in round {}", round);
            }
            gather(&mut database, |bytes, chunk| chunk.add(Word::Key.hash(bytes))).unwrap();
        }
    }

    #[test]
    fn no_chunk_is_too_odd_to_be_read(bytes: Vec<u8>) {
        let _ = entries(7, &bytes);
    }
}

#[test]
fn a_word_that_is_not_there_is_seldom_taken_for_one_that_is() {
    let words: Vec<u32> = (0..4096_u32).map(|number| Word::Request.hash(&number.to_le_bytes())).collect();
    let bits = filter(&words);
    assert!(words.iter().all(|word| may_have(&bits, &[*word])));
    let others = (10_000..30_000_u32).filter(|number| may_have(&bits, &[Word::Request.hash(&number.to_le_bytes())]));
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
    gather(&mut database, |bytes, chunk| chunk.add(Word::Key.hash(bytes))).unwrap();
    let together = sizes(&database);
    assert_eq!(together[..2], [1030, 1030]);
    assert_eq!(together.iter().sum::<i64>(), 3000);
    assert_eq!(all(&database, 0, None), records);
    assert_eq!(
        all(&database, 0, Some(&2000_u64.to_le_bytes())).iter().filter(|(record, _)| *record == 2000).count(),
        1
    );
    gather(&mut database, |_, _| panic!("nothing is left to put together")).unwrap();
}

#[test]
fn what_was_written_before_a_kill_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = database(&dir);
    let records: Vec<(u64, Vec<u8>)> = (1..=30).map(|record| (record, vec![7])).collect();
    write(&mut database, &records, 10);
    let transaction = database.transaction().unwrap();
    cut(&transaction, 11).unwrap();
    transaction.commit().unwrap();
    assert_eq!(all(&database, 0, None), records[..10]);
    write(&mut database, &records[10..], 7);
    assert_eq!(all(&database, 0, None), records);
}
