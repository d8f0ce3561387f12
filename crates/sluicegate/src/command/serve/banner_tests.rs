use super::*;

#[test]
fn a_key_is_never_shown_whole_nor_nearly() {
    assert_eq!(masked("sk-proj-abcdefghijklmnop9fQ2"), "sk-…9fQ2");
    assert_eq!(masked("shortkey"), "(set)");
    assert_eq!(masked(""), "(set)");
    assert_eq!(masked("ключключключключключ"), "клю…ключ");
}
