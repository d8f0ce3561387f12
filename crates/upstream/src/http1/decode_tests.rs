use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// What a decoder makes of pieces: the body, whether it has ended well, and the bytes that were left over.
fn decode(framing: Framing, pieces: &[&[u8]]) -> (Vec<u8>, Result<bool, String>, usize) {
    let mut decoder = Decoder::new(framing);
    let mut body = Vec::new();
    let mut left = 0;
    for piece in pieces {
        let mut buffer = piece.to_vec();
        let decoded = decoder.decode(&mut buffer);
        assert!(decoded.used == piece.len() || decoder.is_done() || decoder.check().is_err());
        body.extend_from_slice(&buffer[decoded.data]);
        left += piece.len() - decoded.used;
    }
    (body, decoder.check().map(|()| decoder.is_done()).map_err(|error| error.to_string()), left)
}

fn chunked(text: &str) -> (String, Result<bool, String>, usize) {
    let (body, done, left) = decode(Framing::Chunked, &[text.as_bytes()]);
    (String::from_utf8(body).unwrap(), done, left)
}

#[test]
fn a_length_is_a_length() {
    assert_eq!(decode(Framing::Length(3), &[b"ab", b"cde"]), (b"abc".to_vec(), Ok(true), 2));
    assert_eq!(decode(Framing::Length(0), &[b"ab"]), (Vec::new(), Ok(true), 2));
    assert_eq!(decode(Framing::Length(u64::MAX), &[b"ab"]), (b"ab".to_vec(), Ok(false), 0));
}

#[test]
fn chunks_are_joined_and_what_is_around_them_is_read_over() {
    let ok = |text: &str| (text.to_owned(), Ok(true), 0);
    assert_eq!(chunked("3\r\nabc\r\nA;name=\"v\"\r\n0123456789\r\n0\r\n\r\n"), ok("abc0123456789"));
    assert_eq!(chunked("0003 \t\r\nabc\r\n000;x\r\nexpires: never\r\nb: c\r\n\r\n"), ok("abc"));
    assert_eq!(chunked("1\r\na\r\n0\r\n\r\nHTTP/1.1"), ("a".to_owned(), Ok(true), 8));
}

#[test]
fn malformed_chunks_are_told_after_what_came_before_them() {
    for (text, body, word) in [
        ("2\r\nab\r\nx\r\n", "ab", "no size"),
        ("\r\n", "", "no size"),
        ("2\r\nabc\r\n", "ab", "longer"),
        ("2\nab", "", "not a number"),
        ("2x\r\nab", "", "not a number"),
        ("2\rx", "", "line end"),
        ("2;a\nab", "", "bare line feed"),
        ("11111111111111111\r\n", "", "too large"),
        ("0\r\na: b\n", "", "bare line feed"),
        ("0\r\na: b\rx", "", "trailer is malformed"),
        ("0\r\n\rx", "", "trailer is malformed"),
    ] {
        let (read, done, _) = chunked(text);
        assert_eq!(read, body, "{text:?}");
        assert!(done.as_ref().is_err_and(|error| error.contains(word)), "{text:?}: {done:?}");
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let long = "x".repeat(MAX_ASIDE as usize + 1);
    assert!(chunked(&format!("1;{long}\r\na\r\n")).1.unwrap_err().contains("extension is too long"));
    assert!(chunked(&format!("0\r\n{long}\r\n\r\n")).1.unwrap_err().contains("trailers are too long"));
    let many = "a: b\r\n".repeat(MAX_ASIDE as usize / 4 + 1);
    assert!(chunked(&format!("0\r\n{many}\r\n")).1.unwrap_err().contains("trailers are too long"));
}

#[test]
fn a_body_that_ends_early_has_not_ended() {
    let end = |framing, bytes: &[u8]| {
        let mut decoder = Decoder::new(framing);
        decoder.decode(&mut bytes.to_vec());
        decoder.end().map(|()| decoder.is_done())
    };
    assert!(matches!(end(Framing::Length(2), b"a"), Err(BodyError::Truncated)));
    for cut in ["", "1", "1\r\n", "1\r\na", "1\r\na\r\n", "1\r\na\r\n0", "1\r\na\r\n0\r\n", "1\r\na\r\n0\r\n\r"] {
        assert!(matches!(end(Framing::Chunked, cut.as_bytes()), Err(BodyError::Truncated)), "{cut:?}");
    }
    assert!(matches!(end(Framing::Chunked, b"x"), Err(BodyError::Malformed(_))));
    assert!(end(Framing::UntilClose, b"").unwrap() && end(Framing::UntilClose, b"a").unwrap());
    assert!(end(Framing::Length(1), b"a").unwrap() && end(Framing::Chunked, b"0\r\n\r\n").unwrap());
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![(0..100_u64).prop_map(Framing::Length), Just(Framing::Chunked), Just(Framing::UntilClose)]
}

proptest! {
    #[test]
    fn chunks_go_round(pieces in vec(vec(any::<u8>(), 1..300), 0..8), cut in 1..400_usize, pad in 0..4_usize) {
        let mut wire = Vec::new();
        for piece in &pieces {
            wire.extend_from_slice(format!("{}{:x};x\r\n", "0".repeat(pad), piece.len()).as_bytes());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let cuts: Vec<&[u8]> = wire.chunks(cut).collect();
        prop_assert_eq!(decode(Framing::Chunked, &cuts), (pieces.concat(), Ok(true), 0));
    }

    #[test]
    fn any_cut_of_any_bytes_gives_the_same_body(
        framing in framing(),
        bytes in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'2'), Just(b'0'), Just(b';'), any::<u8>()], 0..200),
        cut in 1..50_usize,
    ) {
        let cuts: Vec<&[u8]> = bytes.chunks(cut).collect();
        let (body, done, _) = decode(framing, &cuts);
        let (whole, whole_done, left) = decode(framing, &[&bytes]);
        prop_assert_eq!((&body, &done), (&whole, &whole_done));
        prop_assert!(body.len() + left <= bytes.len());
    }
}
