use super::*;

#[test]
fn made_ids_differ_and_are_kept_as_they_are() {
    let a = CallId::from_random(1);
    let b = CallId::from_random(2);
    assert_ne!(a, b);
    assert_eq!(CallId::from_client(a.as_str()), Some(a));
}

#[test]
fn ids_that_could_forge_a_log_line_are_not_kept() {
    for bad in ["", "a b", "a\nb", "\u{e9}", &"x".repeat(129)] {
        assert_eq!(CallId::from_client(bad), None, "{bad:?}");
    }
}

#[test]
fn config_version_prints_six_digits() {
    assert_eq!(ConfigVersion(0x3f_9c2a).to_string(), "3f9c2a");
    assert_eq!(ConfigVersion(1).to_string(), "000001");
}
