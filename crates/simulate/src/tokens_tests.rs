use super::*;
use proptest::prelude::*;

#[test]
fn a_token_is_a_word_with_the_blanks_before_it() {
    assert_eq!(pieces("Hello  big world ").collect::<Vec<_>>(), ["Hello", "  big", " world", " "]);
    assert_eq!(pieces("simulation").collect::<Vec<_>>(), ["simulati", "on"]);
    assert_eq!(count(""), 0);
    assert_eq!(image(Some((1, 1))), 255);
    assert_eq!(image(Some((1024, 513))), 85 + 4 * 170);
}

proptest! {
    #[test]
    fn the_pieces_joined_are_the_text(text in "\\PC{0,200}") {
        prop_assert_eq!(pieces(&text).collect::<String>(), text);
    }

    #[test]
    fn a_cut_has_the_tokens_it_says(text in "[a-zé ]{0,80}", limit in 0u64..20) {
        let (kept, taken) = cut(&text, limit);
        prop_assert_eq!(count(kept), taken);
        prop_assert_eq!(taken, count(&text).min(limit));
    }
}
