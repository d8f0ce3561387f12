use super::*;
use proptest::prelude::*;
use sluicegate_vocabulary::{Usage, UsageSource};

struct Run {
    out: Vec<u8>,
    end: StreamEnd,
    tap: Tap,
}

fn run_pieces<'a>(endpoint: Endpoint, hide: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Run {
    let mut tap = Tap::new(endpoint, hide).unwrap();
    let mut out = Out::new();
    for piece in pieces {
        if tap.feed(Bytes::copy_from_slice(piece), &mut out).is_err() {
            break;
        }
    }
    let end = tap.finish(&mut out);
    Run { out: out.concat(), end, tap }
}

fn run(endpoint: Endpoint, hide: bool, text: &str) -> Run {
    run_pieces(endpoint, hide, [text.as_bytes()])
}

fn reported(input: u64, output: u64) -> Option<Usage> {
    Some(Usage { input, output, source: UsageSource::Reported, ..Usage::default() })
}

const ROLE: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}],\"usage\":null}\n\n";
const TEXT: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi \\\"usage\\\": 1\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const FINISH: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn chat_stream() -> String {
    [ROLE, TEXT, FINISH, USAGE, DONE].concat()
}

#[test]
fn a_stream_goes_on_in_the_very_same_buffers() {
    let mut tap = Tap::new(Endpoint::ChatCompletions, false).unwrap();
    for text in [ROLE, TEXT, ": ping\n\n", FINISH, USAGE, DONE] {
        let chunk = Bytes::from(text);
        let mut out = Out::new();
        tap.feed(chunk.clone(), &mut out).unwrap();
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].as_ptr(), out[0].len()), (chunk.as_ptr(), chunk.len()), "{text}");
    }
    assert_eq!(tap.finish(&mut Out::new()), StreamEnd::Complete);
    assert_eq!(tap.usage(), reported(3, 4));
}

#[test]
fn a_carriage_return_in_an_events_name_ends_its_line_however_the_stream_is_cut() {
    let first = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";
    for name in ["a\r\rb", "a\rb", "a\r"] {
        let text = format!("{first}event: {name}\ndata: {{not JSON}}\n\n");
        let whole = run(Endpoint::Responses, false, &text);
        let cut = run_pieces(Endpoint::Responses, false, [first.as_bytes(), &text.as_bytes()[first.len()..]]);
        assert_eq!((cut.out, cut.end), (whole.out, whole.end), "{name:?}");
        assert_eq!(cut.tap.error(), whole.tap.error());
    }
}

#[test]
fn tokens_and_events_are_noticed_when_they_come() {
    let mut tap = Tap::new(Endpoint::ChatCompletions, false).unwrap();
    let mut out = Out::new();
    tap.feed(Bytes::from_static(b": keep-alive\n\n\n\n"), &mut out).unwrap();
    assert!(!tap.first_event());
    tap.feed(Bytes::from(ROLE), &mut out).unwrap();
    assert!(tap.first_event() && !tap.first_token());
    tap.feed(Bytes::from(TEXT), &mut out).unwrap();
    assert!(tap.first_token());
    for (endpoint, event) in [
        (Endpoint::ChatCompletions, "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"),
        (Endpoint::ChatCompletions, "data:{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n"),
        (Endpoint::Completions, "data: {\"choices\":[{\"text\":\"x\",\"finish_reason\":null}]}\n\n"),
        (Endpoint::Messages, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{}}\n\n"),
        (Endpoint::Messages, "data: {\"type\":\"content_block_delta\",\"delta\":{}}\n\n"),
        (Endpoint::Responses, "event: response.output_text.delta\ndata: {\"delta\":\"x\"}\n\n"),
        (Endpoint::GenerateStream, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\r\n\r\n"),
    ] {
        assert!(run(endpoint, false, event).tap.first_token(), "{event}");
    }
    let ping = run(Endpoint::Messages, false, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
    assert!(!ping.tap.first_event());
}

#[test]
fn only_the_usage_chunk_is_hidden() {
    let run_hidden = |text: &str| String::from_utf8(run(Endpoint::ChatCompletions, true, text).out).unwrap();
    assert_eq!(run_hidden(&chat_stream()), [ROLE, TEXT, FINISH, DONE].concat());
    let azure = "data: {\"choices\":[],\"prompt_filter_results\":[],\"usage\":null}\n\n";
    let groq = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\n";
    let late = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n";
    let all = [azure, groq, late, DONE].concat();
    assert_eq!(run_hidden(&all), all);
    let shown = run(Endpoint::ChatCompletions, false, &chat_stream());
    assert_eq!(shown.out, chat_stream().into_bytes());
    let hidden = run(Endpoint::ChatCompletions, true, &chat_stream());
    assert_eq!(hidden.tap.usage(), reported(3, 4), "hidden, not lost");
    assert_eq!(hidden.end, StreamEnd::Complete);
}

#[test]
fn a_hidden_chunk_is_hidden_at_every_cut() {
    let text = chat_stream();
    let wanted = [ROLE, TEXT, FINISH, DONE].concat();
    for cut in 0..=text.len() {
        let (a, b) = text.as_bytes().split_at(cut);
        let Run { out, end, tap } = run_pieces(Endpoint::ChatCompletions, true, [a, b]);
        assert_eq!(String::from_utf8(out).unwrap(), wanted, "cut at {cut}");
        assert_eq!((end, tap.usage()), (StreamEnd::Complete, reported(3, 4)));
    }
}

#[test]
fn an_end_without_the_closing_mark_is_truncation_in_every_format() {
    let messages = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n";
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let responses = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n";
    let completed = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":5}}}\n\n";
    let incomplete = completed.replace("completed", "incomplete");
    let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":2}}\r\n\r\n";
    let last =
        "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"candidatesTokenCount\":5}}\r\n\r\n";
    let image = "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":9,\"output_tokens\":5}}\n\n";
    for (endpoint, text, end) in [
        (Endpoint::ChatCompletions, [ROLE, TEXT].concat(), StreamEnd::Truncated),
        (Endpoint::ChatCompletions, [ROLE, TEXT, FINISH].concat(), StreamEnd::Complete),
        (Endpoint::ChatCompletions, [ROLE, TEXT, DONE].concat(), StreamEnd::Complete),
        (Endpoint::ChatCompletions, String::new(), StreamEnd::Truncated),
        (Endpoint::Messages, messages.to_owned(), StreamEnd::Truncated),
        (Endpoint::Messages, [messages, stop].concat(), StreamEnd::Complete),
        (Endpoint::Responses, responses.to_owned(), StreamEnd::Truncated),
        (Endpoint::Responses, [responses, DONE].concat(), StreamEnd::Truncated),
        (Endpoint::Responses, [responses, completed].concat(), StreamEnd::Complete),
        (Endpoint::Responses, [responses, &incomplete].concat(), StreamEnd::Complete),
        (Endpoint::GenerateStream, gemini.to_owned(), StreamEnd::Truncated),
        (Endpoint::GenerateStream, [gemini, last].concat(), StreamEnd::Complete),
        (
            Endpoint::GenerateStream,
            "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n".into(),
            StreamEnd::Complete,
        ),
        (Endpoint::Images, image.to_owned(), StreamEnd::Complete),
    ] {
        let Run { end: found, tap, out } = run(endpoint, false, &text);
        assert_eq!(found, end, "{text}");
        assert_eq!(String::from_utf8(out).unwrap(), text);
        if end == StreamEnd::Complete && endpoint != Endpoint::ChatCompletions && tap.usage().is_some() {
            let pictures = || reported(9, 0).map(|usage| Usage { output_image: 5, ..usage });
            let expected = if endpoint == Endpoint::Images { pictures() } else { reported(9, 5) };
            assert_eq!(tap.usage(), expected, "{text}");
        }
    }
}

#[test]
fn half_an_event_never_goes_on() {
    let text = [ROLE, TEXT].concat();
    for cut in 0..text.len() {
        let Run { out, end, .. } = run_pieces(Endpoint::ChatCompletions, false, [&text.as_bytes()[..cut]]);
        assert_eq!(end, StreamEnd::Truncated);
        let out = String::from_utf8(out).unwrap();
        let whole = |event: &str, end: usize| if cut + 2 >= end { event.to_owned() } else { String::new() };
        assert_eq!(out, whole(ROLE, ROLE.len()) + &whole(TEXT, text.len()), "cut at {cut}");
        assert!(out.is_empty() || out.ends_with("\n\n"), "cut at {cut}: {out}");
    }
}

#[test]
fn a_last_event_without_its_blank_line_is_given_one() {
    let text = [ROLE, TEXT, FINISH, "data: [DONE]"].concat();
    for (tail, end) in [("", "\n\n"), ("\n", "\n")] {
        let text = format!("{text}{tail}");
        let Run { out, end: found, .. } = run(Endpoint::ChatCompletions, false, &text);
        assert_eq!(found, StreamEnd::Complete);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{text}{end}"));
    }
}

#[test]
fn what_follows_the_closing_mark_does_not_go_on() {
    let text = [TEXT, FINISH, DONE].concat();
    let Run { out, end, tap } =
        run(Endpoint::ChatCompletions, false, &format!("{text}data: {{\"late\":1}}\n\ngarbage"));
    assert_eq!(String::from_utf8(out).unwrap(), text);
    assert!(end == StreamEnd::Complete && tap.closed());
}

#[test]
fn a_providers_error_ends_the_stream_and_is_told_scrubbed() {
    let cases = [
        (
            Endpoint::ChatCompletions,
            "data: {\"error\":{\"message\":\"slow down, org-ABC12345\",\"type\":\"rate_limit_error\",\"code\":\"slow_down\"}}\n\n",
            FaultKind::UpstreamRateLimited,
        ),
        (
            Endpoint::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            FaultKind::UpstreamOverloaded,
        ),
        (
            Endpoint::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"sequence_number\":1}\n\n",
            FaultKind::UpstreamBroken,
        ),
        (
            Endpoint::Responses,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"m\"}}}\n\n",
            FaultKind::UpstreamBroken,
        ),
        (
            Endpoint::GenerateStream,
            "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n",
            FaultKind::UpstreamOverloaded,
        ),
    ];
    for (endpoint, event, kind) in cases {
        let Run { out, end, tap } = run(endpoint, false, &[event, event].concat());
        assert_eq!(end, StreamEnd::Failed, "{event}");
        assert_eq!(tap.error().unwrap().kind, kind, "{event}");
        assert!(tap.error_told());
        assert_eq!(String::from_utf8(out).unwrap(), event.replace("org-ABC12345", "[redacted]"));
    }
    let null = "data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(run(Endpoint::ChatCompletions, false, null).end, StreamEnd::Complete);
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\": 1\",\"error\":{\"a\":1}},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(run(Endpoint::ChatCompletions, false, text).end, StreamEnd::Complete, "not at the top level");
}

#[test]
fn an_error_of_the_operators_account_is_not_told_in_the_providers_words() {
    let event =
        "data: {\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}\n\n";
    let Run { out, tap, .. } = run(Endpoint::ChatCompletions, false, &[TEXT, event].concat());
    assert_eq!(String::from_utf8(out).unwrap(), TEXT);
    assert!(!tap.error_told());
    assert_eq!(tap.error().unwrap().kind, FaultKind::UpstreamAuth);
}

#[test]
fn a_bare_json_error_is_an_error() {
    let good = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";
    let bare = "{\r\n  \"error\": {\r\n    \"code\": 503,\r\n    \"message\": \"m\",\r\n    \"status\": \"UNAVAILABLE\"\r\n  }\r\n}\r\n";
    for text in [[good, bare].concat(), [good, bare, "\r\n"].concat()] {
        let Run { out, end, tap } = run(Endpoint::GenerateStream, false, &text);
        assert_eq!(end, StreamEnd::Failed);
        assert_eq!(tap.error().unwrap().kind, FaultKind::UpstreamOverloaded);
        assert!(!tap.error_told());
        assert_eq!(String::from_utf8(out).unwrap(), good);
    }
}

#[test]
fn an_event_that_is_no_json_ends_the_stream_and_does_not_go_on() {
    for event in ["data: oops\n\n", "data: {\"choices\":[{\"delta\"\n\n", "data: {\"error\":{\"m}}\n\n"] {
        let Run { out, end, tap } = run(Endpoint::ChatCompletions, false, &[TEXT, event, DONE].concat());
        assert_eq!(String::from_utf8(out).unwrap(), TEXT, "{event}");
        assert_eq!(end, StreamEnd::Failed);
        assert_eq!(tap.error().unwrap().kind, FaultKind::UpstreamBroken);
        assert!(!tap.error_told());
    }
}

#[test]
fn odd_framing_goes_on_as_it_is() {
    for text in [
        "data:{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}  \r\n\r\n",
        ": c\rdata: {\"choices\":[{\"delta\":{\"content\":\"a\"},\r\ndata: \"finish_reason\":\"stop\"}]}\r\r",
        "\n\n: x\n\nid: 4\nretry: 5\ndata: {\"choices\":[{\"finish_reason\":\"eos\"}]}\n\n",
    ] {
        let Run { out, end, .. } = run(Endpoint::ChatCompletions, false, text);
        assert_eq!(String::from_utf8(out).unwrap(), text);
        assert_eq!(end, StreamEnd::Complete, "{text:?}");
    }
    let marked = run(Endpoint::ChatCompletions, false, &["\u{feff}", TEXT, FINISH].concat());
    assert_eq!(String::from_utf8(marked.out).unwrap(), [TEXT, FINISH].concat());
}

#[test]
fn an_event_over_the_limit_is_a_fault() {
    let mut tap = Tap::with_limit(Endpoint::ChatCompletions, false, 100).unwrap();
    let mut out = Out::new();
    let mut result = Ok(());
    for _ in 0..20 {
        result = result.and_then(|()| tap.feed(Bytes::from_static(b"data: 0123456789"), &mut out));
    }
    assert_eq!(result.unwrap_err().kind, FaultKind::UpstreamBroken);
    assert!(out.is_empty());
}

#[test]
fn usage_in_odd_places_counts_once() {
    let groq = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}}\n\n";
    assert_eq!(run(Endpoint::ChatCompletions, false, groq).tap.usage(), reported(3, 4));
    let cumulative: String = (1..=4)
        .map(|n| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}}}}],\"usage\": {{\"prompt_tokens\":3,\"completion_tokens\":{n}}}}}\n\n"))
        .collect();
    assert_eq!(run(Endpoint::ChatCompletions, false, &cumulative).tap.usage(), reported(3, 4));
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<Vec<u8>> = [
        ROLE,
        TEXT,
        FINISH,
        USAGE,
        DONE,
        ": c\n\n",
        "\r",
        "\n",
        "\r\n",
        "data: ",
        "{\"a\":1}",
        "event: ping\n",
        "\u{feff}",
        "{\n\"error\":{}}\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8}}\r\n\r\n",
        ": alone\r",
        "x",
        "data: {\"b\":2}\r\r",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    prop::collection::vec(prop::sample::select(pieces), 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn any_cut_gives_the_same_stream(bytes in any_stream(), hide in any::<bool>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        for endpoint in [Endpoint::ChatCompletions, Endpoint::Messages, Endpoint::GenerateStream] {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let whole = run_pieces(endpoint, hide, [&bytes[..]]);
            let cut = run_pieces(endpoint, hide, at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
            let single = run_pieces(endpoint, hide, bytes.chunks(1));
            for other in [cut, single] {
                prop_assert_eq!(String::from_utf8_lossy(&other.out), String::from_utf8_lossy(&whole.out));
                prop_assert_eq!(other.end, whole.end);
                prop_assert_eq!(other.tap.usage(), whole.tap.usage());
                prop_assert_eq!(other.tap.first_token(), whole.tap.first_token());
                prop_assert_eq!(other.tap.events, whole.tap.events);
            }
        }
    }

    #[test]
    fn tap_and_decoder_see_the_same_events(bytes in any_stream()) {
        // A second mark is text that makes a line no field; without the first it would be one.
        prop_assume!(!bytes.starts_with("\u{feff}\u{feff}".as_bytes()));
        let run = run_pieces(Endpoint::ChatCompletions, false, [&bytes[..]]);
        let decode = |bytes: &[u8]| {
            let mut decoder = sse::Decoder::new();
            decoder.push(bytes);
            let mut events = Vec::new();
            while let Some(event) = decoder.next().unwrap() {
                events.push(event.data.to_owned());
            }
            while let Some(event) = decoder.finish().unwrap() {
                events.push(event.data.to_owned());
            }
            events
        };
        let (before, after) = (decode(&bytes), decode(&run.out));
        prop_assert!(before.starts_with(&after), "{:?} {:?}", before, after);
    }
}

#[test]
fn what_a_stream_searched_for_before_it_broke_is_known_in_every_format() {
    let cited = "data: {\"choices\":[{\"index\":0,\"delta\":{\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"https://example.com\"}}]}}]}\n\n";
    let called = "event: response.web_search_call.completed\ndata: {\"type\":\"response.web_search_call.completed\",\"item_id\":\"ws_1\"}\n\n";
    let block = |name: &str| {
        format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"content_block\":{{\"type\":\"server_tool_use\",\"name\":\"{name}\"}}}}\n\n"
        )
    };
    let grounded = "data: {\"candidates\":[{\"groundingMetadata\":{\"webSearchQueries\":[\"a\",\"b\",\"\"]}}]}\r\n\r\n";
    for (endpoint, text, seen) in [
        (Endpoint::ChatCompletions, [ROLE, TEXT, cited].concat(), 1),
        (Endpoint::ChatCompletions, [cited, TEXT, cited].concat(), 1),
        (Endpoint::ChatCompletions, [ROLE, TEXT].concat(), 0),
        (Endpoint::Responses, [called, called].concat(), 2),
        (Endpoint::Messages, [block("web_search"), block("code_execution"), block("web_search")].concat(), 2),
        (Endpoint::GenerateStream, [grounded, grounded].concat(), 2),
    ] {
        for piece in 1..=3 {
            let mut tap = Tap::new(endpoint, false).unwrap().citing();
            let mut out = Out::new();
            for piece in text.as_bytes().chunks(text.len().div_ceil(piece)) {
                tap.feed(Bytes::copy_from_slice(piece), &mut out).unwrap();
            }
            assert_eq!(tap.searches_seen(), seen, "{endpoint:?} in {piece}: {text}");
            assert_eq!(tap.usage(), None, "nobody has told");
        }
    }
}

#[test]
fn citations_are_looked_for_only_where_somebody_wants_to_know() {
    let cited = "data: {\"choices\":[{\"delta\":{\"annotations\":[{\"url_citation\":{}}]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
    for (tap, searches) in [
        (Tap::new(Endpoint::ChatCompletions, false).unwrap(), 0),
        (Tap::new(Endpoint::ChatCompletions, false).unwrap().citing(), 1),
    ] {
        let mut tap = tap;
        tap.feed(Bytes::from(cited), &mut Out::new()).unwrap();
        assert_eq!(tap.usage(), reported(3, 4).map(|usage| Usage { web_searches: searches, ..usage }));
    }
}
