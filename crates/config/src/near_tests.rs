use super::*;

#[test]
fn what_a_person_would_have_meant_is_found_and_nothing_else() {
    let names = ["requests_per_minute", "requests_per_hour", "burst_multiplier", "rpm", "limits"];
    for (text, expected) in [
        ("requests_per_minut", Some("requests_per_minute")),
        ("LIMIT", Some("limits")),
        ("burst", Some("burst_multiplier")),
        ("requests", None),
        ("bur", None),
        ("temperature", None),
        ("", None),
    ] {
        assert_eq!(nearest(text, names), expected, "{text}");
    }
}
