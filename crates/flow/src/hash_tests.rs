use super::*;

#[test]
fn numbers_in_sequence_spread_over_parts_and_places() {
    let hash = |key: (u64, u64)| BuildHasherDefault::<NumberHasher>::default().hash_one(key);
    // By the bits that choose the part, the place and the tag within a map, of the ways in which sets are numbered.
    type Bits = fn(u64) -> u64;
    let bits: [Bits; 3] = [|hash| hash >> 32 & 255, |hash| hash & 255, |hash| hash >> 57];
    let numberings: [fn(u64) -> (u64, u64); 3] = [|n| (n << 8 | 3, 0), |n| (0, n), |n| (n << 8, n << 32)];
    for bits in bits {
        for numbering in numberings {
            let mut counts = std::collections::HashMap::new();
            (0..25_600).for_each(|number| *counts.entry(bits(hash(numbering(number)))).or_insert(0) += 1);
            let fair = 25_600 / if bits(u64::MAX) == 255 { 256 } else { 128 };
            let most = counts.values().max().copied().unwrap_or(0);
            assert!(most < fair * 2, "{most} of {fair}");
        }
    }
}

#[test]
fn a_key_always_belongs_to_the_same_part() {
    let shards = Shards::<parking_lot::Mutex<u64>>::new(16);
    (0..1000_u64).for_each(|key| *shards.of(&key).lock() += key);
    (0..1000_u64).for_each(|key| *shards.of(&key).lock() -= key);
    assert!(shards.iter().all(|part| *part.lock() == 0));
}
