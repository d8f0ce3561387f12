use super::*;

#[test]
fn a_dated_version_is_the_model_that_was_asked_for_and_a_smaller_one_is_not() {
    for (asked, said, same) in [
        ("gpt-x", "gpt-x", true),
        ("gpt-x", "gpt-x-2026-05-13", true),
        ("openai/gpt-x", "gpt-x", true),
        ("gpt-x", "sim/gpt-x", true),
        ("gpt-x-2026-05-13", "gpt-x", true),
        ("gpt-x", "gpt-x-mini", false),
        ("gpt-4", "gpt-4o", false),
        ("gpt-x", "", false),
    ] {
        assert_eq!(is_same_model(asked, said), same, "{asked} {said}");
    }
}
