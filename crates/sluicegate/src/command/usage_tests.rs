use super::*;

fn page(days: u32, lines: &[(&str, i64)]) -> UsagePage {
    let line = |(name, calls): &(&str, i64)| {
        let line = serde_json::json!({
            "name": name, "calls": calls, "errors": 0, "unpriced": 0, "input": 0, "cached": 0, "output": 0,
            "cost_usd": "0", "billed_usd": "0",
        });
        serde_json::from_value(line).unwrap()
    };
    UsagePage { schema: String::new(), by: "day".to_owned(), days, usage: lines.iter().map(line).collect() }
}

fn rows(plot: &str) -> Vec<String> {
    let plain = anstream::adapter::strip_str(plot).to_string();
    plain.lines().skip(1).take(HEIGHT).map(str::to_owned).collect()
}

#[test]
fn a_plot_has_a_column_for_every_day_and_a_little_is_not_nothing() {
    let now = jiff::civil::datetime(2026, 11, 21, 18, 0, 0, 0);
    let plotted = plot(&page(3, &[("2026-11-19", 800), ("2026-11-21", 1)]), UsageBy::Day, Figure::Calls, now);
    let rows = rows(&plotted);
    assert_eq!(rows[0], "  █");
    assert_eq!(rows[HEIGHT - 1], "  █ ▁", "{plotted}");
    assert!(plotted.contains("800 at most"), "{plotted}");
}

#[test]
fn more_days_than_fit_are_put_together() {
    let now = jiff::civil::datetime(2026, 11, 21, 18, 0, 0, 0);
    let plotted = plot(&page(250, &[("2026-11-21", 1), ("2026-11-20", 1)]), UsageBy::Day, Figure::Calls, now);
    assert!(plotted.contains("column of 3 day(s)"), "{plotted}");
    assert!(rows(&plotted)[HEIGHT - 1].ends_with('█'), "{plotted}");
}

#[test]
fn a_plot_of_nothing_is_empty() {
    let now = jiff::civil::datetime(2026, 11, 21, 18, 0, 0, 0);
    assert!(rows(&plot(&page(7, &[]), UsageBy::Day, Figure::Billed, now)).iter().all(|row| row.trim().is_empty()));
}

#[test]
fn the_table_tells_tokens_calls_cache_hits_cost_and_latency() {
    let line = serde_json::json!({
        "name": "web-app", "calls": 120, "errors": 3, "unpriced": 0, "input": 500, "cached": 0, "output": 90,
        "cost_usd": "1.5", "billed_usd": "1.8", "cache_hits": 40, "mean_us": 12_340, "mean_first_us": 840, "saved_usd": "0.7",
    });
    let page = UsagePage { usage: vec![serde_json::from_value(line).unwrap()], ..page(7, &[]) };
    let told = anstream::adapter::strip_str(&table(&page, "key")).to_string();
    let words: Vec<&str> = told.lines().nth(1).unwrap().split_whitespace().collect();
    let all = ["web-app", "120", "3", "40", "500", "90", "$1.8", "$0.7", "12", "ms", "0.8", "ms"];
    assert_eq!(words[..all.len()], all, "{told}");
    for heading in ["KEY", "CALLS", "CACHE HITS", "TOKENS IN", "TOKENS OUT", "BILLED", "SAVED", "LATENCY", "FIRST"] {
        assert!(told.lines().next().unwrap().contains(heading), "{told}");
    }
}

#[test]
fn small_amounts_above_a_plot_show_two_figures() {
    let shown = |dollars: f64| format!("{dollars:.*}", places(dollars));
    assert_eq!([0.0, 12.0, 0.5, 0.04, 0.000_237].map(shown), ["0.00", "12.00", "0.50", "0.040", "0.00024"]);
}
