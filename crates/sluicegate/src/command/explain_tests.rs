use super::*;

#[test]
fn wrapping_keeps_every_word_and_no_line_is_too_long() {
    for entry in EXPLANATIONS {
        let text = wrapped(entry.text);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.split_whitespace().eq(entry.text.split_whitespace()));
    }
}

#[test]
fn a_word_longer_than_a_line_stands_alone() {
    let long = "x".repeat(WIDTH + 5);
    assert_eq!(wrapped(&format!("a {long} b")), format!("a\n{long}\nb"));
}
