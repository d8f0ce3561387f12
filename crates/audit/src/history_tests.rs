use super::*;
use sluicegate_ledger::Rate;

#[test]
fn moments_are_read_in_all_their_forms() {
    for (text, expected) in [
        (r#""2026-11-21T10:00:05.250Z""#, 1_795_255_205.25),
        (r#""2026-11-21 10:00:05""#, 1_795_255_205.0),
        (r#""2026-11-21T12:00:05+02:00""#, 1_795_255_205.0),
        (r#""2026-11-21""#, 1_795_219_200.0),
        ("1795255205", 1_795_255_205.0),
        ("1795255205250", 1_795_255_205.25),
        (r#""1795255205""#, 1_795_255_205.0),
    ] {
        assert_eq!(moment(&serde_json::from_str(text).unwrap()), Some(expected), "{text}");
    }
    assert_eq!(moment(&Value::String("yesterday".to_owned())), None);
}

#[test]
fn a_log_gives_peaks_percentiles_errors_and_what_a_month_costs() {
    // Two calls a second for a minute, ten at once in the middle, one of twenty refused.
    let mut log = String::new();
    for i in 0..120 {
        let status = if i % 20 == 0 { 429 } else { 200 };
        let at = 1_795_255_200.0 + f64::from(i) / 2.0;
        log += &format!(
            "{{\"timestamp\":{at},\"model\":\"gpt-x\",\"status\":{status},\"usage\":{{\"prompt_tokens\":100,\"completion_tokens\":50}},\"duration_ms\":{}}}\n",
            400 + i
        );
    }
    for _ in 0..10 {
        log += "{\"timestamp\":1795255230.1,\"model\":\"gpt-x\",\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":50},\"duration_ms\":1000}\n";
    }
    log += "not json\n{\"model\":\"gpt-x\"}\n";
    let history = History::read(&log, None);
    assert_eq!((history.calls, history.unread), (130, 2));
    assert_eq!((history.input, history.output), (13_000, 6_500));
    assert_eq!(history.peak_calls_per_minute, 130);
    assert_eq!(history.peak_tokens_per_minute, 130 * 150);
    assert_eq!(history.calls_per_second.unwrap().1, 12);
    assert_eq!(history.peak_concurrency, Some(11));
    assert_eq!(history.errors, BTreeMap::from([(429, 6)]));
    let price = Price::flat("1".parse::<Rate>().unwrap(), "2".parse::<Rate>().unwrap());
    let monthly = history.monthly(&price).unwrap().nanos() as f64 / 1e9;
    assert!((monthly - 0.026 * MONTH / 59.5).abs() < 0.1, "{monthly}");
}

#[test]
fn exports_as_comma_separated_values_are_read_too() {
    let log = "start_time_iso,model,num_model_requests,input_tokens,output_tokens,note\r\n\
               2026-11-21T00:00:00Z,gpt-x,40,1000,200,\"a, \"\"b\"\"\"\r\n\
               2026-11-21T01:00:00Z,gpt-y,10,500,100,\r\n";
    let history = History::read(log, None);
    assert_eq!((history.calls, history.input, history.output, history.unread), (50, 1_500, 300, 0));
    assert_eq!(history.models.get("gpt-x"), Some(&40));
    assert_eq!(History::read(log, Some("gpt-y")).calls, 10);
}

#[test]
fn nothing_readable_is_no_history_and_no_panic() {
    for log in ["", "\n\n", "[", "{", "a,b\n1,2", "[1,2]", "\u{feff}{}"] {
        assert_eq!(History::read(log, None).calls, 0, "{log:?}");
    }
}
