use super::user;

#[test]
fn who_gives_an_order_is_known_without_a_variable_too() {
    for (set, expected) in [
        (&[("USER", "ada"), ("LOGNAME", "bob")][..], "ada"),
        (&[("USER", ""), ("LOGNAME", "bob")], "bob"),
        (&[("LOGNAME", "bob")], "bob"),
        (&[], "uid 1000"),
    ] {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(user(variable, 1_000), expected, "{set:?}");
    }
}
