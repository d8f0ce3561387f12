use super::*;

#[test]
fn every_text_says_that_it_is_simulated_and_what_was_asked() {
    let text = answer("  Who are you?", &[], &[], Digest::new(1), None);
    assert!(text.starts_with("This is a simulated answer from Sluicegate"));
    assert!(text.contains("“Who are you?”"), "{text}");
    assert_eq!(text, answer("Who are you?", &[], &[], Digest::new(1), None));
    let others: std::collections::BTreeSet<_> =
        (0..40).map(|seed| answer("Who are you?", &[], &[], Digest::new(seed), None)).collect();
    assert!(others.len() > 30, "the digest decides the words");
}

#[test]
fn the_ordered_length_is_exact() {
    for wanted in [0, 1, 5, 50, 3000] {
        let text = answer("hi", &[], &[], Digest::new(9), Some(wanted));
        assert_eq!(tokens::count(&text), u64::from(wanted));
    }
}

#[test]
fn a_long_question_is_quoted_in_part_and_never_inside_a_character() {
    let text = answer(&"水".repeat(100), &[], &[], Digest::new(9), None);
    assert!(text.contains(&"水".repeat(40)) && !text.contains(&"水".repeat(41)));
}
