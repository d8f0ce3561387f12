use super::*;

#[test]
fn what_looks_like_a_secret_is_covered_even_when_the_text_is_not_yaml() {
    for (text, expected) in [
        ("value: hunter2 # x\n", "value: ******* # x\n"),
        ("{ api_key: abc, name: x", "{ api_key: ***, name: x"),
        ("'value' : abc", "'value' : ***"),
        ("value: ${K}", "value: ${K}"),
        ("value: '${K}'", "value: '${K}'"),
        ("value_env: K", "value_env: K"),
        ("revalue: x", "revalue: x"),
        ("anything sk-abc_1-2 here", "anything sk-******* here"),
        ("url: https://h/?k=AIzaSyX", "url: https://h/?k=AIza***"),
    ] {
        assert_eq!(secrets_in_text(text), expected);
    }
}

#[test]
fn covering_keeps_every_byte_in_its_place() {
    let text = "value: \"schlüssel\" # ü\nnext: 1\n";
    let covered = secrets_in_text(text);
    assert_eq!(covered.len(), text.len());
    assert_eq!(covered.find("next"), text.find("next"));
    assert!(!covered.contains("schl"));
}
