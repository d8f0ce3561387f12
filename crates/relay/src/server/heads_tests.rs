use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// One request as it travels, and whether its head gives its body two lengths.
fn request() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let body = prop_oneof![
        Just(b"content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
        vec(any::<u8>(), 0..200),
    ];
    let end = prop_oneof![Just("\r\n"), Just("\n")];
    let upper = any::<bool>();
    (body, end, upper, 0..4, vec(1..40_usize, 0..6)).prop_map(|(body, end, upper, kind, cuts)| {
        let name = |name: &str| if upper { name.to_ascii_uppercase() } else { name.to_owned() };
        let length = format!("{}:  {} {end}", name("content-length"), body.len());
        let chunked = format!("{}: chunked{end}", name("transfer-encoding"));
        let head = |headers: &str| {
            format!("POST /x HTTP/1.1{end}x-content-length: 3{end}te: trailers{end}{headers}{end}").into_bytes()
        };
        let chunks = || {
            let mut out = Vec::new();
            let mut rest = body.as_slice();
            for cut in &cuts {
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                if !chunk.is_empty() {
                    out.extend_from_slice(format!("{:X};a=b\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                rest = after;
            }
            out.extend_from_slice(b"0\r\ncontent-length: 5\r\n\r\n");
            out
        };
        match kind {
            0 => ([head(&length), body.clone()].concat(), false),
            1 => ([head(&chunked), chunks()].concat(), false),
            2 => (head(""), false),
            _ => ([head(&format!("{length}{chunked}")), chunks()].concat(), true),
        }
    })
}

proptest! {
    #[test]
    fn the_head_with_two_lengths_is_found_wherever_it_stands_and_no_other(
        requests in vec(request(), 1..6),
        cuts in vec(1..60_usize, 0..80),
    ) {
        let expected = requests.iter().any(|(_, ambiguous)| *ambiguous);
        let bytes: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let (mut heads, mut found, mut rest) = (Heads::default(), 0, bytes.as_slice());
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            found += usize::from(heads.is_ambiguous(now));
            rest = later;
        }
        prop_assert_eq!(found, usize::from(expected));
    }

    #[test]
    fn nothing_that_arrives_makes_it_panic_or_keep_much(parts in vec(vec(any::<u8>(), 0..300), 0..20)) {
        let mut heads = Heads::default();
        for part in parts {
            heads.is_ambiguous(&part);
            prop_assert!(heads.cut.len() <= KEPT);
        }
    }
}

#[test]
fn a_length_that_is_no_number_is_as_bad_as_two() {
    for length in ["+4", "4, 4", "0x4", "", "99999999999999999999999"] {
        let head = format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n");
        assert!(Heads::default().is_ambiguous(head.as_bytes()), "{length}");
    }
}

#[test]
fn a_number_whose_end_was_not_kept_is_not_believed() {
    let zeros = "0".repeat(KEPT + 2);
    for (first, second) in [
        (format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{zeros}"), "400\r\n"),
        (format!("POST / HTTP/1.1\r\ncontent-length: {zeros}"), "400\r\n\r\n"),
    ] {
        let mut heads = Heads::default();
        assert!(!heads.is_ambiguous(first.as_bytes()));
        assert!(heads.is_ambiguous(second.as_bytes()), "{first}");
    }
}
