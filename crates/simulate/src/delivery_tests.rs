use super::*;

const AT_ONCE: Pace = Pace { ttft: Duration::ZERO, tps: 0 };

fn script(format: Format) -> Script {
    let mut script = Script::new(format, 0);
    for n in 0..5 {
        script.event(None, &serde_json::json!({ "n": n }), 1);
    }
    script
}

fn sent(steps: &[Step]) -> String {
    let bytes: Vec<u8> = steps
        .iter()
        .filter_map(|step| if let Step::Send(bytes) = step { Some(bytes.to_vec()) } else { None })
        .flatten()
        .collect();
    String::from_utf8(bytes).unwrap()
}

fn run(orders: &Orders) -> Vec<Step> {
    stream(script(Format::Chat), orders, AT_ONCE, "req")
}

#[test]
fn without_orders_the_events_leave_as_they_are() {
    let steps = run(&Orders::default());
    assert_eq!(steps.len(), 5);
    assert_eq!(
        sent(&steps),
        "data: {\"n\":0}\n\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: {\"n\":3}\n\ndata: {\"n\":4}\n\n"
    );
}

#[test]
fn the_pace_is_that_of_the_tokens_after_the_first() {
    let pace = Pace { ttft: Duration::from_secs(1), tps: 10 };
    let pauses: Vec<Duration> = stream(script(Format::Chat), &Orders::default(), pace, "req")
        .into_iter()
        .filter_map(|step| if let Step::Pause(time) = step { Some(time) } else { None })
        .collect();
    assert_eq!(pauses.iter().sum::<Duration>(), pace.whole(5));
    assert_eq!(pauses.len(), 5);
    assert_eq!(AT_ONCE.whole(1_000_000), Duration::ZERO);
}

#[test]
fn each_fault_strikes_at_the_event_it_names() {
    let truncated = run(&Orders { truncate: Some(2), ..Orders::default() });
    assert_eq!(sent(&truncated), "data: {\"n\":0}\n\ndata: {\"n\":1}\n\n");
    let error = sent(&run(&Orders { error_in_stream: Some(1), ..Orders::default() }));
    assert!(error.starts_with("data: {\"n\":0}\n\ndata: {\"error\":{") && error.matches("data:").count() == 2);
    let malformed = sent(&run(&Orders { malformed: Some(2), ..Orders::default() }));
    assert!(malformed.contains("data: {\n\n"), "{malformed}");
    let reset = run(&Orders { reset: Some(1), ..Orders::default() });
    assert_eq!(reset.last(), Some(&Step::Break(true)));
    let stall = run(&Orders { stall: Some((Duration::from_secs(9), 1)), ..Orders::default() });
    assert_eq!(stall[1], Step::Pause(Duration::from_secs(9)));
    assert!(run(&Orders { empty: true, ..Orders::default() }).is_empty());
}

#[test]
fn forms_of_writing_change_no_event() {
    let plain = sent(&run(&Orders::default()));
    assert_eq!(sent(&run(&Orders { split: true, ..Orders::default() })), plain);
    assert_eq!(sent(&run(&Orders { crlf: true, ..Orders::default() })), plain.replace('\n', "\r\n"));
    let alive = sent(&run(&Orders { keepalive: true, ..Orders::default() }));
    assert_eq!(alive.replace(COMMENT, ""), plain);
    assert_eq!(alive.matches(COMMENT).count(), 5);
}

#[test]
fn every_compressed_event_can_be_read_when_it_arrives() {
    use std::io::Read as _;
    let steps = run(&Orders { gzip: true, ..Orders::default() });
    let Step::Send(first) = &steps[0] else { panic!("the first step sends") };
    let mut text = [0; 14];
    flate2::read::GzDecoder::new(&first[..]).read_exact(&mut text).unwrap();
    assert_eq!(&text[..13], b"data: {\"n\":0}");
}
