use super::*;

#[test]
fn the_same_seed_and_text_give_the_same_digest_for_ever() {
    let mut digest = Digest::new(42);
    digest.absorb(b"hello, world");
    let mut other = Digest::new(42);
    other.absorb(b"hello, ");
    other.absorb(b"world");
    assert_ne!(digest, other, "where one text ends and the next begins counts");
    let mut again = Digest::new(42);
    again.absorb(b"hello, world");
    assert_eq!(digest.value(), again.value());
    assert_eq!(id("call_", digest, 24), id("call_", again, 24));
    assert_eq!(id("call_", digest, 24).len(), 29);
}

#[test]
fn a_seal_fits_only_what_it_was_made_for() {
    assert_eq!(seal(1, &["a", "b"]), seal(1, &["a", "b"]));
    assert_ne!(seal(1, &["a", "b"]), seal(1, &["ab"]));
    assert_ne!(seal(1, &["a"]), seal(2, &["a"]));
}
