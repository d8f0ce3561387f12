use super::*;

#[test]
fn the_variable_is_read_as_its_own_client_reads_it() {
    for (variable, means) in [
        ("", "127.0.0.1:11434"),
        ("  ", "127.0.0.1:11434"),
        ("0.0.0.0", "127.0.0.1:11434"),
        ("0.0.0.0:9999", "127.0.0.1:9999"),
        (":9999", "127.0.0.1:9999"),
        ("http://box:1/", "box:1"),
        ("http://box", "box:11434"),
        ("[::1]", "[::1]:11434"),
        ("[::1]:5", "[::1]:5"),
        ("[::]:5", "127.0.0.1:5"),
        ("box:what", "box:11434"),
    ] {
        assert_eq!(address(variable).as_deref(), Some(means), "{variable:?}");
    }
    assert_eq!(address("https://box"), None);
}
