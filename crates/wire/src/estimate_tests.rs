use super::*;
use proptest::prelude::*;

#[test]
fn each_script_has_its_own_weight() {
    let weight = |character: char| tokens(&character.to_string().repeat(1200));
    assert_eq!(weight('e'), 300);
    assert_eq!(weight('7'), 400);
    assert_eq!(weight('{'), 600);
    assert_eq!(weight('\u{434}'), 600, "Cyrillic");
    assert_eq!(weight('\u{5929}'), 1200, "Han");
    assert_eq!(weight('\u{ac00}'), 1200, "Hangul");
    assert_eq!(weight(' '), 100);
}

#[test]
fn prose_is_near_a_token_for_four_letters() {
    let text = "The harbour master wrote down the time, the wind and the name of the ship, as on every other day.";
    let words = text.split(' ').count() as u64;
    assert!((words..=words * 3 / 2 + 2).contains(&tokens(text)), "{} for {words} words", tokens(text));
}

#[test]
fn nothing_is_no_tokens_and_something_is_some() {
    assert_eq!((tokens(""), tokens_in_bytes(0)), (0, 0));
    assert_eq!((tokens("a"), tokens_in_bytes(1)), (1, 1));
    assert_eq!(tokens_in_bytes(usize::MAX), (usize::MAX as u64).div_ceil(4));
}

proptest! {
    #[test]
    fn more_text_is_never_fewer_tokens(a in ".{0,40}", b in ".{0,40}") {
        let joined = tokens(&format!("{a}{b}"));
        prop_assert!(joined >= tokens(&a));
        prop_assert!(joined <= tokens(&a) + tokens(&b) + 1);
    }
}
