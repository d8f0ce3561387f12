use super::*;
use std::collections::HashSet;

#[test]
fn words_that_look_alike_in_one_chunk_do_not_in_others() {
    // Among so many pairs some look alike in any chunk; none may do so everywhere.
    let words: Vec<u32> = (0..2000_u32).map(|number| Word::Key.hash(&number.to_le_bytes())).collect();
    let alike = |first: u64| -> HashSet<(u32, u32)> {
        let mut seen = std::collections::HashMap::new();
        words.iter().filter_map(|word| Some((seen.insert(cell(*word, first), *word)?, *word))).collect()
    };
    let chunks: Vec<_> = (0..50).map(|chunk| alike(7 + chunk * 4000)).collect();
    for (number, one) in chunks.iter().enumerate() {
        assert!((5..80).contains(&one.len()), "{} of 2000 look like another in chunk {number}", one.len());
        for other in &chunks[..number] {
            assert!(one.intersection(other).count() <= 1, "the same ones in two chunks");
        }
    }
}

#[test]
fn what_is_kept_of_a_word_is_what_it_always_was() {
    let key = Word::Key.hash(b"alice");
    assert_eq!((key, cell(key, 7), cell(key, 2007)), (0x3c75_e23c, 0x682f_u16.to_le_bytes(), 0xb193_u16.to_le_bytes()));
}
