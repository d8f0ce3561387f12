use super::*;
use proptest::prelude::*;

/// A text of so many bytes with one of interest in it.
fn with(length: usize, at: usize, byte: u8) -> Vec<u8> {
    let mut text = vec![b'x'; length];
    text[at] = byte;
    text
}

#[test]
fn a_stop_is_found_at_every_place_in_a_text_of_any_length() {
    for length in 1..3 * SHORT {
        for at in 0..length {
            for byte in [b'"', b'\\'] {
                assert_eq!(until_quote(&with(length, at, byte)), at, "{length}");
                assert_eq!(plain(&with(length, at, byte)), (at, false), "{length}");
            }
            for byte in [0, b'\n', 0x1f] {
                assert_eq!(until_quote(&with(length, at, byte)), length);
                assert_eq!(plain(&with(length, at, byte)), (at, false), "{length}");
            }
            for byte in [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f] {
                assert_eq!(plain(&with(length, at, byte)), (length, false));
            }
            for byte in [0x80, 0xa2, 0xdc, 0xff] {
                assert_eq!(until_quote(&with(length, at, byte)), length);
                assert_eq!(plain(&with(length, at, byte)), (length, true), "{byte:x} at {at} of {length}");
            }
        }
    }
}

#[test]
fn digits_are_a_number_and_nothing_else_is() {
    for (text, number) in [
        ("0", Some(0)),
        ("17", Some(17)),
        ("9999999999999999999", Some(9_999_999_999_999_999_999)),
        ("18446744073709551615", None),
        ("", None),
        ("-1", None),
        ("1.0", None),
        ("1e3", None),
        ("12x", None),
    ] {
        assert_eq!(digits(text.as_bytes()), number, "{text}");
    }
}

proptest! {
    #[test]
    fn what_was_looked_at_before_is_walked_to_the_same_places(said in prop::collection::vec("[a\"\\\\\n\u{e9}]{0,80}", 1..5)) {
        let text = serde_json::to_vec(&said).unwrap();
        let strings = |mut scanner: Scanner<'_>| {
            let mut found = Vec::new();
            let walked = scanner.array(|scanner| {
                found.push(scanner.said()?.map(|said| said.to_vec()));
                Ok::<_, Refusal>(())
            });
            walked.map(|()| (found, scanner.position())).unwrap()
        };
        let (found, end) = strings(Scanner::again(&text, 8));
        prop_assert_eq!((&found, end), (&strings(Scanner::new(&text, 8)).0, text.len()));
        let found: Vec<_> = found.into_iter().map(|said| String::from_utf8(said.unwrap()).unwrap()).collect();
        prop_assert_eq!(found, said);
    }

    #[test]
    fn strings_end_where_a_plain_loop_says(text in prop::collection::vec(prop_oneof![
        8 => b' '..=b'~',
        1 => any::<u8>(),
    ], 0..200)) {
        let quote = text.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(text.len());
        prop_assert_eq!(until_quote(&text), quote);
        let end = text[..quote].iter().position(|byte| *byte < 0x20).unwrap_or(quote);
        let (length, high) = plain(&text);
        prop_assert_eq!(length, end);
        // At a control character the text is refused whatever else is in it.
        prop_assert!(end < quote || high == text[..end].iter().any(|byte| *byte >= 0x80));
    }
}
