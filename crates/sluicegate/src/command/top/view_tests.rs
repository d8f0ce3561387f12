use super::*;
use crate::command::providers::tests::page;
use crate::command::quota::tests::flow;
use crate::command::words::tests::limit;
use sluicegate_control::{AlertLevel, FlowCaller};

fn busy() -> Picture {
    let mut full = limit("key:web-app", 600, 12);
    full.waiting = 41;
    full.oldest_wait_ms = 2300;
    let mut flow =
        flow(vec![full, limit("endpoint:/chat/completions", 5000, 3200), limit("overall:overall", 10_000, 9000)]);
    flow.in_flight = 57;
    flow.waiting.calls = 41;
    flow.waiting.bytes = 5 << 20;
    flow.waiting.oldest_wait_ms = 2300;
    flow.waiting.classes[2].waiting = 41;
    flow.waiting.classes[2].oldest_wait_ms = 2300;
    flow.last_minute.waits[2].calls = 580;
    flow.last_minute.waits[2].p50_ms = Some(850.0);
    flow.last_minute.waits[2].p99_ms = Some(2400.0);
    flow.last_minute.calls_by_second = (0..60).map(|second| second % 12).collect();
    flow.last_minute.refusals_by_second[58] = 5;
    flow.callers = vec![FlowCaller { key: "web-app".to_owned(), in_flight: 57, waiting: 41 }];
    flow.alerts = vec![AlertLevel {
        metric: "bucket_fill_percentage".to_owned(),
        threshold: "<20%".to_owned(),
        for_seconds: 0.0,
        firing: true,
        since: Some("2026-11-21T05:21:39Z".to_owned()),
        value: Some(2.0),
        limit: Some("key:web-app requests per 60 s".to_owned()),
    }];
    Picture::new(flow)
}

#[test]
fn a_picture_shows_limits_waiting_callers_alerts_and_rates() {
    let text = still(&busy(), 110);
    for said in [
        "sluicegate 0.1.0 · up 1 h 2 min · config 3f9c2a · 57 in flight",
        "1.0 refused/s",
        "alert: bucket_fill_percentage is 2% (<20%): key:web-app requests per 60 s, since 2026-11-21T05:21:39Z",
        "limits: 3 ",
        "requests/minute            588/600 ████████████████████  98% 41, 2.3 s      12 s",
        "waiting: 41, oldest 2.3 s, 5.0 MiB ",
        "normal   41      2.3 s   850 ms   2.4 s",
        "callers: 1 ",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    let callers: Vec<&str> = text.lines().filter(|line| line.contains("web-app") && line.contains("57")).collect();
    assert_eq!(callers.len(), 1, "{text}");
}

#[test]
fn providers_and_keys_are_shown_and_those_that_are_not_well_come_first_where_room_is_short() {
    let mut picture = busy();
    picture.providers(page());
    let text = still(&picture, 110);
    for said in ["provider/key", "openai", "  org-a", "throttled", "tried again in 12 s"] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    let mut many = page();
    let one = many.report.providers[0].clone();
    many.report.providers = (0..20)
        .map(|at| {
            let mut provider = one.clone();
            provider.name = format!("p{at}");
            provider.keys.clear();
            if at < 19 {
                provider.breaker.state = "closed".into();
            }
            provider
        })
        .collect();
    picture.providers(many);
    let text = still(&picture, 110);
    assert!(text.contains("p19") && text.contains("open"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with('p') && line.contains("75%")).count(), STANDINGS, "{text}");
}

#[test]
fn it_fits_whatever_terminal_there_is() {
    let mut picture = busy();
    picture.providers(page());
    for (width, height) in [(1, 1), (20, 5), (80, 24), (132, 50), (300, 10)] {
        let Ok(mut terminal) = ratatui::Terminal::new(TestBackend::new(width, height));
        let Ok(_) = terminal.draw(|frame| draw(frame, &picture));
    }
}

#[test]
fn on_an_ordinary_terminal_every_column_is_there_and_names_are_readable() {
    let text = still(&busy(), 80);
    assert!(text.contains("endpoint:/chat/complet") && text.contains("41, 2.3 s"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn limits_that_do_not_fit_are_counted() {
    let mut picture = busy();
    let many = (0..90).map(|at| limit(&format!("key:k{at}"), 100, 50)).collect();
    picture.flow.limits = many;
    picture.flow.limits_left_out = 7;
    let text = still(&picture, 100);
    let shown = text.lines().filter(|line| line.starts_with("key:k")).count();
    assert!(text.contains(&format!("and {} more that are less full", 97 - shown)), "{text}");
}

#[test]
fn a_relay_that_goes_away_leaves_the_last_picture_and_a_word() {
    let mut picture = busy();
    picture.lost("data: no relay is running with this data directory\n       start one");
    let text = still(&picture, 110);
    assert!(text.contains("does not answer, this is the last picture: data: no relay is running"), "{text}");
    assert!(text.contains("limits: 3 ") && !text.contains("start one"), "{text}");
    picture.show(flow(Vec::new()));
    assert!(!still(&picture, 110).contains("does not answer"));
}

#[test]
fn what_waited_is_remembered_for_so_many_looks_and_no_more() {
    let mut picture = busy();
    for _ in 0..2 * LOOKS {
        picture.show(flow(Vec::new()));
    }
    assert_eq!((picture.waited.len(), picture.waited.iter().sum::<u64>()), (LOOKS, 0));
}

#[test]
fn a_rate_is_over_the_latest_full_seconds() {
    let by_second = [9, 9, 9, 0, 5, 5, 0, 10, 1000];
    assert!((rate(&by_second, 3600) - 4.0).abs() < 1e-9);
    assert!((rate(&by_second, 2) - 5.0).abs() < 1e-9);
    assert!(rate(&[], 0).abs() < 1e-9);
}
