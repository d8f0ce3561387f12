use super::*;
use proptest::prelude::*;

fn variables(name: &str) -> Option<String> {
    match name {
        "A" => Some("one".to_owned()),
        "B_2" => Some("two".to_owned()),
        "EMPTY" => Some(String::new()),
        "TRICK" => Some("${A}".to_owned()),
        _ => None,
    }
}

#[test]
fn references_are_replaced_wherever_they_stand() {
    for (text, expected) in [
        ("${A}", "one"),
        ("x ${A}-${B_2} y", "x one-two y"),
        ("${NO:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${NO:-}", ""),
        ("${A:?needed}", "one"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ {A}", "$A $ {A}"),
        ("", ""),
        ("é${A}é", "éoneé"),
    ] {
        assert_eq!(expand(text, &variables), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_a_variable_holds_is_not_expanded_again() {
    assert_eq!(expand("${TRICK}", &variables), Ok("${A}".to_owned()));
}

#[test]
fn an_unset_variable_is_an_error_and_never_empty() {
    for text in ["${NO}", "x${NO}", "${NO:?say so}", "${EMPTY:?say so}"] {
        let mistake = expand(text, &variables).unwrap_err();
        assert_eq!(mistake.diagnostic().code, codes::UNSET_VARIABLE, "{text}");
    }
}

#[test]
fn a_reference_that_cannot_be_read_is_an_error() {
    for text in ["${", "${A", "${}", "${A-b}", "${1A}", "${A:b}", "${A:}", "${ A }", "${a b}", "${${A}}"] {
        let mistake = expand(text, &variables).unwrap_err();
        assert_eq!(mistake.diagnostic().code, codes::BAD_INTERPOLATION, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_expanded_or_refused_without_panic(text in ".{0,80}") {
        let _ = expand(&text, &variables);
    }

    #[test]
    fn texts_made_of_the_syntax_do_not_panic(text in "[${}:?\\-AB_2 é]{0,40}") {
        let _ = expand(&text, &variables);
    }

    #[test]
    fn text_without_references_is_unchanged(text in "[^$]{0,60}") {
        prop_assert_eq!(expand(&text, &variables), Ok(text));
    }
}
