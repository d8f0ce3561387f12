use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A file with these batches, and where each of them ends.
fn file(batches: &[Vec<Vec<u8>>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = [MAGIC, 7_u64.to_le_bytes()].concat();
    let ends = batches.iter().map(|records| {
        let mut batch = Vec::new();
        records.iter().for_each(|record| frame(&mut batch, |out| out.extend_from_slice(record)));
        seal(&mut batch, 0);
        bytes.extend_from_slice(&batch);
        bytes.len()
    });
    let ends = ends.collect();
    (bytes, ends)
}

fn scanned(bytes: &[u8]) -> Result<Scan, StoreError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(path(dir.path(), 7), bytes).unwrap();
    scan(dir.path(), 7)
}

fn batches() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    vec(vec(vec(any::<u8>(), 1..40), 1..5), 1..5)
}

proptest! {
    /// Wherever a kill or a loss of power has cut it, what counts are whole batches, and all before the cut.
    #[test]
    fn a_batch_counts_as_a_whole_or_not_at_all(batches in batches(), cut in 16_usize..600, zeros in 0_usize..20) {
        let (mut bytes, ends) = file(&batches);
        bytes.truncate(cut);
        let kept = bytes.len();
        bytes.resize(kept + zeros, 0);
        let whole = ends.iter().filter(|end| **end <= kept).count();
        let scan = scanned(&bytes).unwrap();
        prop_assert_eq!(scan.records as usize, batches.iter().take(whole).map(Vec::len).sum::<usize>());
        prop_assert_eq!(scan.end as usize, if whole == 0 { 16 } else { ends[whole - 1] });
    }

    #[test]
    fn a_byte_that_is_not_as_it_was_ends_what_counts_at_its_batch(batches in batches(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let (mut bytes, ends) = file(&batches);
        let at = HEAD as usize + at.index(bytes.len() - HEAD as usize);
        bytes[at] ^= flip;
        let scan = scanned(&bytes).unwrap();
        prop_assert!(scan.torn);
        prop_assert_eq!(scan.records as usize, batches.iter().zip(&ends).filter(|(_, end)| **end <= at).map(|(batch, _)| batch.len()).sum::<usize>());
    }

    #[test]
    fn what_is_written_is_read_in_pieces_of_any_size(batches in batches(), piece in 60_usize..200) {
        let (bytes, _) = file(&batches);
        let (mut at, mut read) = (HEAD as usize, Vec::new());
        while at < bytes.len() {
            let (records, used) = records(&bytes[at..bytes.len().min(at + piece)]);
            prop_assert!(used > 0);
            read.extend(records.into_iter().map(<[u8]>::to_vec));
            at += used;
        }
        prop_assert_eq!(read, batches.concat());
    }
}

#[test]
fn a_file_of_another_version_is_not_taken_for_a_torn_one() {
    let (mut bytes, _) = file(&[vec![b"one".to_vec()]]);
    bytes[7] = 1;
    assert!(matches!(scanned(&bytes), Err(StoreError::OtherVersion(_))));
}

#[test]
fn what_waits_long_is_sealed_in_parts() {
    let mut bytes = Vec::new();
    let mut sealed = 0;
    for part in 0..3_u8 {
        for _ in 0..4 {
            frame(&mut bytes, |out| out.extend_from_slice(&[part; 100]));
        }
        seal(&mut bytes, sealed);
        sealed = bytes.len();
    }
    let file = [[MAGIC, 7_u64.to_le_bytes()].concat(), bytes].concat();
    assert_eq!(scanned(&file).unwrap().records, 12);
    assert_eq!(scanned(&file[..file.len() - 1]).unwrap().records, 8);
}
