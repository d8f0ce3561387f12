use super::*;
use proptest::prelude::*;

type Owned = (Option<String>, String);

fn decode_cut(pieces: &[&[u8]]) -> Vec<Owned> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    let own = |event: Event<'_>| (event.name.map(str::to_owned), event.data.to_owned());
    for piece in pieces {
        decoder.push(piece);
        while let Some(event) = decoder.next().unwrap() {
            events.push(own(event));
        }
    }
    while let Some(event) = decoder.finish().unwrap() {
        events.push(own(event));
    }
    events
}

fn data(text: &str) -> Vec<String> {
    decode_cut(&[text.as_bytes()]).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn lines_end_at_lf_cr_and_crlf() {
    for end in ["\n", "\r", "\r\n"] {
        assert_eq!(data(&format!("data: a{end}{end}data: b{end}{end}")), ["a", "b"], "{end:?}");
    }
    assert_eq!(data("data: a\r\n\ndata: b\n\r\ndata: c\r\n\r\n"), ["a", "b", "c"]);
}

#[test]
fn an_event_ended_by_a_carriage_return_is_given_without_waiting_for_a_line_feed() {
    let mut decoder = Decoder::new();
    decoder.push(b"data: a\r\n\r");
    assert_eq!(decoder.next().unwrap().unwrap().data, "a");
    decoder.push(b"\ndata: b\r\n\r\n");
    assert_eq!(decoder.next().unwrap().unwrap().data, "b");
    assert_eq!(decoder.next().unwrap(), None);
}

#[test]
fn unicode_separators_and_form_feeds_are_text() {
    let text = "a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f";
    assert_eq!(data(&format!("data: {text}\n\n")), [text]);
}

#[test]
fn one_byte_order_mark_is_skipped_and_one_space_stripped() {
    assert_eq!(data("\u{feff}data:  a\n\ndata:b\n\n"), [" a", "b"]);
    assert_eq!(data("data: a\n\n\u{feff}data: b\n\n"), ["a"], "only at the start");
}

#[test]
fn data_lines_are_joined_and_events_without_data_are_none() {
    assert_eq!(data("data: a\ndata: b\n\n"), ["a\nb"]);
    assert_eq!(data("event: ping\n\nid: 7\n\nretry: 9\n\ndata\n\ndata:\n\n: note\n\ndata: x\n\n"), ["x"]);
}

#[test]
fn a_name_belongs_to_its_own_event_only() {
    let events = decode_cut(&[b"event: lost\n\nevent: one\ndata: 1\n\ndata: 2\n\n"]);
    assert_eq!(events, [(Some("one".to_owned()), "1".to_owned()), (None, "2".to_owned())]);
}

#[test]
fn comments_and_unknown_fields_inside_an_event_do_not_matter() {
    assert_eq!(data(": keep-alive\n\ndata: a\n: in between\nfoo: bar\n{\ndata: b\n\n"), ["a\nb"]);
}

#[test]
fn bare_json_is_an_event_of_its_own() {
    let error = "{\n  \"error\": {\n    \"message\": \"a \\\"{ b\"\n  }\n}";
    assert_eq!(data(&format!("data: {{\"ok\":1}}\r\n\r\n{}\r\n", error.replace('\n', "\r\n"))), ["{\"ok\":1}", error]);
    assert_eq!(data(error), [error], "without a last line end");
    assert_eq!(data("{\"error\":\"x\"}\n{\"b\":2}\n"), ["{\"error\":\"x\"}", "{\"b\":2}"]);
    assert_eq!(data("[{\n\n\"a\":1\n}]\n"), ["[{\n\"a\":1\n}]"], "blank lines inside are none of ours");
    assert_eq!(data("<html>\n<body>\n\n"), Vec::<String>::new());
}

#[test]
fn an_event_left_open_by_the_end_is_given_by_finish() {
    assert_eq!(data("data: a\n\ndata: b"), ["a", "b"]);
    assert_eq!(data("data: a\n\ndata: b\n"), ["a", "b"]);
    assert_eq!(data("{\"a\":"), ["{\"a\":"], "an open bracket too; the reader finds it is no JSON");
}

#[test]
fn bytes_that_are_not_utf8_become_replacement_characters() {
    assert_eq!(decode_cut(&[b"data: a\xFFb\n\n"]), [(None, "a\u{fffd}b".to_owned())]);
}

#[test]
fn an_event_over_the_limit_is_a_fault_however_it_is_cut() {
    for size in [1, 7, 200] {
        let mut decoder = Decoder::with_limit(64);
        let text = format!("data: {}\n\n", "x".repeat(100));
        let mut failed = false;
        for piece in text.as_bytes().chunks(size) {
            decoder.push(piece);
            failed |= decoder.next().is_err();
        }
        assert!(failed, "{size}");
    }
    let mut decoder = Decoder::with_limit(64);
    for _ in 0..20 {
        decoder.push(b"data: 0123456789\n");
        if let Err(fault) = decoder.next() {
            assert_eq!(fault.kind, FaultKind::UpstreamBroken);
            return;
        }
    }
    panic!("many small lines make a large event too");
}

#[test]
fn encoded_events_read_back() {
    let mut out = Vec::new();
    encode(Some("message_stop"), b"{}", &mut out);
    encode(None, b"a\nb\r\nc", &mut out);
    encode_comment("ping\nx", &mut out);
    encode_gemini(b"{\"g\":1}", &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "event: message_stop\ndata: {}\n\ndata: a\ndata: b\ndata: c\n\n: ping x\n\ndata: {\"g\":1}\r\n\r\n"
    );
    let events = decode_cut(&[&out]);
    assert_eq!(events.len(), 3);
    assert_eq!(events[0].0.as_deref(), Some("message_stop"));
    assert_eq!(events[1].1, "a\nb\nc");
}

/// Bytes made of the pieces that matter to the decoder.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 17] = [
        b"data: ",
        b"data:",
        b"event: x",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b": c",
        b"{\"a\":",
        b"\"}\\",
        b"}",
        b"\xEF\xBB\xBF",
        "\u{2028}\u{e9}".as_bytes(),
        b"\xC3",
        b"[DONE]",
        b"id: 1",
        b" ",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_cut_gives_the_same_events(bytes in streams(), cuts in prop::collection::vec(0usize..200, 0..12)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let whole = decode_cut(&[&bytes]);
        prop_assert_eq!(decode_cut(&pieces), whole.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode_cut(&single), whole);
    }

    #[test]
    fn what_is_encoded_is_decoded(texts in prop::collection::vec("[!-~\u{2028}é][ -~\u{2028}é\n]{0,30}", 1..6)) {
        let mut out = Vec::new();
        for text in &texts {
            encode(Some("e"), text.as_bytes(), &mut out);
        }
        let read: Vec<String> = decode_cut(&[&out]).into_iter().map(|(_, data)| data).collect();
        prop_assert_eq!(read, texts);
    }
}
