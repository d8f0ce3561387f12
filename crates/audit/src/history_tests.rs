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
    assert_eq!((history.calls, history.unread), (Some(130), 2));
    assert_eq!((history.input, history.output), (13_000, 6_500));
    assert_eq!(history.peak_calls_per_minute, Some(130));
    assert_eq!(history.peak_tokens_per_minute, Some(130 * 150));
    assert_eq!(history.calls_per_second.unwrap().1, Some(12));
    assert_eq!(history.peak_concurrency, Some(11));
    assert_eq!(history.errors, Some(BTreeMap::from([(429, 6)])));
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
    assert_eq!((history.calls, history.input, history.output, history.unread), (Some(50), 1_500, 300, 0));
    assert_eq!(history.models.get("gpt-x"), Some(&40));
    assert_eq!(History::read(log, Some("gpt-y")).calls, Some(10));
}

#[test]
fn what_came_at_once_is_not_known_from_lines_of_a_day() {
    let log = "start_time,end_time,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens\n\
               1795046400,1795132800,gpt-x,4000,3000000,600000,1000000\n\
               1795132800,1795219200,gpt-x,2000,1000000,200000,0\n";
    let history = History::read(log, None);
    assert_eq!((history.calls, history.seconds), (Some(6_000), 2.0 * 86_400.0));
    assert_eq!((history.peak_calls_per_minute, history.peak_tokens_per_minute), (None, None));
    assert_eq!(history.calls_per_second.map(|(_, busiest)| busiest), Some(None));
    let price = Price::flat("1".parse::<Rate>().unwrap(), "2".parse::<Rate>().unwrap());
    let monthly = history.monthly(&price).unwrap().nanos() as f64 / 1e9;
    assert!((monthly - 15.0 * (4.0 + 1.6)).abs() < 1e-6, "{monthly}");
    // Lines of a minute tell it.
    let log = "start_time,end_time,model,num_model_requests,input_tokens,output_tokens\n\
               1795046400,1795046460,gpt-x,40,3000,600\n1795046460,1795046520,gpt-x,20,1000,200\n";
    let history = History::read(log, None);
    assert_eq!((history.peak_calls_per_minute, history.peak_tokens_per_minute), (Some(40), Some(3_600)));
}

#[test]
fn pages_of_periods_are_read_and_calls_that_nobody_counts_are_not_known() {
    let openai = r#"{"object":"page","data":[{"object":"bucket","start_time":1795046400,"end_time":1795132800,"results":[
        {"object":"organization.usage.completions.result","input_tokens":900,"output_tokens":100,"num_model_requests":9,"model":"gpt-x"},
        {"object":"organization.usage.completions.result","input_tokens":50,"output_tokens":10,"num_model_requests":1,"model":"gpt-y"}]},
        {"object":"bucket","start_time":1795132800,"end_time":1795219200,"results":[]}],"has_more":false}"#;
    let anthropic = r#"{"data":[{"starting_at":"2026-11-18T00:00:00Z","ending_at":"2026-11-19T00:00:00Z","results":[
        {"uncached_input_tokens":100,"cache_creation":{"ephemeral_1h_input_tokens":10,"ephemeral_5m_input_tokens":20},
         "cache_read_input_tokens":70,"output_tokens":30,"model":"claude-x"}]}],"has_more":false}"#;
    let export = "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,\
                  usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n\
                  2026-11-18,claude-x,100,20,10,70,30\n";
    let one_line = openai.replace('\n', " ");
    for (log, calls, input, output, model) in [
        (openai, Some(10), 950, 110, "gpt-y"),
        (&*one_line, Some(10), 950, 110, "gpt-y"),
        (anthropic, None, 200, 30, "claude-x"),
        (export, None, 200, 30, "claude-x"),
    ] {
        let history = History::read(log, None);
        assert_eq!((history.calls, history.input, history.output), (calls, input, output), "{log}");
        assert_eq!((history.unread, history.seconds, history.models.get(model)), (0, 86_400.0, Some(&1)), "{log}");
        assert_eq!((history.peak_tokens_per_minute, &history.errors), (None, &None), "{log}");
        assert_eq!(history.calls_per_second.is_some(), calls.is_some(), "{log}");
    }
}

#[test]
fn nothing_readable_is_no_history_and_no_panic() {
    for log in ["", "\n\n", "[", "{", "a,b\n1,2", "[1,2]", "\u{feff}{}"] {
        assert_eq!(History::read(log, None).lines, 0, "{log:?}");
    }
}

/// What `serve` writes to standard error: what a person is told, calls, and what happened beside them.
#[test]
fn a_log_is_read_from_among_other_lines() {
    let call = |second: u32| {
        format!(
            "{{\"ts\":\"2026-11-22T10:01:{second:02}.966Z\",\"model\":\"smart\",\"status\":200,\"upstream_model\":\"sim\",\
             \"usage\":{{\"source\":\"reported\",\"input\":8,\"output\":38}},\"ms\":{{\"total\":59.4}}}}\n"
        )
    };
    let log = format!(
        "sluicegate 0.1.0 · listening on http://127.0.0.1:8080, loopback only\n\n  Stop        Ctrl-C\n\n{}{}{}",
        call(10),
        "{\"timestamp\":\"2026-11-22T10:01:12Z\",\"level\":\"WARN\",\"fields\":{\"message\":\"m started\"},\"target\":\"notice\"}\n",
        call(14)
    );
    let history = History::read(&log, None);
    assert_eq!((history.calls, history.input, history.output, history.unread), (Some(2), 16, 76, 3));
}
